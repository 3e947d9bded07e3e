"""The first maximum of each window in the plane of the last two axes: one `tf.nn.max_pool_with_argmax`."""

from collections.abc import Sequence
from functools import partial

import tensorflow as tf

from keras_maxpool.backend.tensorflow import padding, shapes
from keras_maxpool.backend.tensorflow.context import Context
from keras_maxpool.backend.tensorflow.kernels.native import guarded
from keras_maxpool.geometry.window import Axis


def planar(x: tf.Tensor, axes: Sequence[Axis], context: Context) -> tuple[tf.Tensor, tf.Tensor]:
    """Pools (batch, *any, height, width, channels) over the two `axes`, which have no gaps.

    Returns the maxima, and the flat index of each first one in its plane of height times width.
    """
    *outer, height, width, channels = shapes.sizes(x)
    pads = padding.explicit_pads(axes, (height, width))
    x = tf.reshape(x, [shapes.product(outer), height, width, channels])
    x = padding.pad(x, pads, context)
    _, _, padded_width, _ = shapes.sizes(x)
    # 32 bits divide in half the time, and are enough for samples of known size.
    sample = shapes.product(shapes.sizes(x)[1:])
    dtype = tf.int32 if isinstance(sample, int) and sample < 2**31 else tf.int64
    pool = [axis.pool for axis in axes]
    argmax = partial(
        tf.nn.max_pool_with_argmax,
        ksize=pool,
        strides=[axis.stride for axis in axes],
        padding="VALID",
        output_dtype=dtype,
    )
    values, index = guarded(argmax, x, [1, *pool, 1])
    if dtype == tf.int32 and context.mode == "graph":
        # tf2onnx treats these as 64 bits. The casts take 0 to 3% of the time, an argmax in 64 bits 3 times as long.
        index = tf.cast(tf.cast(index, tf.int64), dtype)
    index //= tf.cast(channels, dtype)
    if padding.may_pad(pads):
        # If padding ties with the smallest value and wins, the window's first real element is the maximum.
        before = [tf.cast(pair[0], dtype) for pair in pads]
        row = index // tf.cast(padded_width, dtype)
        column = tf.maximum(index - row * tf.cast(padded_width, dtype) - before[1], 0)
        index = tf.maximum(row - before[0], 0) * tf.cast(width, dtype) + column
    shape = [*outer, *shapes.sizes(values)[1:]]
    return tf.reshape(values, shape), tf.reshape(index, shape)
