"""Casts, checks and workarounds while a graph is traced for another runtime: LiteRT, ONNX or OpenVINO."""

import math
import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec

import tensorflow as tf

from keras_maxpool.backend.tensorflow.context import Context, current_context

P = ParamSpec("P")

_SMALL = dict.fromkeys(("int8", "uint8", "int16"), "int32")
_FLOATS = {"float16": "float32", "float32": "float32", "float64": "float64"}
DTYPES = {
    "LiteRT": {"float32": "float32", **_SMALL, "int32": "int32"},
    "ONNX": {
        "bfloat16": "float32",
        **_FLOATS,
        **_SMALL,
        "uint16": "int32",
        "int32": "int32",
        "int64": "int64",
    },
    # OpenVINO computes integers in float32.
    "OpenVINO": {**_FLOATS, **_SMALL, "uint16": "int32"},
}
"""By runtime, the dtypes of inputs that it can pool, each with the dtype to cast to, which has all operations."""


def in_context(function: Callable[Concatenate[tf.Tensor, Context, P], Any]) -> Callable[..., Any]:
    """Wraps a function of the backend so that it receives its context, and inputs that are cast for export.

    The function returns a tensor or a pair. The tensor, or the first of the pair, has the dtype of the inputs.
    """

    @wraps(function)
    def call(x: tf.Tensor, *args: P.args, **kwargs: P.kwargs) -> Any:
        context = current_context(x)
        if context.runtime is None:
            return function(x, context, *args, **kwargs)
        try:
            results = function(_cast(x, context.runtime), context, *args, **kwargs)
        except (TypeError, ValueError) as error:
            if context.runtime == "LiteRT":
                # `TFLiteConverter.from_keras_model` drops the error, and fails with another one that says nothing.
                warnings.warn(str(error), stacklevel=2)
            raise
        values, *indices = results if isinstance(results, tuple) else (results,)
        if values.dtype == x.dtype:
            return results
        if not x.dtype.is_floating:
            # A window of padding alone holds the smallest value of the dtype that it was cast to.
            values = tf.maximum(values, x.dtype.min)
        values = tf.cast(values, x.dtype)
        return (values, *indices) if indices else values

    return call


def _cast(x: tf.Tensor, runtime: str) -> tf.Tensor:
    dtype = DTYPES[runtime].get(x.dtype.name)
    if dtype is None:
        raise TypeError(
            f"{runtime} cannot pool inputs of dtype {x.dtype.name}; it takes {', '.join(DTYPES[runtime])}. "
            'Give the layer dtype="float32", or cast before and after it.'
        )
    return tf.cast(x, dtype)


def check_indices(context: Context) -> None:
    """Refuses to compute with indices in a graph that is quantised to 16 bits."""
    if context.quantized_bits == 16:
        raise ValueError(
            "`return_indices` does not go through 16-bit quantisation to unpooling, through a mask, or out of a global "
            f"pooling, as {context.runtime} has no arithmetic of indices there. Quantise to 8 bits, or drop "
            "return_indices."
        )


def check_sizes(sizes: Sequence[Any], why: str) -> None:
    """Refuses spatial `sizes` of which some are unknown, for the reason `why`."""
    if not all(isinstance(size, int) for size in sizes):
        shape = tuple(size if isinstance(size, int) else None for size in sizes)
        raise ValueError(
            f"{why}, so the spatial sizes of `inputs` must be known when the model is exported; received "
            f"{shape}. Pass the sizes to keras.Input."
        )


def select(condition: tf.Tensor, x: tf.Tensor, y: tf.Tensor, context: Context) -> tf.Tensor:
    """Computes `tf.where(condition, x, y)` for floats that may be infinite or NaN where they are not chosen.

    tf2onnx (1.17) turns a tf.where into a sum of products with 0 and 1, unless its condition is a tf.math.is_nan.
    """
    if not x.dtype.is_floating or context.runtime == "LiteRT":
        return tf.where(condition, x, y)
    mark = tf.where(condition, tf.constant(math.nan, x.dtype), tf.zeros([], x.dtype))
    return tf.where(tf.math.is_nan(mark), x, y)
