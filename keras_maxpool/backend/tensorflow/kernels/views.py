"""One step of the shifted kernel: the maximum over shifted views of a tensor, and a gradient without a scatter.

View j of the padded input is the strided slice that holds element j of every window. The gradient finds which view
won, the first in row-major order, as a small integer, and sums for every input position what the windows that cover
it give: each is a slice, a comparison and an addition, which XLA fuses into few loops.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from itertools import chain, product

import tensorflow as tf

from keras_maxpool.backend.tensorflow import padding, shapes
from keras_maxpool.backend.tensorflow.context import Context
from keras_maxpool.backend.tensorflow.gradients import with_gradient
from keras_maxpool.geometry.views import Views
from keras_maxpool.geometry.window import ceil_divide

CODE = tf.int8
"""What numbers the views of a step, which are few."""


@dataclass(frozen=True)
class Step:
    """The geometry of one step: views, pads, strides, and sizes of the input and the output along each spatial axis."""

    axes: Sequence[Views]
    pads: padding.Pads
    strides: Sequence[shapes.Size]
    sizes: Sequence[shapes.Size]
    outputs: Sequence[shapes.Size]
    batch: shapes.Size
    channels: shapes.Size

    @property
    def starts(self) -> list[tuple[int, ...]]:
        """Where each view begins along each axis."""
        return list(product(*(axis.displacements for axis in self.axes)))


def max_of_views(
    x: tf.Tensor,
    axes: Sequence[Views],
    pads: padding.Pads,
    context: Context,
    gaps: padding.Gaps = None,
    *,
    whole: bool = False,
) -> tf.Tensor:
    """Computes the maximum over all combinations of the axes' views of (batch, *spatial, channels) padded by `pads`.

    With `gaps` the padding repeats elements, as `padding.pad` has it. `whole` says that this step is a whole pooling
    without gaps, whose values can be had without a padded copy.
    """
    batch, *sizes, channels = shapes.sizes(x)
    padded = [size + before + after for size, (before, after) in zip(sizes, pads, strict=True)]
    strides = [_useful_stride(*of_axis) for of_axis in zip(axes, padded, strict=True)]
    outputs = [
        (size - axis.reach) // stride + 1
        for size, axis, stride in zip(padded, axes, strides, strict=True)
    ]
    step = Step(axes, pads, strides, sizes, outputs, batch, channels)
    filled = all(isinstance(size, int) and size > 0 for size in sizes)
    if whole and padding.may_pad(pads) and filled:
        views = partial(_clamped_views, step=step)
    else:
        views = partial(_views, step=step, context=context, gaps=gaps)
    return with_gradient(lambda x: reduce(tf.maximum, views(x)), partial(_gradient, step=step), x)


def _useful_stride(axis: Views, size: shapes.Size) -> shapes.Size:
    """Returns the axis's stride, or a shorter one that makes the same single step: tables and pads grow with it."""
    if axis.stride <= axis.reach:
        return axis.stride
    longest = shapes.maximum(size, axis.reach)
    return (
        min(axis.stride, longest) if isinstance(longest, int) else tf.minimum(axis.stride, longest)
    )


def _views(
    x: tf.Tensor, step: Step, context: Context, gaps: padding.Gaps = None
) -> Iterator[tf.Tensor]:
    padded = padding.pad(x, step.pads, context, gaps)
    for starts in step.starts:
        along = (
            slice(start, start + (count - 1) * stride + 1, stride)
            for start, count, stride in zip(starts, step.outputs, step.strides, strict=True)
        )
        view = padded[(slice(None), *along)]
        # Slices by tensors forget even the rank.
        view.set_shape([x.shape[0], *([None] * len(step.outputs)), x.shape[-1]])
        yield view


