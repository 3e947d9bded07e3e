"""Which converter is tracing the code, if one is, and what the runtime lacks for which it does.

Neither Keras nor TensorFlow tells a layer where its graph will run, so this looks at who has called: 4 us for 40
frames, where tracing a pooling takes 2,300. A SavedModel was traced before a converter reads it, and is taken as it is.
"""

import sys
import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from types import FrameType
from typing import Any, TypeVar, cast

import tensorflow as tf

F = TypeVar("F", bound=Callable[..., Any])

RUNTIMES = {
    "keras.src.export.litert": "LiteRT",
    "tensorflow.lite.python.lite": "LiteRT",
    "keras.src.export.onnx": "ONNX",
    "keras.src.export.openvino": "OpenVINO",
}
"""For each module that traces models for a runtime, its name."""

_SMALL = dict.fromkeys(("int8", "uint8", "int16"), "int32")
_FLOATS = {"float16": "float32", "float32": "float32", "float64": "float64"}
CARRIERS = {
    "LiteRT": {"float32": "float32", **_SMALL, "int32": "int32"},
    "ONNX": {
        "bfloat16": "float32",
        **_FLOATS,
        **_SMALL,
        "uint16": "int32",
        "int32": "int32",
        "int64": "int64",
    },
    # It computes whole numbers in float32.
    "OpenVINO": {**_FLOATS, **_SMALL, "uint16": "int32"},
}
"""For each runtime, and each dtype that can travel there, the one in which all of its operations exist."""


def current() -> str | None:
    """The runtime for which a converter is tracing now, or None."""
    frame = _converting_frame()
    return None if frame is None else RUNTIMES[frame.f_globals["__name__"]]


def quantized_bits() -> int | None:
    """The bits of the integers that the converter which is tracing now makes of all floats, or None.

    With `optimizations` alone it keeps floats between operations; with a representative data set, too, it does not.
    """
    frame = _converting_frame()
    exporter = None if frame is None else frame.f_locals.get("self")
    if exporter is None:
        return None
    # Keras's exporter holds the converter's settings as keyword arguments.
    settings = getattr(exporter, "kwargs", None) or exporter.__dict__
    if not (settings.get("optimizations") and settings.get("representative_dataset")):
        return None
    target = settings.get("target_spec")
    operations = target if isinstance(target, dict) else vars(target) if target else {}
    return 16 if any("INT16" in str(ops) for ops in operations.get("supported_ops", ())) else 8


def check_indices() -> None:
    """Refuses to compute with indices where nothing but numbers of 16 bits can be computed."""
    if quantized_bits() == 16:
        raise ValueError(
            "`return_indices` does not go through 16-bit quantisation to unpooling, through a mask, or out of a global "
            f"pooling, as {current()} has no arithmetic of indices there. Quantise to 8 bits, or drop return_indices."
        )


def _converting_frame() -> FrameType | None:
    """The innermost call of a converter's function, if one is tracing."""
    if tf.executing_eagerly():
        return None
    frame: FrameType | None = sys._getframe()
    while frame and frame.f_globals.get("__name__", "") not in RUNTIMES:
        frame = frame.f_back
    return frame


def carried(function: F) -> F:
    """`function`, of a tensor and more, in a dtype that the runtime has and that holds all values of the tensor's own.

    Returns what `function` does, a tensor or a pair, of which the first is of the argument's dtype.
    """

    @wraps(function)
    def carrying(x: tf.Tensor, *args: Any, **kwargs: Any) -> Any:
        runtime = current()
        if runtime is None:
            return function(x, *args, **kwargs)
        try:
            return _carried(function, runtime, x, *args, **kwargs)
        except (TypeError, ValueError) as error:
            if runtime == "LiteRT":
                # `TFLiteConverter.from_keras_model` drops the error, and fails with another one that tells nothing.
                warnings.warn(str(error), stacklevel=2)
            raise

    return cast(F, carrying)


def _carried(
    function: Callable[..., Any], runtime: str, x: tf.Tensor, *args: Any, **kwargs: Any
) -> Any:
    carrier = CARRIERS[runtime].get(x.dtype.name)
    if carrier is None:
        raise TypeError(
            f"{runtime} cannot pool inputs of dtype {x.dtype.name}; it takes {', '.join(CARRIERS[runtime])}. "
            'Give the layer dtype="float32", or cast before and after it.'
        )
    if carrier == x.dtype.name:
        return function(x, *args, **kwargs)
    results = function(tf.cast(x, carrier), *args, **kwargs)
    values, *places = results if isinstance(results, tuple) else (results,)
    if not x.dtype.is_floating:
        # A window of padding alone holds the carrier's smallest number.
        values = tf.maximum(values, x.dtype.min)
    values = tf.cast(values, x.dtype)
    return (values, *places) if places else values


def check_sizes(sizes: Sequence[Any], why: str) -> None:
    """Refuses spatial `sizes` of which some are unknown, and gives the reason `why`."""
    if not all(isinstance(size, int) for size in sizes):
        shape = tuple(size if isinstance(size, int) else None for size in sizes)
        raise ValueError(
            f"{current()} {why}, so the spatial sizes of `inputs` must be known when the model is exported; received "
            f"{shape}. Give keras.Input its sizes."
        )
