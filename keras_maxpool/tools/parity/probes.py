"""Probes of `faults`: each gives "" where a side is right, and otherwise says what it did.

An exception says as much, and some end the process. Every probe knows the right answer by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import keras_maxpool
from keras_maxpool.tools.parity.compare import difference, one_line


@dataclass(frozen=True)
class Side:
    """One package's layers, and its options for NaN and -inf as NumPy treats them."""

    layers: ModuleType
    ieee: dict[str, Any]


SIDES = {
    "ours": Side(keras_maxpool, {"nonfinite": "ieee"}),
    "built-in": Side(keras.layers, {}),
}


def empty_batch(side: Side) -> str:
    """The gradient of an empty batch in a graph."""
    gradient = _gradient(side.layers.MaxPool2D(), "graph", np.zeros((0, 4, 4, 1), "float32"))
    return difference(gradient, np.zeros((0, 4, 4, 1), "float32"))


def huge_stride(side: Side) -> str:
    """A stride that no kernel holds in 32 bits."""
    x = tf.zeros((1, 4, 4, 1))
    return _refused(lambda: side.layers.MaxPool2D(2, strides=2**31)(x), ValueError)


def adaptive_to_one(side: Side) -> str:
    """The maximum of each channel."""
    y = side.layers.AdaptiveMaxPooling2D(1)(tf.reshape(tf.range(16.0), (1, 4, 4, 1)))
    return difference(y.numpy(), np.full((1, 1, 1, 1), 15, "float32"))


def ties_3d_eager(side: Side) -> str:
    """Eight zeros, of which the first gets the gradient."""
    x = np.zeros((1, 2, 2, 2, 1), "float32")
    first = np.zeros_like(x)
    first[0, 0, 0, 0, 0] = 1
    return difference(_gradient(side.layers.MaxPool3D(2), "eager", x), first)


def near_ties_3d_eager(side: Side) -> str:
    """Eight numbers of which the last is the largest by 8e-6."""
    x = np.ones((1, 2, 2, 2, 1), "float32")
    x[0, 1, 1, 1, 0] += 8e-6
    largest = np.zeros_like(x)
    largest[0, 1, 1, 1, 0] = 1
    return difference(_gradient(side.layers.MaxPool3D(2), "eager", x), largest)


def ties_xla_same(side: Side) -> str:
    """Two ones across a window of 2, of which the upper one gets the gradient; elsewhere zeros and the edge."""
    x = np.reshape([[0, 1, 0], [1, 0, 0], [0, 0, 0]], (1, 3, 3, 1)).astype("float32")
    first = np.reshape([[0, 2, 1], [1, 1, 1], [1, 1, 1]], (1, 3, 3, 1)).astype("float32")
    return difference(_gradient(side.layers.MaxPool2D(2, 1, "same"), "xla", x), first)


def second_order_one_shape(side: Side) -> str:
    """In a graph, where output and input have one shape."""
    return _second_order(side, "graph", "float32", 1)


def second_order_xla(side: Side) -> str:
    """Under XLA, in another dtype than float32."""
    return _second_order(side, "xla", "float64", 2)


def ignored_mask(side: Side) -> str:
    """A step of -3 that is seen, and three masked ones of 0."""
    x = keras.layers.Masking(0.0)(tf.constant([[[-3.0], [0.0], [0.0], [0.0]]]))
    y = side.layers.MaxPool1D(2)(x)
    return difference(y.numpy(), np.array([[[-3], [0]]], "float32"))


def float64_3d(side: Side) -> str:
    """3D in float64."""
    return _ramp_3d(side, "float64")


def float16_3d(side: Side) -> str:
    """3D in float16, without XLA."""
    return _ramp_3d(side, "float16")


def integers_3d(side: Side) -> str:
    """3D in int32."""
    return _ramp_3d(side, "int32")


