"""Both data formats: which one is meant, tensors to channels-last and back, and the shape that pooled sizes make."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from keras_maxpool import arguments


def resolved(data_format: str | None) -> str:
    """One of the two data formats: the user's, or Keras's setting for None."""
    if data_format is None:
        return keras.config.image_data_format()
    return arguments.data_format(data_format)


def channels_last(x: tf.Tensor, data_format: str) -> tf.Tensor:
    """`x` (in `data_format`) as (batch, *spatial, channels)."""
    if data_format == "channels_last":
        return x
    return tf.transpose(x, [0, *range(2, x.shape.rank), 1])


def restored(x: tf.Tensor, data_format: str) -> tf.Tensor:
    """`x` (batch, *spatial, channels) in `data_format`."""
    if data_format == "channels_last":
        return x
    return tf.transpose(x, [0, x.shape.rank - 1, *range(1, x.shape.rank - 1)])


def spatial(shape: Sequence[int | None], data_format: str) -> tuple[int | None, ...]:
    """The spatial sizes in a shape."""
    return tuple(shape[1:-1] if data_format == "channels_last" else shape[2:])


def with_spatial(
    shape: Sequence[int | None], data_format: str, sizes: Sequence[int | None]
) -> tuple[int | None, ...]:
    """A shape with other spatial sizes."""
    if data_format == "channels_last":
        return (shape[0], *sizes, shape[-1])
    return (shape[0], shape[1], *sizes)
