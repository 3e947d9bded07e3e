"""One step of the shifted kernel: the maximum over shifted views of a tensor, and a gradient without a scatter.

View j of the padded input is the strided slice that holds element j of every window. The gradient finds which view
won, the first in row-major order, as a small integer, and sums for every input position what the windows that cover
it give: each is a slice, a comparison and an addition, which XLA fuses into few loops.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, product
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_maxpool.backend.tensorflow import shapes
from keras_maxpool.geometry.window import ceil_divide

CODE = tf.int8
"""What numbers the views of a step, which are few."""


class Views(NamedTuple):
    """The views along one axis: how far each is displaced, in ascending order, and the stride of all of them."""

    displacements: tuple[int, ...] = (0,)
    stride: int = 1


def max_of_views(
    x: tf.Tensor,
    axes: Sequence[Views],
    pads: shapes.Pads,
    gaps: shapes.Gaps = None,
    *,
    whole: bool = False,
) -> tf.Tensor:
    """The maximum over all combinations of the axes' views of (batch, *spatial, channels) padded by `pads`.

    With `gaps` the padding repeats elements, as `shapes.pad` has it. `whole` says that this step is a whole pooling
    without gaps, whose values can be had without a padded copy.
    """
    batch, *sizes, channels = shapes.sizes(x)
    strides = [
        _useful_stride(axis, size + before + after)
        for size, (before, after), axis in zip(sizes, pads, axes, strict=True)
    ]
    outputs = [
        (size + before + after - axis.displacements[-1] - 1) // stride + 1
        for size, (before, after), axis, stride in zip(sizes, pads, axes, strides, strict=True)
    ]
    places = list(product(*(axis.displacements for axis in axes)))

    def views(x: tf.Tensor, gaps: shapes.Gaps = None) -> Iterator[tf.Tensor]:
        padded = shapes.pad(x, pads, gaps)
        for place in places:
            along = (
                slice(start, start + (count - 1) * stride + 1, stride)
                for start, count, stride in zip(place, outputs, strides, strict=True)
            )
            view = padded[(slice(None), *along)]
            # Slices by tensors forget even the rank.
            view.set_shape([x.shape[0], *([None] * len(outputs)), x.shape[-1]])
            yield view

    def clamped_views(x: tf.Tensor) -> Iterator[tf.Tensor]:
        """The views with each place in the padding reading the nearest real one, which is in the window too.

        Half the time of padded views at windows 3/1 and 3/2 and in 1D at 9/1. Only for values that no gradient
        reads, and for single steps: XLA would repeat the gathers in every fusion.
        """
        rows = tf.reshape(x, [-1, channels])
        for place in places:
            index = tf.range(batch)
            for start, size, output, stride, (before, _) in zip(
                place, sizes, outputs, strides, pads, strict=True
            ):
                along = tf.range(output) * stride + (start - before)
                index = tf.expand_dims(index, -1) * size + tf.clip_by_value(along, 0, size - 1)
            view = tf.gather(rows, tf.reshape(index, [-1]))
            yield tf.reshape(view, [batch, *outputs, channels])

    def winner(x: tf.Tensor) -> tf.Tensor:
        """Which view each maximum came from."""
        first, *others = views(x)
        best, index = first, tf.zeros_like(first, CODE)
        for j, view in enumerate(others, 1):
            index = tf.where(view > best, tf.constant(j, CODE), index)
            best = tf.maximum(best, view)
        return index

    def spread(index: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        """Sums for every input position what the windows that cover it give."""
        # Position q * stride + r of the padded input is element lag * stride + r of window q - lag.
        lags = [sorted({place // axis.stride for place in axis.displacements}) for axis in axes]
        counts = [
            ceil_divide(size + before, stride, shapes.maximum)
            for size, (before, _), stride in zip(sizes, pads, strides, strict=True)
        ]
        margins = [
            (lag[-1], shapes.maximum(count - output, 0))
            for lag, count, output in zip(lags, counts, outputs, strict=True)
        ]
        # What stands in the index's margins tells nothing: those windows pass on nothing.
        index, upstream = (tf.pad(t, [(0, 0), *margins, (0, 0)]) for t in (index, upstream))

        def apart(tensor: tf.Tensor) -> tf.Tensor:
            """(batch * count, 1, count, 1, ..., channels): one rank less than TensorFlow's limit within a map."""
            first, *rest = counts
            return tf.reshape(tensor, [batch * first, *chain(*((1, n) for n in rest)), 1, channels])

        total: tf.Tensor | None = None
        for lag in product(*lags):
            part = (
                slice(None),
                *(
                    slice(margin[0] - of_axis, margin[0] - of_axis + count)
                    for margin, of_axis, count in zip(margins, lag, counts, strict=True)
                ),
            )
            won = apart(index[part]) == _view_at(axes, strides, lag)
            term = tf.where(won, apart(upstream[part]), tf.zeros([], upstream.dtype))
            total = term if total is None else total + term
        covered = [count * stride for count, stride in zip(counts, strides, strict=True)]
        total = tf.reshape(total, [batch, *covered, channels])
        inner = (
            slice(before, before + size) for (before, _), size in zip(pads, sizes, strict=True)
        )
        return total[(slice(None), *inner)]

    @tf.custom_gradient
    def pool(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        filled = all(isinstance(size, int) and size > 0 for size in sizes)
        clamped = whole and shapes.may_pad(pads) and filled
        y, *others = clamped_views(x) if clamped else views(x, gaps)
        for view in others:
            y = tf.maximum(y, view)
        return y, lambda upstream: spread(winner(x), upstream)

    return pool(x)


def _useful_stride(axis: Views, size: shapes.Size) -> shapes.Size:
    """The axis's stride, or a shorter one that makes the same single step: tables and pads grow with it."""
    reach = axis.displacements[-1] + 1
    if axis.stride <= reach:
        return axis.stride
    longest = shapes.maximum(size, reach)
    return (
        min(axis.stride, longest) if isinstance(longest, int) else tf.minimum(axis.stride, longest)
    )


def _view_at(
    axes: Sequence[Views], strides: Sequence[shapes.Size], lag: Sequence[int]
) -> tf.Tensor:
    """By the remainder of a position along each axis, the view in which a window `lag` back sees it, or -1.

    Shaped to broadcast against (batch * count, remainder, count, remainder, ..., channels).
    """
    view: np.ndarray = np.zeros([], int)
    gaps: list[tuple[shapes.Size, shapes.Size]] = []
    for axis, stride, back in zip(axes, strides, lag, strict=True):
        # What lies between the windows of a long stride is seen by none.
        reach = min(axis.stride, axis.displacements[-1] + 1)
        seen = [
            axis.displacements.index(place) if place in axis.displacements else -1
            for place in range(back * axis.stride, back * axis.stride + reach)
        ]
        own, outer = np.array(seen), view[..., None]
        view = np.where((outer < 0) | (own < 0), -1, outer * len(axis.displacements) + own)
        gaps.append((0, stride - reach))
    table = tf.pad(tf.constant(view, CODE), gaps, constant_values=tf.constant(-1, CODE))
    return tf.reshape(table, [*chain(*((1, stride) for stride in strides)), 1])
