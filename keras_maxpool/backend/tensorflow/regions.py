"""Max pooling over a grid of regions: each axis is cut anywhere, so regions may differ in size, and may overlap.

The first maximum of a region in row-major order wins. NaN wins over numbers, and the first NaN over others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from keras_maxpool.backend.tensorflow import context as mode
from keras_maxpool.backend.tensorflow import layout, shapes
from keras_maxpool.backend.tensorflow.gather_scatter import count, gather, index_type, scatter
from keras_maxpool.backend.tensorflow.gradients import with_gradient


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions along one axis, none of them empty.

    `elements` (outputs, longest) are places on the axis; a region that is shorter than the longest repeats its last.
    `tiles`, (outputs, length), stand for regions of one length that are all places of the axis, in order.
    """

    elements: Any = None
    tiles: tuple[int, int] | None = None

    def spread(self, x: tf.Tensor, axis: int) -> tf.Tensor:
        """`x` with the axis replaced by two: the regions, and the elements of each."""
        if self.tiles is None:
            return tf.gather(x, self.elements, axis=axis)
        sizes = shapes.sizes(x)
        return tf.reshape(x, [*sizes[:axis], *self.tiles, *sizes[axis + 1 :]])


def between(starts: Any, ends: Any, longest: shapes.Size) -> Regions:
    """Regions from `starts` to before `ends`, which are arrays or tensors, none longer than `longest`."""
    if isinstance(starts, np.ndarray):
        elements = np.minimum(starts[:, None] + np.arange(longest), ends[:, None] - 1)
        return Regions(elements.astype(np.int32))
    offsets = tf.range(tf.cast(longest, starts.dtype))
    elements = tf.minimum(starts[:, None] + offsets, ends[:, None] - 1)
    return Regions(tf.cast(elements, tf.int32))


def pool(
    x: tf.Tensor,
    axes: Sequence[Regions | None],
    data_format: str,
    static_shape: Sequence[int | None],
    return_indices: bool,
) -> Any:
    """The maxima of all regions, and, if asked for, the int64 places of the first ones.

    Args:
        x: a tensor in `data_format`.
        axes: the regions along each spatial axis; None leaves an axis as it is.
        data_format: that of `x` and of the results.
        static_shape: the results' shape, as far as it is known.
        return_indices: whether the places are wanted: each counts the elements of its own sample's and
            channel's spatial volume, in row-major order.
    """
    values, places = pool_channels_last(layout.channels_last(x, data_format), axes, return_indices)
    values = layout.restored(values, data_format)
    values.set_shape(static_shape)
    if not return_indices:
        return values
    indices = layout.restored(tf.cast(places, tf.int64), data_format)
    indices.set_shape(static_shape)
    return values, indices


def pool_channels_last(
    x: tf.Tensor, axes: Sequence[Regions | None], with_places: bool = True
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """The maxima and the places of the first ones, of `x` (batch, *spatial, channels)."""
    # Eagerly, what no open tape sees now is never differentiated.
    seen = mode.current() != "eager" or mode.tape_is_active()
    differentiable = x.dtype.is_floating and seen
    values, places = _first_maxima(tf.stop_gradient(x), axes, with_places or differentiable)
    if not differentiable:
        return values, places
    if mode.has_tangent(x):
        # Forward mode sees through the custom gradient below, to values that lead back to nothing.
        return gather(x, places), places

    def gradient(x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        return scatter(upstream, places, shapes.sizes(x)[1:-1])

    return with_gradient(lambda _: values, gradient)(x), places


def _first_maxima(
    x: tf.Tensor, axes: Sequence[Regions | None], with_places: bool
) -> tuple[tf.Tensor, tf.Tensor | None]:
    spatial = shapes.sizes(x)[1:-1]
    places = _all_places(x) if with_places else None
    if places is not None and not any(axes):
        places = tf.broadcast_to(places, shapes.sizes(x))
    # The last axis is contiguous in memory: what remains for the others is smaller.
    for axis in range(len(axes), 0, -1):
        regions = axes[axis - 1]
        if regions is None:
            continue
        spread = regions.spread(x, axis)
        x = _maximum(spread, axis + 1)
        if places is not None:
            wins = spread == tf.expand_dims(x, axis + 1)
            if x.dtype.is_floating:
                wins |= tf.math.is_nan(spread)
            # Not the dtype's largest number, which OpenVINO's minimum takes through float32.
            beyond = tf.cast(count(spatial), places.dtype)
            candidates = tf.where(wins, regions.spread(places, axis), beyond)
            places = tf.reduce_min(candidates, axis + 1)
    return x, places


def _all_places(x: tf.Tensor) -> tf.Tensor:
    """The place of every element, (1, *spatial, 1)."""
    spatial = shapes.sizes(x)[1:-1]
    volume = count(spatial)
    return tf.reshape(tf.range(tf.cast(volume, index_type(volume))), [1, *spatial, 1])


def _maximum(x: tf.Tensor, axis: int) -> tf.Tensor:
    largest = tf.reduce_max(x, axis)
    if not x.dtype.is_floating or mode.current() != "xla":
        return largest
    # XLA's own passes NaN over.
    has_nan = tf.reduce_any(tf.math.is_nan(x), axis)
    return tf.where(has_nan, tf.constant(np.nan, x.dtype), largest)
