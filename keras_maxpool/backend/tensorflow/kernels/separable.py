"""The kernel "separable": one `tf.nn.max_pool` per axis, with the others folded into the batch and the channels."""

from math import gcd

import tensorflow as tf

from keras_maxpool.backend.tensorflow import cost, shapes
from keras_maxpool.backend.tensorflow import padding as pads
from keras_maxpool.backend.tensorflow.context import Context
from keras_maxpool.backend.tensorflow.kernels import native
from keras_maxpool.geometry.window import Axis, Window, ceil_divide


def separable(x: tf.Tensor, window: Window, context: Context) -> tf.Tensor:
    """Pools (batch, *spatial, channels) one axis at a time.

    The innermost axis goes first: each pass keeps its first maximum, so the last keeps the first in row-major order.
    """
    for i in range(window.rank, 0, -1):
        x = _pool_axis(x, i, window.axes[i - 1], context)
    return x


def _pool_axis(x: tf.Tensor, i: int, axis: Axis, context: Context) -> tf.Tensor:
    """Pools axis `i` of `x`."""
    full = shapes.sizes(x)
    before, size, after = full[:i], full[i], full[i + 1 :]
    if i > 1 and i == x.shape.rank - 2 and (x.shape[-1] or cost.NARROW) < cost.NARROW:
        # Too few channels to fill a vector: two transposes fold the other spatial axes into them.
        batch, *middle = before
        x = tf.reshape(x, [batch, shapes.product(middle), size, after[0]])
        x = _pool_axis(tf.transpose(x, [0, 2, 1, 3]), 1, axis, context)
        return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [*before, shapes.sizes(x)[1], *after])
    x = tf.reshape(x, [shapes.product(before), size, 1, shapes.product(after)])
    # A "same" padding of whole gaps on both sides is the operation's own, once the elements are regrouped.
    centred = axis.stride == 1 and axis.pool % 2 == 1
    padding = "SAME" if axis.padding == "same" and (centred or not axis.dilated) else "VALID"
    if padding == "VALID":
        full = [axis.pads(size, shapes.maximum), (0, 0)]
        x = pads.pad(x, full, context, (axis.dilation, 1))
    x = (
        _dilated(x, axis, padding, context)
        if axis.dilated
        else native.max_pool(x, native.MaxPool((axis.pool, 1), (axis.stride, 1), padding), context)
    )
    return tf.reshape(x, [*before, shapes.sizes(x)[1], *after])


def _dilated(x: tf.Tensor, axis: Axis, padding: str, context: Context) -> tf.Tensor:
    """Pools axis 1 of (outer, size, 1, inner) with dilation: regroups its elements so that a window's are adjacent."""
    # No window has elements between multiples of the common divisor.
    common = gcd(axis.stride, axis.dilation)
    stride, gap = axis.stride // common, axis.dilation // common
    x = x[:, ::common] if common > 1 else x
    outer, size, _, inner = shapes.sizes(x)
    reach = 0 if padding == "SAME" else (axis.pool - 1) * gap
    outputs = (size - reach - 1) // stride + 1
    # Elements `gap` apart become neighbours: (size) -> (size / gap, gap), with the gap folded into the channels.
    groups = ceil_divide(size, gap, shapes.maximum)
    x = pads.pad(x, [(0, groups * gap - size), (0, 0)], context, (gap, 1))
    x = tf.reshape(x, [outer, groups, 1, gap * inner])
    operation = native.MaxPool((axis.pool, 1), (stride if gap == 1 else 1, 1), padding)
    x = native.max_pool(x, operation, context)
    if gap == 1:
        return x
    x = tf.reshape(x, [outer, shapes.sizes(x)[1] * gap, 1, inner])
    return x[:, : (outputs - 1) * stride + 1 : stride]
