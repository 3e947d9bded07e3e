"""One step of the shifted kernel: the maximum over shifted views of a tensor, and a gradient without a scatter.

View j of the padded input is the strided slice that holds element j of every window. The gradient finds which view
won, the first in row-major order, as a small integer. For every input position it sums the gradients of the windows
that it won: each is a slice, a comparison and an addition, which XLA fuses into few loops.
"""

from collections.abc import Iterator, Sequence
from functools import partial, reduce
from itertools import chain, product
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_maxpool.backend.tensorflow import padding, shapes
from keras_maxpool.backend.tensorflow.context import Context
from keras_maxpool.backend.tensorflow.gradients import with_gradient
from keras_maxpool.geometry.views import Views
from keras_maxpool.geometry.window import ceil_divide

VIEW_TYPE = tf.int8
"""The dtype of the numbers of a step's views, which are few."""


class Line(NamedTuple):
    """The geometry of a step along one axis.

    Attributes:
        views: the views along the axis.
        size, pads: the size of the input, and the padding before and after it.
        stride, outputs: the stride and the size of the views.
        count: the number of strides that cover the padding before and the input.
    """

    views: Views
    size: shapes.Size
    pads: tuple[shapes.Size, shapes.Size]
    stride: shapes.Size
    outputs: shapes.Size
    count: shapes.Size

    def view(self, start: int) -> slice:
        """Returns the part of the padded axis that is the view from `start` on."""
        return slice(start, start + (self.outputs - 1) * self.stride + 1, self.stride)

    def nearest(self, start: int) -> tf.Tensor:
        """Returns the indices of that view in the input, the nearest ones in place of padding."""
        along = tf.range(self.outputs) * self.stride + (start - self.pads[0])
        return tf.clip_by_value(along, 0, self.size - 1)

    @property
    def margin(self) -> tuple[int, shapes.Size]:
        """The numbers of windows to add before and after, so that each lag has `count` of them."""
        return self.views.lags[-1], shapes.maximum(self.count - self.outputs, 0)

    def windows(self, lag: int) -> slice:
        """Returns the slice of the windows, with margins, that holds window q - `lag` for each stride q."""
        start = self.views.lags[-1] - lag
        return slice(start, start + self.count)


def _line(views: Views, size: shapes.Size, pads: tuple[shapes.Size, shapes.Size]) -> Line:
    padded, stride = size + pads[0] + pads[1], views.stride
    if stride > views.reach:
        # If there is a single window, a shorter stride has the same one, with smaller tables and pads.
        longest = shapes.maximum(padded, views.reach)
        stride = min(stride, longest) if isinstance(longest, int) else tf.minimum(stride, longest)
    outputs = (padded - views.reach) // stride + 1
    count = ceil_divide(size + pads[0], stride, shapes.maximum)
    return Line(views, size, pads, stride, outputs, count)


def max_of_views(
    x: tf.Tensor,
    axes: Sequence[Views],
    pads: padding.Pads,
    context: Context,
    gaps: Sequence[int],
    *,
    whole: bool = False,
) -> tf.Tensor:
    """Computes the maximum over all combinations of the axes' views of (batch, *spatial, channels) padded by `pads`.

    `gaps` are those of `padding.pad`. `whole` says that this step is a whole pooling without gaps, whose values
    need no padded copy.
    """
    sizes = shapes.sizes(x)[1:-1]
    lines = [_line(*geometry) for geometry in zip(axes, sizes, pads, strict=True)]
    filled = all(isinstance(size, int) and size > 0 for size in sizes)
    if whole and padding.may_pad(pads) and filled:
        views = partial(_clamped_views, lines=lines)
    else:
        views = partial(_views, lines=lines, context=context, gaps=gaps)
    forward, gradient = lambda x: reduce(tf.maximum, views(x)), partial(_gradient, lines)
    return with_gradient(forward, gradient, x)


def _starts(lines: Sequence[Line]) -> Iterator[tuple[int, ...]]:
    """Yields the start of each view along each axis."""
    return product(*(line.views.displacements for line in lines))


