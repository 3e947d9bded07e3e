"""Gathers values at flat indices, and scatters values to them, which is the adjoint.

A flat index counts the elements of one sample's and channel's spatial volume in row-major order, from 0. Those outside
the volume, such as the -1 of a window without elements, read 0 and are never written.
"""

from collections.abc import Sequence
from functools import partial

import tensorflow as tf

from keras_maxpool.backend.tensorflow import shapes
from keras_maxpool.backend.tensorflow.context import Context

HUGE = 2**28
"""With more elements than this, a scatter uses another operation: see `_sum_at`."""


def count(sizes: Sequence[shapes.Size], context: Context) -> shapes.Size:
    """Computes the product of `sizes`, in 64 bits where unknown; for other runtimes in the 32 bits of the sizes."""
    if all(isinstance(size, int) for size in sizes) or context.runtime:
        return shapes.product(sizes)
    return shapes.product([tf.cast(size, tf.int64) for size in sizes])


def is_wide(elements: shapes.Size) -> bool:
    """Returns whether it is known that 32 bits cannot count so many elements, and one more."""
    return isinstance(elements, int) and elements >= tf.int32.max


def index_type(elements: shapes.Size) -> tf.DType:
    """Returns the type for indices of so many elements: 32 bits, half the time, where they are known to be enough."""
    return tf.int32 if isinstance(elements, int) and not is_wide(elements) else tf.int64


def gather(volume: tf.Tensor, indices: tf.Tensor, context: Context) -> tf.Tensor:
    """Returns the values of `volume` (batch, *spatial, channels) at `indices` (batch, *any, channels)."""
    ids = _ids(indices, shapes.sizes(volume)[1:-1], context, outside=-1)
    zero = tf.zeros([1], volume.dtype)
    # Indices outside read a 0 put before the first element: an empty volume has no element to read.
    return tf.gather(tf.concat([zero, tf.reshape(volume, [-1])], 0), ids + 1)


def scatter(
    values: tf.Tensor, indices: tf.Tensor, spatial: Sequence[shapes.Size], context: Context
) -> tf.Tensor:
    """Returns zeros of (batch, *spatial, channels) with `values` added at `indices`, both (batch, *any, channels)."""
    batch, *_, channels = shapes.sizes(values)
    shape = [batch, *spatial, channels]
    elements = count(shape, context)
    # Flat, and with an extra last segment for what is outside: ONNX has no other form.
    ids = tf.reshape(_ids(indices, spatial, context, outside=elements), [-1])
    total = _sum_at(ids, tf.reshape(values, [-1]), elements + 1, context)
    return tf.reshape(total[:-1], shape)


def _sum_at(ids: tf.Tensor, values: tf.Tensor, size: shapes.Size, context: Context) -> tf.Tensor:
    """Returns zeros of `size` with `values` added at `ids`.

    tf.math.unsorted_segment_sum counts segments in 32 bits, and ends the process if memory for a table of them is
    lacking; tf.scatter_nd takes ten times as long (TensorFlow 2.21 on a CPU).
    """
    by_segments, by_updates = (partial(f, ids, values, size) for f in (_by_segments, _by_updates))
    if context.runtime:
        return by_segments()
    if isinstance(size, int):
        return by_updates() if size > HUGE else by_segments()
    # Forward mode over a gradient fails in a cond (TensorFlow 2.18 to 2.21).
    if context.mode == "xla" or context.vectorized or context.has_tangent:
        return by_segments()
    return tf.cond(size > HUGE, by_updates, by_segments)


def _by_segments(ids: tf.Tensor, values: tf.Tensor, size: shapes.Size) -> tf.Tensor:
    # The reshape makes the gradient dense: forward mode takes no tf.IndexedSlices of two dtypes through a cond.
    return tf.reshape(tf.math.unsorted_segment_sum(values, ids, size), [-1])


def _by_updates(ids: tf.Tensor, values: tf.Tensor, size: shapes.Size) -> tf.Tensor:
    return tf.reshape(tf.scatter_nd(ids[:, None], values, tf.cast([size], ids.dtype)), [-1])


def _ids(
    indices: tf.Tensor, spatial: Sequence[shapes.Size], context: Context, outside: shapes.Size
) -> tf.Tensor:
    """Returns indices in the flat order of (batch, *spatial, channels), and `outside` for those outside."""
    batch, *between, channels = shapes.sizes(indices)
    size = count(spatial, context)
    dtype = index_type(count([batch, *spatial, channels], context))
    if dtype == tf.int64:
        # Otherwise a size beyond 32 bits would overflow in the comparison, and all indices seem outside.
        indices = tf.cast(indices, dtype)
    is_outside = (indices < 0) | (indices >= tf.cast(size, indices.dtype))
    sample = tf.reshape(tf.range(batch), [batch, *(1 for _ in between), 1])
    row = tf.cast(sample, dtype) * tf.cast(size, dtype) + tf.cast(indices, dtype)
    ids = row * tf.cast(channels, dtype) + tf.cast(tf.range(channels), dtype)
    return tf.where(is_outside, tf.cast(outside, dtype), ids)
