"""Masks over (batch, *spatial): what they hide never wins, and a window that sees nothing else gives 0."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from keras_maxpool import arguments
from keras_maxpool.ops import inputs, layout, shapes
from keras_maxpool.ops.indices import first_maxima
from keras_maxpool.ops.kernels import KERNELS
from keras_maxpool.ops.places import gather
from keras_maxpool.window import Window


def checked(mask: Any, shape: Sequence[int | None], data_format: str) -> tf.Tensor:
    """`mask` as a tensor that fits inputs of `shape`, or an error."""
    mask = inputs.checked(mask, "mask")
    try:
        tensor = tf.convert_to_tensor(mask)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"`mask` takes a tensor of booleans, or what converts to one; received mask={mask!r}. "
            "Write one boolean for each spatial place of a sample."
        ) from error
    arguments.mask(tensor, shape, data_format)
    return tensor


def of_places(mask: tf.Tensor, x: tf.Tensor, data_format: str) -> tf.Tensor:
    """`mask` as (batch, *spatial) of `x`, where it may be of whole samples."""
    if mask.shape.rank > 1:
        return mask
    sizes = layout.spatial(shapes.sizes(x), data_format)
    return tf.broadcast_to(
        tf.reshape(mask, [-1, *(1 for _ in sizes)]), [shapes.sizes(x)[0], *sizes]
    )


def hide(x: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """`x` with the smallest value there is wherever `mask`, of one channel or none, is False."""
    return tf.where(mask, x, shapes.lowest(x.dtype))


def pooled(mask: tf.Tensor, window: Window) -> tf.Tensor:
    """The outgoing mask: whether a window sees any element of which `mask` is True."""
    seen = KERNELS["folded"](tf.expand_dims(tf.cast(mask, tf.float32), -1), window)
    return tf.squeeze(seen, -1) > 0


def seen_places(
    places: tf.Tensor, mask: tf.Tensor, seen: tf.Tensor, window: Window, in_steps: bool
) -> tf.Tensor:
    """Flat indices of maxima that hidden elements may have won by a tie, mended: the first seen one wins it.

    `places` are channels last; `seen` is the pooled mask; `in_steps` as `first_maxima` has it.
    """
    shape = tf.concat([tf.shape(mask), tf.shape(places)[-1:]], 0)
    # Floats are what exported graphs can pool.
    volume = tf.expand_dims(tf.cast(mask, tf.float32), -1)
    is_seen = gather(tf.broadcast_to(volume, shape), places) > 0
    first = first_maxima(volume, window, places.dtype, in_steps=in_steps)
    first = tf.where(tf.expand_dims(seen, -1), first, tf.constant(-1, places.dtype))
    return tf.where(is_seen, places, first)
