"""Where each window's first maximum stands, as one integer an axis: the shifted kernel's steps, with memory."""

from collections.abc import Sequence

import tensorflow as tf

from keras_maxpool.backend.tensorflow import context as mode
from keras_maxpool.backend.tensorflow import shapes
from keras_maxpool.backend.tensorflow.kernels.shifted import cut
from keras_maxpool.backend.tensorflow.kernels.views import Views
from keras_maxpool.geometry.window import Axis


def indexed(carried: Sequence[tf.Tensor], axes: Sequence[Axis], repeat: bool) -> list[tf.Tensor]:
    """Pools the first of the `carried` tensors over the leading spatial `axes`, innermost first.

    `repeat` is as `shapes.pad` has it.

    Returns, for the element that won, how far it stands from its window's first place along each of the axes, and then
    what the other carried tensors have at its place.
    """
    for place in range(len(axes), 0, -1):
        carried = _pool_axis(carried, place, axes[place - 1], repeat)
    return list(carried[1:])


def _pool_axis(
    carried: Sequence[tf.Tensor], place: int, axis: Axis, repeat: bool
) -> list[tf.Tensor]:
    size = shapes.sizes(carried[0])[place]
    pads: list[tuple[shapes.Size, shapes.Size]] = [(0, 0)] * (carried[0].shape.rank - 2)
    pads[place - 1] = axis.pads(size, shapes.maximum)
    gaps = [axis.dilation] * len(pads) if repeat else None
    values, *others = (shapes.pad(tensor, pads, gaps) for tensor in carried)
    offset = tf.zeros_like(values, _offset_type(axis.length))
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
        winner, wins = _winner(candidate[0], best[0])
        others = [tf.where(wins, *pair) for pair in zip(candidate[1:], best[1:], strict=True)]
        best = [winner, *others]
    return best


def _winner(candidate: tf.Tensor, best: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The greater of the two, and whether that is `candidate`: so not where one of the two is NaN."""
    if not candidate.dtype.is_floating:
        # tf2onnx compares whole numbers by their rounding to float32, unless for equality.
        winner = tf.maximum(candidate, best)
        return winner, winner != best
    wins = candidate > best
    if mode.current() != "graph":
        return tf.where(wins, candidate, best), wins
    # tf2onnx makes of a tf.where a sum of products with 0 and 1, and so NaN of infinities, unless it asks for NaN.
    return tf.where(tf.math.is_nan(candidate), best, tf.maximum(candidate, best)), wins


def _offset_type(count: int) -> tf.DType:
    """A type that holds 0 to count - 1: the smallest only where it is fast, which takes 0.6 of the time under XLA.

    Elsewhere it takes twice the time of 32 bits, which LiteRT and ONNX know, too.
    """
    types = (tf.int8, tf.int16, tf.int32) if mode.current() == "xla" else (tf.int32,)
    return next(t for t in types if count - 1 <= t.max)
