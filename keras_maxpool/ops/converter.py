"""Which converter is tracing the code, if one is, and what the runtime lacks for which it does.

Neither Keras nor TensorFlow tells a layer where its graph will run, so this looks at who has called: 4 us for 40
frames, where tracing a pooling takes 2,300. A SavedModel was traced before a converter reads it, and is taken as it is.
"""

import sys
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
    if tf.executing_eagerly():
        return None
    frame: FrameType | None = sys._getframe()
    while frame:
        runtime = RUNTIMES.get(frame.f_globals.get("__name__", ""))
        if runtime:
            return runtime
        frame = frame.f_back
    return None


def carried(function: F) -> F:
    """`function`, of a tensor and more, in a dtype that the runtime has and that holds all values of the tensor's own.

    Returns what `function` does, a tensor or a pair, of which the first is of the argument's dtype.
    """

    @wraps(function)
    def carrying(x: tf.Tensor, *args: Any, **kwargs: Any) -> Any:
        runtime = current()
        if runtime is None:
            return function(x, *args, **kwargs)
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

    return cast(F, carrying)


def check_sizes(sizes: Sequence[Any], why: str) -> None:
    """Refuses spatial `sizes` of which some are unknown, and gives the reason `why`."""
    if not all(isinstance(size, int) for size in sizes):
        shape = tuple(size if isinstance(size, int) else None for size in sizes)
        raise ValueError(
            f"{current()} {why}, so the spatial sizes of `inputs` must be known when the model is exported; received "
            f"{shape}. Give keras.Input its sizes."
        )
