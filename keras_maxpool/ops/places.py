"""Values at flat spatial places: a gather, and the scatter that is its adjoint.

A place counts the elements of one sample's and channel's spatial volume in row-major order, from 0. Places outside the
volume, such as the -1 of a window without elements, are passed over: they read 0 and are never written.
"""

from collections.abc import Sequence

import tensorflow as tf

from keras_maxpool.ops import shapes


def gather(volume: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    """What stands at `places` (batch, *any, channels) of `volume` (batch, *spatial, channels)."""
    ids = _ids(places, shapes.sizes(volume)[1:-1], outside=-1)
    zero = tf.zeros([1], volume.dtype)
    # A first element of 0 for all that is outside; nothing else would do for an empty volume.
    return tf.gather(tf.concat([zero, tf.reshape(volume, [-1])], 0), ids + 1)


def scatter(values: tf.Tensor, places: tf.Tensor, spatial: Sequence[shapes.Size]) -> tf.Tensor:
    """Zeros of (batch, *spatial, channels) with `values` added at `places`, both (batch, *any, channels)."""
    batch, *_, channels = shapes.sizes(values)
    shape = [batch, *spatial, channels]
    elements = shapes.product(shape)
    # Flat, and with a last segment for what is outside, which is all that ONNX knows.
    ids = tf.reshape(_ids(places, spatial, outside=elements), [-1])
    total = tf.math.unsorted_segment_sum(tf.reshape(values, [-1]), ids, elements + 1)
    return tf.reshape(total[:-1], shape)


def _ids(places: tf.Tensor, spatial: Sequence[shapes.Size], outside: shapes.Size) -> tf.Tensor:
    """By the flat order of (batch, *spatial, channels); `outside` for places outside."""
    batch, *between, channels = shapes.sizes(places)
    size = shapes.product(spatial)
    elements = shapes.product([batch, size, channels])
    # 32 bits take half the time, where they are known to be enough.
    wide = not isinstance(elements, int) or elements >= tf.int32.max
    dtype = tf.int64 if wide else tf.int32
    is_outside = (places < 0) | (places >= tf.cast(size, places.dtype))
    sample = tf.reshape(tf.range(batch), [batch, *(1 for _ in between), 1])
    row = tf.cast(sample, dtype) * tf.cast(size, dtype) + tf.cast(places, dtype)
    ids = row * tf.cast(channels, dtype) + tf.cast(tf.range(channels), dtype)
    return tf.where(is_outside, tf.cast(outside, dtype), ids)
