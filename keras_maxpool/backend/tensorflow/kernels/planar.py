"""Where each window's first maximum stands in the plane of the last two axes: one `tf.nn.max_pool_with_argmax`."""

from collections.abc import Sequence

import tensorflow as tf

from keras_maxpool.backend.tensorflow import context as mode
from keras_maxpool.backend.tensorflow import shapes
from keras_maxpool.backend.tensorflow.kernels.guard import guarded
from keras_maxpool.geometry.window import Axis


def planar(x: tf.Tensor, axes: Sequence[Axis], repeat: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """Pools (batch, *any, height, width, channels) over the two `axes`, which have no gaps.

    `repeat` is as `shapes.pad` has it.

    Returns the maxima, and the place of each first one in its plane of height times width.
    """
    *outer, height, width, channels = shapes.sizes(x)
    pads = shapes.pads(axes, (height, width))
    x = tf.reshape(x, [shapes.product(outer), height, width, channels])
    x = shapes.pad(x, pads, (1, 1) if repeat else None)
    _, _, padded_width, _ = shapes.sizes(x)
    # 32 bits divide in half the time, and are enough for samples of known size.
    sample = shapes.product(shapes.sizes(x)[1:])
    dtype = tf.int32 if isinstance(sample, int) and sample < 2**31 else tf.int64
    pool, strides = [axis.pool for axis in axes], [axis.stride for axis in axes]

    def argmax(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.nn.max_pool_with_argmax(x, pool, strides, "VALID", output_dtype=dtype)

    values, place = guarded(argmax, [1, *pool, 1], x.shape)(x)
    if dtype == tf.int32 and mode.current() == "graph":
        # tf2onnx takes the places for 64 bits; 0 to 3% of the time, where asking for 64 bits takes three times as long.
        place = tf.cast(tf.cast(place, tf.int64), dtype)
    place //= tf.cast(channels, dtype)
    if shapes.may_pad(pads):
        # Where padding ties with the smallest value it may have won: the window's first real element is the next one.
        before = [tf.cast(pair[0], dtype) for pair in pads]
        row = place // tf.cast(padded_width, dtype)
        column = tf.maximum(place - row * tf.cast(padded_width, dtype) - before[1], 0)
        place = tf.maximum(row - before[0], 0) * tf.cast(width, dtype) + column
    shape = [*outer, *shapes.sizes(values)[1:]]
    return tf.reshape(values, shape), tf.reshape(place, shape)
