"""Max pooling over regions that may differ in size and overlap, for adaptive and fractional pooling.

The first maximum of a region in row-major order wins. NaN wins over numbers, and the first NaN over others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from keras_maxpool.backend.tensorflow import layout, shapes
from keras_maxpool.backend.tensorflow.context import Context
from keras_maxpool.backend.tensorflow.gather_scatter import count, gather, index_type, scatter
from keras_maxpool.backend.tensorflow.gradients import with_gradient
from keras_maxpool.backend.tensorflow.numerics import first_index, maximum_or_nan


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions along one axis, none of them empty.

    `elements` (outputs, longest) are indices on the axis; a region that is shorter than the longest repeats its last.
    `split` (outputs, length) describes adjacent regions of one length, which cover the axis.
    """

    elements: Any = None
    split: tuple[int, int] | None = None

    def spread(self, x: tf.Tensor, axis: int) -> tf.Tensor:
        """Returns `x` with the axis replaced by two: the regions, and the elements of each."""
        if self.split is None:
            return tf.gather(x, self.elements, axis=axis)
        sizes = shapes.sizes(x)
        return tf.reshape(x, [*sizes[:axis], *self.split, *sizes[axis + 1 :]])


def between(starts: Any, ends: Any, longest: shapes.Size) -> Regions:
    """Returns regions from `starts` to before `ends`, which are arrays or tensors, none longer than `longest`."""
    if isinstance(starts, np.ndarray):
        elements = np.minimum(starts[:, None] + np.arange(longest), ends[:, None] - 1)
        return Regions(elements.astype(np.int32))
    offsets = tf.range(tf.cast(longest, starts.dtype))
    elements = tf.minimum(starts[:, None] + offsets, ends[:, None] - 1)
    return Regions(tf.cast(elements, tf.int32))


def pool(
    x: tf.Tensor,
    axes: Sequence[Regions | None],
    context: Context,
    data_format: str,
    static_shape: Sequence[int | None],
    return_indices: bool,
) -> Any:
    """Returns the maxima of all regions, and, if asked for, the int64 flat indices of the first ones.

    Args:
        x: a tensor in `data_format`.
        axes: the regions along each spatial axis; None leaves an axis as it is.
        context: that of the call.
        data_format: that of `x` and of the results.
        static_shape: the results' shape, as far as it is known.
        return_indices: whether the indices are wanted: each counts the elements of its own sample's and
            channel's spatial volume, in row-major order.
    """
    x = layout.channels_last(x, data_format)
    values, indices = pool_channels_last(x, axes, context, return_indices)
    values = layout.restored(values, data_format)
    values.set_shape(static_shape)
    if not return_indices:
        return values
    indices = layout.restored(tf.cast(indices, tf.int64), data_format)
    indices.set_shape(static_shape)
    return values, indices


def pool_channels_last(
    x: tf.Tensor, axes: Sequence[Regions | None], context: Context, with_indices: bool = True
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Returns the maxima and the indices of the first ones, of `x` (batch, *spatial, channels)."""
    differentiable = x.dtype.is_floating and context.differentiable
    y, indices = _first_maxima(tf.stop_gradient(x), axes, context, with_indices or differentiable)
    if not differentiable:
        return y, indices
    if context.has_tangent or context.vectorized:
        # Forward mode ignores the custom gradient below, and so does the gradient of what tf.vectorized_map returns;
        # `y` has no other one.
        return gather(x, indices, context), indices
    return with_gradient(lambda _: y, partial(_gradient, indices), x), indices


def _gradient(indices: tf.Tensor, x: tf.Tensor, upstream: tf.Tensor, context: Context) -> tf.Tensor:
    return scatter(upstream, indices, shapes.sizes(x)[1:-1], context)


def _first_maxima(
    x: tf.Tensor, axes: Sequence[Regions | None], context: Context, with_indices: bool
) -> tuple[tf.Tensor, tf.Tensor | None]:
    volume = count(shapes.sizes(x)[1:-1], context)
    indices = _all_indices(x, volume) if with_indices else None
    if indices is not None and not any(axes):
        indices = tf.broadcast_to(indices, shapes.sizes(x))
    # The last axis first, which is contiguous in memory: less remains for the others.
    for axis in range(len(axes), 0, -1):
        regions = axes[axis - 1]
        if regions is None:
            continue
        spread = regions.spread(x, axis)
        in_xla = x.dtype.is_floating and context.mode == "xla"
        x = (maximum_or_nan if in_xla else tf.reduce_max)(spread, axis + 1)
        if indices is not None:
            wins = tf.equal(spread, tf.expand_dims(x, axis + 1))
            if x.dtype.is_floating:
                wins |= tf.math.is_nan(spread)
            # Not the dtype's largest number, which OpenVINO's minimum would round to float32.
            beyond = tf.cast(volume, indices.dtype)
            indices = first_index(wins, regions.spread(indices, axis), beyond, axis + 1)
    return x, indices


def _all_indices(x: tf.Tensor, volume: shapes.Size) -> tf.Tensor:
    """Returns the flat index of every element, (1, *spatial, 1)."""
    order = tf.range(tf.cast(volume, index_type(volume)))
    return tf.reshape(order, [1, *shapes.sizes(x)[1:-1], 1])
