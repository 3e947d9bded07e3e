"""One `tf.nn.max_pool` an axis: what stands before the axis is folded into the batch, what follows into channels."""

from math import gcd

import tensorflow as tf

from keras_maxpool.backend.tensorflow import shapes
from keras_maxpool.backend.tensorflow.kernels import native
from keras_maxpool.geometry.window import Axis, Window, ceil_divide

NARROW = 16
"""With fewer channels than this the innermost axis is pooled with the other axes folded into the channels."""


def separable(x: tf.Tensor, window: Window, repeat: bool = False) -> tf.Tensor:
    """Pools (batch, *spatial, channels) one axis at a time; `repeat` as `shapes.pad` has it.

    The innermost axis goes first: each pass keeps its first maximum, so the last keeps the first in row-major order.
    """
    for place in range(window.rank, 0, -1):
        x = _pool_axis(x, place, window.axes[place - 1], repeat)
    return x


def _pool_axis(x: tf.Tensor, place: int, axis: Axis, repeat: bool) -> tf.Tensor:
    full = shapes.sizes(x)
    before, size, after = full[:place], full[place], full[place + 1 :]
    if place > 1 and place == x.shape.rank - 2 and (x.shape[-1] or NARROW) < NARROW:
        # Too few channels to fill a vector: the other spatial axes join them, for the price of two transposes.
        batch, *middle = before
        x = tf.reshape(x, [batch, shapes.product(middle), size, after[0]])
        x = _pool_axis(tf.transpose(x, [0, 2, 1, 3]), 1, axis, repeat)
        return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [*before, shapes.sizes(x)[1], *after])
    x = tf.reshape(x, [shapes.product(before), size, 1, shapes.product(after)])
    # Whole gaps on both sides are the operation's own padding, once the gaps are closed.
    centred = axis.stride == 1 and axis.pool % 2 == 1
    padding = "SAME" if axis.padding == "same" and (centred or not axis.dilated) else "VALID"
    if padding == "VALID":
        gaps = (axis.dilation, 1) if repeat else None
        x = shapes.pad(x, [axis.pads(size, shapes.maximum), (0, 0)], gaps)
    x = (
        _dilated(x, axis, padding, repeat)
        if axis.dilated
        else native.max_pool(x, [axis.pool, 1], [axis.stride, 1], padding)
    )
    return tf.reshape(x, [*before, shapes.sizes(x)[1], *after])


def _dilated(x: tf.Tensor, axis: Axis, padding: str, repeat: bool) -> tf.Tensor:
    """Pools axis 1 of (outer, size, 1, inner) with gaps, by regrouping it so that the gaps close."""
    # No window ever looks at elements between multiples of the common divisor.
    common = gcd(axis.stride, axis.dilation)
    stride, gap = axis.stride // common, axis.dilation // common
    x = x[:, ::common] if common > 1 else x
    outer, size, _, inner = shapes.sizes(x)
    reach = 0 if padding == "SAME" else (axis.pool - 1) * gap
    outputs = (size - reach - 1) // stride + 1
    # Elements `gap` apart become neighbours: (size) -> (size / gap, gap), with the gap folded into the channels.
    groups = ceil_divide(size, gap, shapes.maximum)
    x = shapes.pad(x, [(0, groups * gap - size), (0, 0)], (gap, 1) if repeat else None)
    x = native.max_pool(
        tf.reshape(x, [outer, groups, 1, gap * inner]),
        [axis.pool, 1],
        [stride if gap == 1 else 1, 1],
        padding,
    )
    if gap == 1:
        return x
    x = tf.reshape(x, [outer, shapes.sizes(x)[1] * gap, 1, inner])
    return x[:, : (outputs - 1) * stride + 1 : stride]
