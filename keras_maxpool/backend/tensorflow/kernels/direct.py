"""The kernel "direct": one `tf.nn.max_pool` over all spatial axes."""

import tensorflow as tf

from keras_maxpool.backend.tensorflow import padding, shapes
from keras_maxpool.backend.tensorflow.context import Context
from keras_maxpool.backend.tensorflow.kernels import native
from keras_maxpool.geometry.window import Window


def direct(
    x: tf.Tensor, window: Window, context: Context, data_format: str = "channels_last"
) -> tf.Tensor:
    """Pools without dilation in one operation.

    With channels first it takes 2 or 3 axes, no explicit pads, and needs oneDNN.
    """
    pads: str | padding.Pads = "SAME" if window.padding == "same" else "VALID"
    if window.needs_pads:
        pads = padding.explicit_pads(window.axes, shapes.sizes(x)[1:-1])
    pool, strides = window.pool, window.strides
    if window.rank > 1:
        return native.max_pool(x, pool, strides, pads, context, data_format)
    if not isinstance(pads, str):
        pads = [*pads, (0, 0)]
    y = native.max_pool(tf.expand_dims(x, 2), (*pool, 1), (*strides, 1), pads, context)
    return tf.squeeze(y, 2)
