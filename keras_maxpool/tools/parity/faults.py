"""The known faults of the built-in layers: what they do wrong, what ours do, and a probe that shows it.

A probe returns "" where a side is right, and otherwise says what it did. An exception says as much, and some faults
end the process. Every probe knows the right answer by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import keras_maxpool
from keras_maxpool.tools.errors import one_line
from keras_maxpool.tools.parity.compare import difference


@dataclass(frozen=True)
class Side:
    """One package's layers, and its options for NaN and -inf as NumPy treats them."""

    layers: ModuleType
    ieee: dict[str, Any]


SIDES = {
    "ours": Side(keras_maxpool, {"nonfinite": "ieee"}),
    "built-in": Side(keras.layers, {}),
}

Probe = Callable[[Side], str]


@dataclass(frozen=True)
class Fault:
    """One fault, as TensorFlow 2.21 and Keras 3.15 have it on a CPU, with the probe that shows it."""

    name: str
    builtin: str
    ours: str
    probe: Probe


@dataclass(frozen=True)
class Finding:
    """What each side did when a fault was tested: "" where it was right."""

    fault: Fault
    builtin: str
    ours: str

    @property
    def met(self) -> bool:
        """Whether the built-in has the fault here."""
        return bool(self.builtin)

    @property
    def line(self) -> str:
        """A line of Python that shows what ours does."""
        name = self.fault.probe.__name__
        return (
            f"from keras_maxpool.tools.parity import faults as f; print(f.{name}(f.SIDES['ours']))"
        )


FAULTS: list[Fault] = []
"""All faults, in the order of the probes below."""


def _fault(name: str, builtin: str, ours: str) -> Callable[[Probe], Probe]:
    """Adds the fault that the decorated probe shows to FAULTS."""

    def add(probe: Probe) -> Probe:
        FAULTS.append(Fault(name, builtin, ours, probe))
        return probe

    return add


@_fault("ties, 3D eager", "gives each tied element the whole gradient", "gives it to the first")
def ties_3d_eager(side: Side) -> str:
    """Eight zeros, of which the first gets the gradient."""
    x = np.zeros((1, 2, 2, 2, 1), "float32")
    first = np.zeros_like(x)
    first[0, 0, 0, 0, 0] = 1
    return difference(_gradient(side.layers.MaxPool3D(2), "eager", x), first)


@_fault(
    "near ties, 3D eager",
    "gives the whole gradient to all within 1e-5 of the maximum",
    "gives it to the maximum",
)
def near_ties_3d_eager(side: Side) -> str:
    """Eight numbers of which the last is the largest by 8e-6."""
    x = np.ones((1, 2, 2, 2, 1), "float32")
    x[0, 1, 1, 1, 0] += 8e-6
    largest = np.zeros_like(x)
    largest[0, 1, 1, 1, 0] = 1
    return difference(_gradient(side.layers.MaxPool3D(2), "eager", x), largest)


@_fault(
    'ties, XLA with "same"', "gives the gradient to another tied element", "gives it to the first"
)
def ties_xla_same(side: Side) -> str:
    """Two ones across a window of 2, of which the upper one gets the gradient; elsewhere zeros and the edge."""
    x = np.reshape([[0, 1, 0], [1, 0, 0], [0, 0, 0]], (1, 3, 3, 1)).astype("float32")
    first = np.reshape([[0, 2, 1], [1, 1, 1], [1, 1, 1]], (1, 3, 3, 1)).astype("float32")
    return difference(_gradient(side.layers.MaxPool2D(2, 1, "same"), "xla", x), first)


@_fault("second order where the size stays, graph", "returns wrong numbers", "right")
def second_order_one_shape(side: Side) -> str:
    """In a graph, where output and input have one shape."""
    return _second_order(side, "graph", "float32", 1)


@_fault("second order in float64, XLA", "refuses all but float32", "right")
def second_order_xla(side: Side) -> str:
    """Under XLA, in another dtype than float32."""
    return _second_order(side, "xla", "float64", 2)


@_fault("masks", "ignores and drops them", "honours them")
def ignored_mask(side: Side) -> str:
    """A visible step of -3, and three masked ones of 0."""
    x = keras.layers.Masking(0.0)(tf.constant([[[-3.0], [0.0], [0.0], [0.0]]]))
    y = side.layers.MaxPool1D(2)(x)
    return difference(y.numpy(), np.array([[[-3], [0]]], "float32"))


@_fault("3D in float64", "refuses it", "takes it")
def float64_3d(side: Side) -> str:
    """3D in float64."""
    return _ramp_3d(side, "float64")


@_fault("3D in float16", "refuses it on a CPU", "takes it")
def float16_3d(side: Side) -> str:
    """3D in float16, without XLA."""
    return _ramp_3d(side, "float16")


@_fault("3D in integers", "refuses them", "takes them")
def integers_3d(side: Side) -> str:
    """3D in int32."""
    return _ramp_3d(side, "int32")


@_fault("uint32 and uint64", "refuses them", "takes them")
def uint32_2d(side: Side) -> str:
    """2D in uint32, across the sign bit of int32."""
    x = np.array([1, 2**32 - 1, 2**31, 5], "uint32").reshape(1, 2, 2, 1)
    y = side.layers.MaxPool2D()(tf.constant(x))
    return difference(y.numpy(), np.full((1, 1, 1, 1), 2**32 - 1, "uint32"))


@_fault("integers in a model", "says float32 of its output", "says the dtype")
def symbolic_integers(side: Side) -> str:
    """The dtype that a model's symbolic output says."""
    y = side.layers.MaxPool2D()(keras.Input((4, 4, 1), dtype="int32"))
    return "" if y.dtype == "int32" else f"{y.dtype} instead of int32"


