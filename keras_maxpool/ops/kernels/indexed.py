"""Where each window's first maximum stands, as one small integer an axis: the shifted kernel's steps, with memory."""

from collections.abc import Sequence

import tensorflow as tf

from keras_maxpool.ops import shapes
from keras_maxpool.ops.kernels.shifted import cut
from keras_maxpool.ops.kernels.views import Views
from keras_maxpool.window import Axis


def indexed(carried: Sequence[tf.Tensor], axes: Sequence[Axis]) -> list[tf.Tensor]:
    """Pools the first of the `carried` tensors over the leading spatial `axes`, innermost first.

    Returns, for the element that won, how far it stands from its window's first place along each of the axes, and then
    what the other carried tensors have at its place.
    """
    for place in range(len(axes), 0, -1):
        carried = _pool_axis(carried, place, axes[place - 1])
    return list(carried[1:])


def _pool_axis(carried: Sequence[tf.Tensor], place: int, axis: Axis) -> list[tf.Tensor]:
    size = shapes.sizes(carried[0])[place]
    pads: list[tuple[shapes.Size, shapes.Size]] = [(0, 0)] * (carried[0].shape.rank - 2)
    pads[place - 1] = axis.pads(size, shapes.maximum)
    values, *others = (shapes.pad(tensor, pads) for tensor in carried)
    offset = tf.zeros_like(values, _small_integer(axis.length))
    step = [values, offset, *others]
    for views in cut(axis):
        step = _first_of_views(step, place, views)
    return step


def _first_of_views(carried: Sequence[tf.Tensor], place: int, views: Views) -> list[tf.Tensor]:
    size = shapes.sizes(carried[0])[place]
    outputs = (size - views.displacements[-1] - 1) // views.stride + 1
    every = (slice(None),) * place

    def view(start: int) -> list[tf.Tensor]:
        along = slice(start, start + (outputs - 1) * views.stride + 1, views.stride)
        values, offset, *others = (tensor[(*every, along)] for tensor in carried)
        return [values, offset + tf.constant(start, offset.dtype), *others]

    best = view(views.displacements[0])
    for start in views.displacements[1:]:
        candidate = view(start)
        wins = candidate[0] > best[0]
        best = [tf.where(wins, new, old) for new, old in zip(candidate, best, strict=True)]
    return best


def _small_integer(count: int) -> tf.DType:
    """The smallest signed integer type that holds 0 to count - 1."""
    return next(t for t in (tf.int8, tf.int16, tf.int32) if count - 1 <= t.max)
