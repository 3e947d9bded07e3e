"""One `tf.nn.max_pool` over all spatial axes."""

import tensorflow as tf

from keras_maxpool.ops import shapes
from keras_maxpool.ops.kernels import native
from keras_maxpool.window import Window


def direct(x: tf.Tensor, window: Window) -> tf.Tensor:
    """Pools (batch, *spatial, channels) without dilation in one operation, after explicit pads if there are any."""
    if window.needs_pads:
        x = shapes.pad(x, shapes.pads(window.axes, shapes.sizes(x)[1:-1]))
    padding = "SAME" if window.padding == "same" else "VALID"
    pool, strides = window.pool, window.strides
    if window.rank > 1:
        return native.max_pool(x, pool, strides, padding)
    return tf.squeeze(native.max_pool(tf.expand_dims(x, 2), (*pool, 1), (*strides, 1), padding), 2)
