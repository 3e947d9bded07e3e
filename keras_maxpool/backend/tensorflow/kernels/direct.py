"""One `tf.nn.max_pool` over all spatial axes."""

import tensorflow as tf

from keras_maxpool.backend.tensorflow import shapes
from keras_maxpool.backend.tensorflow.kernels import native
from keras_maxpool.geometry.window import Window


def direct(x: tf.Tensor, window: Window, repeat: bool = False) -> tf.Tensor:
    """Pools (batch, *spatial, channels) without dilation in one operation; `repeat` as `shapes.pad` has it."""
    padding: str | shapes.Pads = "SAME" if window.padding == "same" else "VALID"
    if window.needs_pads:
        padding = shapes.pads(window.axes, shapes.sizes(x)[1:-1])
        if repeat:
            x, padding = shapes.pad(x, padding, window.gaps), "VALID"
    pool, strides = window.pool, window.strides
    if window.rank > 1:
        return native.max_pool(x, pool, strides, padding)
    if not isinstance(padding, str):
        padding = [*padding, (0, 0)]
    return tf.squeeze(native.max_pool(tf.expand_dims(x, 2), (*pool, 1), (*strides, 1), padding), 2)


def direct_channels_first(x: tf.Tensor, window: Window) -> tf.Tensor:
    """Pools (batch, channels, *2 or 3 spatial) without dilation or explicit pads, where oneDNN takes it so."""
    padding = "SAME" if window.padding == "same" else "VALID"
    return native.max_pool(x, window.pool, window.strides, padding, "channels_first")