def _clamped_views(x: tf.Tensor, step: Step) -> Iterator[tf.Tensor]:
    """Returns views that have the nearest real element, which is in the same window, in place of padding.

    Half the time of padded views at windows 3/1 and 3/2 and in 1D at 9/1. Only for values that no gradient
    reads, and for single steps: XLA would repeat the gathers in every fusion.
    """
    rows = tf.reshape(x, [-1, step.channels])
    for starts in step.starts:
        index = tf.range(step.batch)
        for start, size, count, stride, (before, _) in zip(
            starts, step.sizes, step.outputs, step.strides, step.pads, strict=True
        ):
            along = tf.range(count) * stride + (start - before)
            index = tf.expand_dims(index, -1) * size + tf.clip_by_value(along, 0, size - 1)
        view = tf.gather(rows, tf.reshape(index, [-1]))
        yield tf.reshape(view, [step.batch, *step.outputs, step.channels])


def _winner(x: tf.Tensor, step: Step, context: Context) -> tf.Tensor:
    """Returns which view each maximum came from."""
    best, *others = _views(x, step, context)
    index = tf.zeros_like(best, CODE)
    for j, view in enumerate(others, 1):
        index = tf.where(view > best, tf.constant(j, CODE), index)
        best = tf.maximum(best, view)
    return index


def _gradient(x: tf.Tensor, upstream: tf.Tensor, context: Context, *, step: Step) -> tf.Tensor:
    """Sums for every input position what the windows that cover it give."""
    # Position q * stride + r of the padded input is element lag * stride + r of window q - lag.
    counts = [
        ceil_divide(size + before, stride, shapes.maximum)
        for size, (before, _), stride in zip(step.sizes, step.pads, step.strides, strict=True)
    ]
    covered = [count * stride for count, stride in zip(counts, step.strides, strict=True)]
    total = reduce(tf.add, _terms(_winner(x, step, context), upstream, step, counts))
    total = tf.reshape(total, [step.batch, *covered, step.channels])
    inner = (
        slice(before, before + size)
        for (before, _), size in zip(step.pads, step.sizes, strict=True)
    )
    return total[(slice(None), *inner)]


def _terms(
    index: tf.Tensor, upstream: tf.Tensor, step: Step, counts: Sequence[shapes.Size]
) -> Iterator[tf.Tensor]:
    """Returns what the windows of each lag give to the positions that they cover."""
    lags = [axis.lags for axis in step.axes]
    margins = [
        (lag[-1], shapes.maximum(count - output, 0))
        for lag, count, output in zip(lags, counts, step.outputs, strict=True)
    ]
    # The index in the margins has no meaning: those windows give nothing.
    index, upstream = (tf.pad(t, [(0, 0), *margins, (0, 0)]) for t in (index, upstream))
    # (batch * count, 1, count, 1, ..., channels): one rank less than TensorFlow's limit within a map.
    first, *rest = counts
    apart = [step.batch * first, *chain(*((1, n) for n in rest)), 1, step.channels]
    for lag in product(*lags):
        along = (
            slice(margin[0] - back, margin[0] - back + count)
            for margin, back, count in zip(margins, lag, counts, strict=True)
        )
        part = (slice(None), *along)
        won = tf.reshape(index[part], apart) == _view_at(step, lag)
        given = tf.reshape(upstream[part], apart)
        yield tf.where(won, given, tf.zeros([], upstream.dtype))


def _view_at(step: Step, lag: Sequence[int]) -> tf.Tensor:
    """Returns the view in which a window `lag` back has a position, by its remainder along each axis, or -1.

    Shaped to broadcast against (batch * count, remainder, count, remainder, ..., channels).
    """
    of_axes = [axis.views_at(back) for axis, back in zip(step.axes, lag, strict=True)]
    table = []
    for views in product(*of_axes):
        number = 0
        for view, axis in zip(views, step.axes, strict=True):
            number = number * len(axis.displacements) + view
        table.append(-1 if min(views) < 0 else number)
    lengths = [len(views) for views in of_axes]
    ends = [(0, stride - n) for stride, n in zip(step.strides, lengths, strict=True)]
    table = tf.pad(tf.constant(table, CODE, lengths), ends, constant_values=tf.constant(-1, CODE))
    return tf.reshape(table, [*chain(*((1, stride) for stride in step.strides)), 1])