def _views(
    x: tf.Tensor, lines: Sequence[Line], context: Context, gaps: padding.Gaps = None
) -> Iterator[tf.Tensor]:
    padded = padding.pad(x, [line.pads for line in lines], context, gaps)
    for starts in _starts(lines):
        along = (line.view(start) for line, start in zip(lines, starts, strict=True))
        view = padded[(slice(None), *along)]
        # Slicing by tensors loses the static shape, even the rank.
        view.set_shape([x.shape[0], *([None] * len(lines)), x.shape[-1]])
        yield view


def _clamped_views(x: tf.Tensor, lines: Sequence[Line]) -> Iterator[tf.Tensor]:
    """Yields views with the nearest real element, which is in the same window, in place of padding.

    Half the time of padded views at windows 3/1 and 3/2 and in 1D at 9/1, where padding that repeats elements takes
    1.06 to 1.3 of it. Only for values that no gradient reads, and for single steps: XLA would repeat the gathers in
    every fusion.
    """
    batch, *_, channels = shapes.sizes(x)
    rows = tf.reshape(x, [-1, channels])
    for starts in _starts(lines):
        index = tf.range(batch)
        for line, start in zip(lines, starts, strict=True):
            index = tf.expand_dims(index, -1) * line.size + line.nearest(start)
        view = tf.gather(rows, tf.reshape(index, [-1]))
        yield tf.reshape(view, [batch, *(line.outputs for line in lines), channels])


def _gradient(
    lines: Sequence[Line], x: tf.Tensor, upstream: tf.Tensor, context: Context
) -> tf.Tensor:
    """Sums, for every input position, the gradients of the windows that it won."""
    # Position q * stride + r of the padded input is element lag * stride + r of window q - lag.
    winner = _winner(_views(x, lines, context))
    total = reduce(tf.add, _terms(winner, upstream, lines))
    batch, *_, channels = shapes.sizes(x)
    total = tf.reshape(total, [batch, *(line.count * line.stride for line in lines), channels])
    inner = (slice(line.pads[0], line.pads[0] + line.size) for line in lines)
    return total[(slice(None), *inner)]


def _winner(views: Iterator[tf.Tensor]) -> tf.Tensor:
    """Returns which view each maximum came from."""
    best, *others = views
    index = tf.zeros_like(best, VIEW_TYPE)
    for j, view in enumerate(others, 1):
        index = tf.where(view > best, tf.constant(j, VIEW_TYPE), index)
        best = tf.maximum(best, view)
    return index


def _terms(index: tf.Tensor, upstream: tf.Tensor, lines: Sequence[Line]) -> Iterator[tf.Tensor]:
    """Yields, for each lag, the gradient that every position has from its window of that lag."""
    # (batch * count, 1, count, 1, ..., channels): one rank less than TensorFlow's limit within a map.
    batch, *_, channels = shapes.sizes(upstream)
    first, *rest = (line.count for line in lines)
    apart = [batch * first, *chain(*((1, n) for n in rest)), 1, channels]
    # The index in the margins has no meaning: the gradient of those windows is 0.
    margins = [(0, 0), *(line.margin for line in lines), (0, 0)]
    index, upstream = tf.pad(index, margins), tf.pad(upstream, margins)
    for lag in product(*(line.views.lags for line in lines)):
        along = (line.windows(back) for line, back in zip(lines, lag, strict=True))
        part = (slice(None), *along)
        won = tf.equal(tf.reshape(index[part], apart), _view_at(lines, lag))
        gradient = tf.reshape(upstream[part], apart)
        yield tf.where(won, gradient, tf.zeros([], upstream.dtype))


def _view_at(lines: Sequence[Line], lag: Sequence[int]) -> tf.Tensor:
    """Returns which view of the window `lag` back holds a position, or -1, for its remainders along the axes.

    Shaped to broadcast against (batch * count, remainder, count, remainder, ..., channels).
    """
    table = np.zeros([], int)
    for line, back in zip(lines, lag, strict=True):
        own, outer = np.array(line.views.views_at(back)), table[..., None]
        number = outer * len(line.views.displacements) + own
        table = np.where((outer < 0) | (own < 0), -1, number)
    ends = [(0, line.stride - n) for line, n in zip(lines, table.shape, strict=True)]
    padded = tf.pad(tf.constant(table, VIEW_TYPE), ends, constant_values=tf.constant(-1, VIEW_TYPE))
    return tf.reshape(padded, [*chain(*((1, line.stride) for line in lines)), 1])
