"""Shapes as lists whose entries are ints where known and scalar tensors where not."""

from collections.abc import Sequence
from math import inf, prod
from typing import Any

import numpy as np
import tensorflow as tf

from keras_maxpool.geometry.window import Axis

Size = Any
"""An int, or a scalar integer tensor where the size is unknown while tracing."""

MOST_STATIC = 2**24
"""Elements of the longest axis whose tables are made while tracing: a graph holds no constant of 2 GiB."""

Pads = Sequence[tuple[Size, Size]]
"""The padding before and after, along each axis."""

Gaps = Sequence[int] | None
"""The step from element to element of a window, along each axis, or None."""


def shape(x: tf.Tensor) -> tuple[int | None, ...] | None:
    """The static shape, None where unknown."""
    return None if x.shape.rank is None else tuple(x.shape)


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


def pad(x: tf.Tensor, pads: Pads, gaps: Gaps = None) -> tf.Tensor:
    """`x` (batch, *spatial, channels) padded with what never wins a maximum.

    That is the smallest number; or, with `gaps`, elements of `x` that lie in the same windows, which
    leave the range of values as it is, as quantisation needs it. Each is the nearest element at a multiple of its
    axis's gap, where there is one: no window may see padding alone.
    """
    if not may_pad(pads):
        return x
    if gaps is not None:
        for axis in range(len(pads), 0, -1):
            x = _repeat_ends(x, axis, pads[axis - 1], gaps[axis - 1])
        return x
    every = [(0, 0), *pads, (0, 0)]
    if tf.executing_eagerly():
        return tf.pad(x, every, constant_values=lowest(x.dtype))
    # What is traced may come under tf.vectorized_map, which drops that constant (TensorFlow 2.21). Adding -0.0
    # changes no bit.
    nothing = tf.fill(sizes(x)[1:-1], tf.constant(-0.0 if x.dtype.is_floating else 0, x.dtype))
    bias = tf.pad(nothing, pads, constant_values=lowest(x.dtype))
    return tf.pad(x, every) + tf.expand_dims(bias, -1)


def _repeat_ends(x: tf.Tensor, axis: int, pads: tuple[Size, Size], gap: int) -> tf.Tensor:
    before, after = pads
    if not may_pad([pads]):
        return x
    size = sizes(x)[axis]
    head, tail = _range(-before, 0) % gap, size - gap + _range(0, after) % gap
    if isinstance(size, int):
        # What no window sees may be any element.
        head, tail = np.minimum(head, size - 1), np.maximum(tail, 0)
    # One gather, as copies of both ends and a concatenation take up to 1.1 of its time.
    return tf.gather(x, tf.concat([head, _range(0, size), tail], 0), axis=axis)


def _range(start: Size, end: Size) -> Any:
    """The integers from `start` to before `end`, static if both are."""
    static = isinstance(start, int) and isinstance(end, int)
    return np.arange(start, end, dtype=np.int32) if static else tf.range(start, end)
