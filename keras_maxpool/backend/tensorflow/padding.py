"""Pads with what never wins a maximum: the smallest number, or repeated elements."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_maxpool.backend.tensorflow import shapes
from keras_maxpool.backend.tensorflow.context import Context
from keras_maxpool.backend.tensorflow.numerics import lowest
from keras_maxpool.geometry.window import Axis

Pads = Sequence[tuple[shapes.Size, shapes.Size]]
"""The padding before and after, along each axis."""

Gaps = Sequence[int] | None
"""The step from element to element of a window, along each axis, or None."""


def explicit_pads(
    axes: Sequence[Axis], sizes: Sequence[shapes.Size]
) -> list[tuple[shapes.Size, shapes.Size]]:
    """Returns the padding before and after along each axis, by `Axis.pads`."""
    return [axis.pads(size, shapes.maximum) for axis, size in zip(axes, sizes, strict=True)]


def may_pad(pads: Pads) -> bool:
    """Returns whether there is, or may be, any padding."""
    return any(not isinstance(n, int) or n > 0 for pair in pads for n in pair)


def pad(x: tf.Tensor, pads: Pads, context: Context, gaps: Gaps = None) -> tf.Tensor:
    """Returns `x` (batch, *spatial, channels) padded with what never wins a maximum.

    That is the smallest number; or, with `context.repeats`, elements of `x` from the same windows, which keep the
    range of values, as quantisation needs. Each is the nearest element at a distance that is a multiple of the gap
    of the axis, if there is one. No window may contain padding alone.
    """
    if not may_pad(pads):
        return x
    if context.repeats:
        for i in range(len(pads), 0, -1):
            x = _repeat_ends(x, i, pads[i - 1], gaps[i - 1] if gaps else 1)
        return x
    every = [(0, 0), *pads, (0, 0)]
    if context.mode == "eager":
        return tf.pad(x, every, constant_values=lowest(x.dtype))
    # A traced function may be called in tf.vectorized_map, which drops `constant_values` (TensorFlow 2.21). Adding
    # -0.0 changes no bit.
    zeros = tf.fill(shapes.sizes(x)[1:-1], tf.constant(-0.0 if x.dtype.is_floating else 0, x.dtype))
    bias = tf.pad(zeros, pads, constant_values=lowest(x.dtype))
    return tf.pad(x, every) + tf.expand_dims(bias, -1)


def _repeat_ends(
    x: tf.Tensor, axis: int, pads: tuple[shapes.Size, shapes.Size], gap: int
) -> tf.Tensor:
    before, after = pads
    if not may_pad([pads]):
        return x
    size = shapes.sizes(x)[axis]
    head, tail = _range(-before, 0) % gap, size - gap + _range(0, after) % gap
    if isinstance(size, int):
        # Padding that no window reads may be any element.
        head, tail = np.minimum(head, size - 1), np.maximum(tail, 0)
    # One gather, as copies of both ends and a concatenation take up to 1.1 of its time.
    return tf.gather(x, tf.concat([head, _range(0, size), tail], 0), axis=axis)


def _range(start: shapes.Size, end: shapes.Size) -> Any:
    """Returns the integers from `start` to before `end`, static if both are."""
    static = isinstance(start, int) and isinstance(end, int)
    return np.arange(start, end, dtype=np.int32) if static else tf.range(start, end)
