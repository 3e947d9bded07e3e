"""Shapes as lists whose entries are ints where known and scalar tensors where not."""

from collections.abc import Sequence
from math import inf, prod
from typing import Any

import tensorflow as tf

from keras_maxpool.window import Axis

Size = Any
"""An int, or a scalar integer tensor where the size is unknown while tracing."""

MOST_STATIC = 2**24
"""Elements of the longest axis whose tables are made while tracing: a graph holds no constant of 2 GiB."""

Pads = Sequence[tuple[Size, Size]]
"""The padding before and after, along each axis."""


def sizes(x: tf.Tensor) -> list[Size]:
    """The sizes of `x`, static wherever they can be."""
    static = x.shape.as_list()
    if None not in static:
        return static
    dynamic = tf.shape(x)
    return [dynamic[i] if size is None else size for i, size in enumerate(static)]


def product(factors: Sequence[Size]) -> Size:
    """The product, static if every factor is."""
    return prod(factors)


def maximum(a: Size, b: Size) -> Size:
    """The larger of two sizes, static if both are."""
    return max(a, b) if isinstance(a, int) and isinstance(b, int) else tf.maximum(a, b)


def without_elements(x: tf.Tensor, shape: Sequence[int | None], indices: str | None) -> Any:
    """`x` in another shape, where both are known to have no elements, and indices of that dtype if one is given.

    Nothing there is to pool, but the gradient still has to lead back to `x`. None where there may be elements.
    """
    if 0 not in x.shape.as_list() or 0 not in shape or None in shape:
        return None
    y = tf.reshape(x, shape)
    return y if indices is None else (y, tf.zeros(shape, indices))


def pads(axes: Sequence[Axis], sizes: Sequence[Size]) -> list[tuple[Size, Size]]:
    """The padding before and after along each axis, as `Axis.pads` has it."""
    return [axis.pads(size, maximum) for axis, size in zip(axes, sizes, strict=True)]


def may_pad(pads: Pads) -> bool:
    """Whether there is any padding, or may be."""
    return any(not isinstance(n, int) or n > 0 for pair in pads for n in pair)


def lowest(dtype: tf.DType) -> tf.Tensor:
    """What never wins a maximum: -inf, or an integer type's smallest value."""
    return tf.constant(-inf if dtype.is_floating else dtype.min, dtype)


def pad(x: tf.Tensor, pads: Pads) -> tf.Tensor:
    """`x` (batch, *spatial, channels) padded with what never wins a maximum."""
    if not may_pad(pads):
        return x
    every = [(0, 0), *pads, (0, 0)]
    if tf.executing_eagerly():
        return tf.pad(x, every, constant_values=lowest(x.dtype))
    # What is traced may come under tf.vectorized_map, which drops that constant (TensorFlow 2.21). Adding -0.0
    # changes no bit.
    nothing = tf.fill(sizes(x)[1:-1], tf.constant(-0.0 if x.dtype.is_floating else 0, x.dtype))
    bias = tf.pad(nothing, pads, constant_values=lowest(x.dtype))
    return tf.pad(x, every) + tf.expand_dims(bias, -1)
