"""Values at flat spatial places: a gather, and the scatter that is its adjoint.

A place counts the elements of one sample's and channel's spatial volume in row-major order, from 0. Places outside the
volume, such as the -1 of a window without elements, are passed over: they read 0 and are never written.
"""

from collections.abc import Callable, Sequence

import tensorflow as tf

from keras_maxpool.backend.tensorflow import context as mode
from keras_maxpool.backend.tensorflow import export as converter
from keras_maxpool.backend.tensorflow import shapes

HUGE = 2**28
"""Elements from which on a scatter goes another way."""


def count(sizes: Sequence[shapes.Size]) -> shapes.Size:
    """The product, in 64 bits where it is unknown; runtimes keep to the 32 bits of the sizes."""
    if all(isinstance(size, int) for size in sizes) or converter.current():
        return shapes.product(sizes)
    return shapes.product([tf.cast(size, tf.int64) for size in sizes])


def is_wide(elements: shapes.Size) -> bool:
    """Whether 32 bits are known not to count so many elements, and one more."""
    return isinstance(elements, int) and elements >= tf.int32.max


def index_type(elements: shapes.Size) -> tf.DType:
    """The type for places among so many elements: 32 bits take half the time, where they are known to be enough."""
    return tf.int32 if isinstance(elements, int) and not is_wide(elements) else tf.int64


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
    elements = count(shape)
    # Flat, and with a last segment for what is outside, which is all that ONNX knows.
    ids = tf.reshape(_ids(places, spatial, outside=elements), [-1])
    total = _sum_at(ids, tf.reshape(values, [-1]), elements + 1)
    return tf.reshape(total[:-1], shape)


def _sum_at(ids: tf.Tensor, values: tf.Tensor, size: shapes.Size) -> tf.Tensor:
    """Zeros of `size` with `values` added at `ids`.

    The sum of segments counts them in 32 bits, and ends the process where it lacks memory for a table as long; the
    other way takes ten times as long (TensorFlow 2.21 on a CPU).
    """

    def of_few() -> tf.Tensor:
        return tf.math.unsorted_segment_sum(values, ids, size)

    def of_many() -> tf.Tensor:
        return tf.scatter_nd(ids[:, None], values, tf.cast([size], ids.dtype))

    def dense(total: Callable[[], tf.Tensor]) -> Callable[[], tf.Tensor]:
        """The same with a dense gradient: forward mode takes no slices through a cond with two index types."""
        return lambda: tf.reshape(total(), [-1])

    if converter.current():
        return of_few()
    if isinstance(size, int):
        return of_many() if size > HUGE else of_few()
    # Forward mode over a gradient fails in a cond (TensorFlow 2.16).
    if mode.current() == "xla" or mode.is_vectorized() or mode.has_tangent(values):
        return of_few()
    return tf.cond(size > HUGE, dense(of_many), dense(of_few))


def _ids(places: tf.Tensor, spatial: Sequence[shapes.Size], outside: shapes.Size) -> tf.Tensor:
    """By the flat order of (batch, *spatial, channels); `outside` for places outside."""
    batch, *between, channels = shapes.sizes(places)
    size = count(spatial)
    dtype = index_type(count([batch, *spatial, channels]))
    if dtype == tf.int64:
        # Or a volume that 32 bits do not count would seem to end before each place.
        places = tf.cast(places, dtype)
    is_outside = (places < 0) | (places >= tf.cast(size, places.dtype))
    sample = tf.reshape(tf.range(batch), [batch, *(1 for _ in between), 1])
    row = tf.cast(sample, dtype) * tf.cast(size, dtype) + tf.cast(places, dtype)
    ids = row * tf.cast(channels, dtype) + tf.cast(tf.range(channels), dtype)
    return tf.where(is_outside, tf.cast(outside, dtype), ids)
