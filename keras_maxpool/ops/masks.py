"""Masks over (batch, *spatial): what they hide never wins, and a window that sees nothing else gives 0."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from keras_maxpool import arguments
from keras_maxpool.ops import shapes
from keras_maxpool.ops.indices import first_maxima
from keras_maxpool.ops.kernels import KERNELS
from keras_maxpool.ops.places import gather
from keras_maxpool.window import Window


def checked(mask: Any, shape: Sequence[int | None], data_format: str) -> tf.Tensor:
    """`mask` as a tensor that fits inputs of `shape`, or an error."""
    try:
        tensor = tf.convert_to_tensor(mask)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"`mask` takes a tensor of booleans, or what converts to one; received mask={mask!r}. "
            "Write one boolean for each spatial place of a sample."
        ) from error
    arguments.mask(tensor, shape, data_format)
    return tensor


def of_places(mask: tf.Tensor, x: tf.Tensor) -> tf.Tensor:
    """`mask` as (batch, *spatial) of `x` (batch, *spatial, channels), where it may be of whole samples."""
    if mask.shape.rank > 1:
        return mask
    ones = [1] * (x.shape.rank - 2)
    return tf.broadcast_to(tf.reshape(mask, [-1, *ones]), tf.shape(x)[:-1])


def hide(x: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """`x` (batch, *spatial, channels) with the smallest value there is wherever `mask` is False."""
    return tf.where(mask[..., None], x, shapes.lowest(x.dtype))


def pooled(mask: tf.Tensor, window: Window) -> tf.Tensor:
    """The outgoing mask: whether a window sees any element of which `mask` is True."""
    seen = KERNELS["folded"](tf.cast(mask, tf.float32)[..., None], window)
    return tf.squeeze(seen, -1) > 0


def seen_places(places: tf.Tensor, mask: tf.Tensor, seen: tf.Tensor, window: Window) -> tf.Tensor:
    """Flat indices of maxima that hidden elements may have won by a tie, mended: the first seen one wins it.

    `seen` is the pooled mask with an axis for the channels.
    """
    shape = tf.concat([tf.shape(mask), tf.shape(places)[-1:]], 0)
    volume = tf.cast(mask, tf.int8)[..., None]
    is_seen = gather(tf.broadcast_to(volume, shape), places) > 0
    first = first_maxima(volume, window, places.dtype)
    first = tf.where(seen, first, tf.constant(-1, places.dtype))
    return tf.where(is_seen, places, first)
