"""Brings tensors into the layout that a kernel takes, and back into their data format."""

import tensorflow as tf

from keras_maxpool.backend.tensorflow import plan, shapes


def channels_last(x: tf.Tensor, data_format: str) -> tf.Tensor:
    """Returns `x` (in `data_format`) as (batch, *spatial, channels)."""
    if data_format == "channels_last":
        return x
    return tf.transpose(x, [0, *range(2, x.shape.rank), 1])


def restored(x: tf.Tensor, data_format: str) -> tf.Tensor:
    """Returns `x` (batch, *spatial, channels) in `data_format`."""
    if data_format == "channels_last":
        return x
    return tf.transpose(x, [0, x.shape.rank - 1, *range(1, x.shape.rank - 1)])


def for_kernel(x: tf.Tensor, layout: str) -> tf.Tensor:
    """Returns `x` in a plan's `layout`."""
    if layout == plan.TRANSPOSED:
        return channels_last(x, "channels_first")
    if layout == plan.CHANNELS_AS_SAMPLES:
        batch, channels, *sizes = shapes.sizes(x)
        return tf.reshape(x, [batch * channels, *sizes, 1])
    return x


def from_kernel(y: tf.Tensor, layout: str, x: tf.Tensor) -> tf.Tensor:
    """Returns `y`, a kernel's result for `for_kernel(x, layout)`, in the data format of `x`."""
    if layout == plan.TRANSPOSED:
        return restored(y, "channels_first")
    if layout == plan.CHANNELS_AS_SAMPLES:
        return tf.reshape(y, [*shapes.sizes(x)[:2], *shapes.sizes(y)[1:-1]])
    return y


def over_channels(x: tf.Tensor, data_format: str) -> tf.Tensor:
    """Returns `x` (batch, *spatial) with one channel, in `data_format`."""
    return tf.expand_dims(x, -1 if data_format == "channels_last" else 1)