@_fault("NaN", "skips it", 'propagates it with nonfinite="ieee"')
def nan_2d(side: Side) -> str:
    """A NaN beside numbers."""
    x = tf.constant([1, np.nan, 2, 3], tf.float32)
    y = side.layers.MaxPool2D(**side.ieee)(tf.reshape(x, (1, 2, 2, 1)))
    return difference(y.numpy(), np.full((1, 1, 1, 1), np.nan, "float32"))


@_fault("-inf", "returns the lowest finite number", 'keeps it with nonfinite="ieee"')
def infinity_2d(side: Side) -> str:
    """A window of -inf."""
    y = side.layers.MaxPool2D(**side.ieee)(tf.fill((1, 2, 2, 1), -np.inf))
    return difference(y.numpy(), np.full((1, 1, 1, 1), -np.inf, "float32"))


@_fault("padding in capitals", "refuses it in models", "takes it")
def capitals(side: Side) -> str:
    """padding="SAME" in a model."""
    y = side.layers.MaxPool2D(2, padding="SAME")(keras.Input((5, 5, 1)))
    return "" if y.shape == (None, 3, 3, 1) else f"shape {y.shape}"


@_fault("NumPy integers as arguments", "refuses them", "takes them")
def numpy_integer(side: Side) -> str:
    """A window of np.int64(2)."""
    pool_size = tuple(side.layers.MaxPool2D(np.int64(2)).pool_size)
    return "" if pool_size == (2, 2) else f"pool_size {pool_size}"


@_fault("strides=0", "takes it until it runs", "refuses it at once")
def zero_stride(side: Side) -> str:
    """A stride of 0, refused when the layer is made."""
    return _refused(lambda: side.layers.MaxPool2D(2, strides=0), ValueError)


@_fault("True as a size", "takes it for 1", "refuses it")
def boolean_window(side: Side) -> str:
    """A window of True."""
    return _refused(lambda: side.layers.MaxPool2D(True), TypeError)


@_fault("an unknown padding", "takes it until it runs", "refuses it at once")
def unknown_padding(side: Side) -> str:
    """An unknown padding, refused when the layer is made."""
    return _refused(lambda: side.layers.MaxPool2D(2, padding="full"), ValueError)


# The faults that end the process come last: each costs a new one.


@_fault("gradient of an empty batch, graph", "ends the process", "returns an empty one")
def empty_batch(side: Side) -> str:
    """The gradient of an empty batch in a graph."""
    gradient = _gradient(side.layers.MaxPool2D(), "graph", np.zeros((0, 4, 4, 1), "float32"))
    return difference(gradient, np.zeros((0, 4, 4, 1), "float32"))


@_fault("a stride of 2**31", "ends the process", "refuses it")
def huge_stride(side: Side) -> str:
    """A stride that no kernel holds in 32 bits."""
    x = tf.zeros((1, 4, 4, 1))
    return _refused(lambda: side.layers.MaxPool2D(2, strides=2**31)(x), ValueError)


@_fault("adaptive pooling to one element, eager", "ends the process, or is not there", "pools")
def adaptive_to_one(side: Side) -> str:
    """The maximum of each channel."""
    y = side.layers.AdaptiveMaxPooling2D(1)(tf.reshape(tf.range(16.0), (1, 4, 4, 1)))
    return difference(y.numpy(), np.full((1, 1, 1, 1), 15, "float32"))


def _ramp_3d(side: Side, dtype: str) -> str:
    x = tf.reshape(tf.cast(tf.range(8), dtype), (1, 2, 2, 2, 1))
    # Keras casts no integers, and no layer has a dtype of them.
    options = {"dtype": dtype} if dtype.startswith("float") else {}
    return difference(
        side.layers.MaxPool3D(2, **options)(x).numpy(), np.full((1, 1, 1, 1, 1), 7, dtype)
    )


def _second_order(side: Side, mode: str, dtype: str, strides: int) -> str:
    """Tests the gradient of the gradient by the upstream gradient: the tangent, at the index of each maximum."""
    x = np.random.default_rng(0).permutation(30).reshape(1, 6, 5, 1).astype(dtype)
    layer = side.layers.MaxPool2D(3, strides, "same", dtype=dtype)

    def function(x: tf.Tensor) -> tf.Tensor:
        upstream = tf.ones_like(layer(x))
        with tf.GradientTape() as outer:
            outer.watch(upstream)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = layer(x)
            gradient = inner.gradient(y, x, output_gradients=upstream)
        # A tangent with memory of its own, twice the input: the result is twice the maxima.
        return outer.gradient(gradient, upstream, output_gradients=x + x)

    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-1)
    if strides == 2:  # 5 columns need the pad before them, 6 rows do not
        padded = padded[:, 1:]
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
    maxima = windows.max((-2, -1))[:, ::strides, ::strides]
    return difference(_in_mode(function, mode)(tf.constant(x)).numpy(), 2 * maxima)


def _gradient(layer: keras.Layer, mode: str, x: np.ndarray) -> np.ndarray:
    """Returns the gradient of the sum of the outputs."""

    def function(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        return tape.gradient(y, x)

    return _in_mode(function, mode)(tf.constant(x)).numpy()


def _in_mode(function: Callable[..., Any], mode: str) -> Callable[..., Any]:
    return function if mode == "eager" else tf.function(function, jit_compile=mode == "xla")


def _refused(function: Callable[[], Any], error: type[Exception]) -> str:
    """Returns "" if the function raises the error that it should."""
    try:
        function()
    except error:
        return ""
    except Exception as other:  # the wrong one
        return f"raised {one_line(other)}"
    return "was taken"