def uint32_2d(side: Side) -> str:
    """2D in uint32, across the sign bit of int32."""
    x = np.array([1, 2**32 - 1, 2**31, 5], "uint32").reshape(1, 2, 2, 1)
    y = side.layers.MaxPool2D()(tf.constant(x))
    return difference(y.numpy(), np.full((1, 1, 1, 1), 2**32 - 1, "uint32"))


def symbolic_integers(side: Side) -> str:
    """The dtype that a model's symbolic output says."""
    y = side.layers.MaxPool2D()(keras.Input((4, 4, 1), dtype="int32"))
    return "" if y.dtype == "int32" else f"{y.dtype} in place of int32"


def nan_2d(side: Side) -> str:
    """A NaN beside numbers."""
    x = tf.constant([1, np.nan, 2, 3], tf.float32)
    y = side.layers.MaxPool2D(**side.ieee)(tf.reshape(x, (1, 2, 2, 1)))
    return difference(y.numpy(), np.full((1, 1, 1, 1), np.nan, "float32"))


def infinity_2d(side: Side) -> str:
    """A window of -inf."""
    y = side.layers.MaxPool2D(**side.ieee)(tf.fill((1, 2, 2, 1), -np.inf))
    return difference(y.numpy(), np.full((1, 1, 1, 1), -np.inf, "float32"))


def capitals(side: Side) -> str:
    """padding="SAME" in a model."""
    y = side.layers.MaxPool2D(2, padding="SAME")(keras.Input((5, 5, 1)))
    return "" if y.shape == (None, 3, 3, 1) else f"shape {y.shape}"


def numpy_integer(side: Side) -> str:
    """A window of np.int64(2)."""
    pool_size = tuple(side.layers.MaxPool2D(np.int64(2)).pool_size)
    return "" if pool_size == (2, 2) else f"pool_size {pool_size}"


def zero_stride(side: Side) -> str:
    """A stride of 0, refused when the layer is made."""
    return _refused(lambda: side.layers.MaxPool2D(2, strides=0), ValueError)


def boolean_window(side: Side) -> str:
    """A window of True."""
    return _refused(lambda: side.layers.MaxPool2D(True), TypeError)


def unknown_padding(side: Side) -> str:
    """A padding that nobody knows, refused when the layer is made."""
    return _refused(lambda: side.layers.MaxPool2D(2, padding="full"), ValueError)


def _ramp_3d(side: Side, dtype: str) -> str:
    x = tf.reshape(tf.cast(tf.range(8), dtype), (1, 2, 2, 2, 1))
    # Keras casts no whole numbers, and no layer has a dtype of them.
    options = {"dtype": dtype} if dtype.startswith("float") else {}
    return difference(
        side.layers.MaxPool3D(2, **options)(x).numpy(), np.full((1, 1, 1, 1, 1), 7, dtype)
    )


def _second_order(side: Side, mode: str, dtype: str, strides: int) -> str:
    """The gradient's own gradient by what came in from above: the tangent, at the place of each maximum."""
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
        # A tangent of its own memory, which holds twice the input: what comes back is twice the maxima.
        return outer.gradient(gradient, upstream, output_gradients=x + x)

    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-1)
    if strides == 2:  # 5 columns need the pad before them, 6 rows do not
        padded = padded[:, 1:]
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
    maxima = windows.max((-2, -1))[:, ::strides, ::strides]
    return difference(_in_mode(function, mode)(tf.constant(x)).numpy(), 2 * maxima)


def _gradient(layer: keras.Layer, mode: str, x: np.ndarray) -> np.ndarray:
    """The gradient of the sum of the outputs."""

    def function(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        return tape.gradient(y, x)

    return _in_mode(function, mode)(tf.constant(x)).numpy()


def _in_mode(function: Callable[..., Any], mode: str) -> Callable[..., Any]:
    return function if mode == "eager" else tf.function(function, jit_compile=mode == "xla")


def _refused(function: Callable[[], Any], error: type[Exception]) -> str:
    """Whether the function raises the error that it should."""
    try:
        function()
    except error:
        return ""
    except Exception as other:  # the wrong one
        return f"raised {one_line(other)}"
    return "was taken"
