"""Finds the offset of each window's first maximum along each axis, with the steps of the kernel "shifted"."""

from collections.abc import Sequence

import tensorflow as tf

from keras_maxpool.backend.tensorflow import padding, shapes
from keras_maxpool.backend.tensorflow.context import Context
from keras_maxpool.geometry.views import Views, split_into_steps
from keras_maxpool.geometry.window import Axis


def indexed(
    tensors: Sequence[tf.Tensor], axes: Sequence[Axis], context: Context
) -> list[tf.Tensor]:
    """Pools the first of the `tensors` over the leading spatial `axes`, innermost first.

    Returns, for the element that won, its offset from its window's first element along each of the axes, and then
    the values of the other tensors there.
    """
    for i in range(len(axes), 0, -1):
        tensors = _pool_axis(tensors, i, axes[i - 1], context)
    return list(tensors[1:])


def _pool_axis(
    tensors: Sequence[tf.Tensor], i: int, axis: Axis, context: Context
) -> list[tf.Tensor]:
    size = shapes.sizes(tensors[0])[i]
    pads: list[tuple[shapes.Size, shapes.Size]] = [(0, 0)] * (tensors[0].shape.rank - 2)
    pads[i - 1] = axis.pads(size, shapes.maximum)
    gaps = [axis.dilation] * len(pads)
    values, *others = (padding.pad(tensor, pads, context, gaps) for tensor in tensors)
    step = [values, tf.zeros_like(values, _offset_type(axis.length, context)), *others]
    for views in split_into_steps(axis):
        step = _first_of_views(step, i, views, context)
    return step


def _first_of_views(
    tensors: Sequence[tf.Tensor], i: int, views: Views, context: Context
) -> list[tf.Tensor]:
    size = shapes.sizes(tensors[0])[i]
    outputs = (size - views.reach) // views.stride + 1
    best: list[tf.Tensor] = []
    for start in views.displacements:
        along = slice(start, start + (outputs - 1) * views.stride + 1, views.stride)
        values, offset, *others = (tensor[(*[slice(None)] * i, along)] for tensor in tensors)
        candidate = [values, offset + tf.constant(start, offset.dtype), *others]
        best = _first(best, candidate, context) if best else candidate
    return best


def _first(best: list[tf.Tensor], candidate: list[tf.Tensor], context: Context) -> list[tf.Tensor]:
    """Returns, per element, the one with the greater value; `best` in a tie, or where one of the two is NaN."""
    values, other = candidate[0], best[0]
    if not values.dtype.is_floating:
        # tf2onnx rounds integers to float32 to compare them, except for equality.
        winner = tf.maximum(values, other)
        wins = tf.not_equal(winner, other)
    else:
        wins = values > other
        if context.mode == "graph":
            # tf2onnx turns a tf.where into a sum of products with 0 and 1, and so infinities into NaN, unless its
            # condition is a tf.math.is_nan.
            winner = tf.where(tf.math.is_nan(values), other, tf.maximum(values, other))
        else:
            winner = tf.where(wins, values, other)
    pairs = zip(candidate[1:], best[1:], strict=True)
    return [winner, *(tf.where(wins, *pair) for pair in pairs)]


def _offset_type(count: int, context: Context) -> tf.DType:
    """Returns a type that holds 0 to count - 1: the smallest only where it is fast, 0.6 of the time under XLA.

    Elsewhere a smaller one takes twice the time of 32 bits, which LiteRT and ONNX take, too.
    """
    types = (tf.int8, tf.int16, tf.int32) if context.mode == "xla" else (tf.int32,)
    return next(t for t in types if count - 1 <= t.max)
