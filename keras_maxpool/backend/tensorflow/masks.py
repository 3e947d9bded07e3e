"""Masks over (batch, *spatial): what they hide never wins, and a window that sees nothing else gives 0."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from keras_maxpool.backend.tensorflow import export as converter
from keras_maxpool.backend.tensorflow import inputs, shapes
from keras_maxpool.backend.tensorflow.gather_scatter import gather
from keras_maxpool.backend.tensorflow.indices import first_maxima
from keras_maxpool.backend.tensorflow.kernels import KERNELS
from keras_maxpool.backend.tensorflow.select import select
from keras_maxpool.geometry import checks
from keras_maxpool.geometry.layout import spatial_sizes
from keras_maxpool.geometry.window import Window


def convert_mask(mask: Any, shape: Sequence[int | None], data_format: str) -> tf.Tensor:
    """`mask` as a tensor that fits inputs of `shape`, or an error."""
    mask = inputs.as_dense(mask, "mask")
    try:
        tensor = inputs.convert_to_tensor(mask, "mask")
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"`mask` takes a tensor of booleans, or what converts to one; received mask={mask!r}. "
            "Write one boolean for each spatial place of a sample."
        ) from error
    checks.mask(tensor, shape, data_format)
    return tensor


def where_mask_fits(mask: tf.Tensor, x: tf.Tensor, data_format: str) -> tf.Tensor:
    """`mask` of the right rank, but True everywhere if its sizes, which may be known late, are not those of `x`."""
    shape = checks.mask_shape(x.shape, data_format)
    if mask.shape.rank == 1 or (None not in shape[1:] and tuple(mask.shape[1:]) == shape[1:]):
        return mask
    sizes = tf.shape(x)
    wanted = tf.concat([sizes[:1], sizes[2:]], 0) if data_format == "channels_first" else sizes[:-1]
    given = tf.shape(mask)
    shared, nothing = tf.minimum(given, wanted), tf.zeros_like(given)
    # Not tf.cond, both sides of which XLA compiles; floats are what exported graphs can pad.
    cut = tf.slice(tf.cast(tf.cast(mask, tf.bool), tf.float32), nothing, shared)
    cut = tf.pad(cut, tf.stack([nothing, wanted - shared], 1)) > 0
    result = cut | ~tf.reduce_all(given == wanted)
    result.set_shape(shape)
    return result


def of_places(mask: tf.Tensor, x: tf.Tensor, data_format: str) -> tf.Tensor:
    """`mask` as (batch, *spatial) of `x`, where it may be of whole samples."""
    if mask.shape.rank > 1:
        return mask
    sizes = spatial_sizes(shapes.sizes(x), data_format)
    return tf.broadcast_to(
        tf.reshape(mask, [-1, *(1 for _ in sizes)]), [shapes.sizes(x)[0], *sizes]
    )


def hide(x: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """`x` with a value that is above no other wherever `mask`, of one channel or none, is False.

    For another runtime it is one of those in `x`, since the graph may be quantised.
    """
    if converter.current() and x.dtype.is_floating:
        return select(mask, x, tf.reduce_min(x))
    return tf.where(mask, x, shapes.lowest(x.dtype))


def pool_mask(mask: tf.Tensor, window: Window, repeat: bool = False) -> tf.Tensor:
    """The outgoing mask: whether a window sees any element of which `mask` is True; `repeat` as `shapes.pad` has it."""
    # Of Keras's masks, some are numbers.
    mask = tf.cast(tf.cast(mask, tf.bool), tf.float32)
    seen = KERNELS["separable"](tf.expand_dims(mask, -1), window, repeat)
    return tf.squeeze(seen, -1) > 0


def seen_places(
    places: tf.Tensor, mask: tf.Tensor, seen: tf.Tensor, window: Window, **how: bool
) -> tf.Tensor:
    """Flat indices of maxima that hidden elements may have won by a tie, mended: the first seen one wins it.

    `places` are channels last; `seen` is the pooled mask; `how` are the flags of `first_maxima`.
    """
    converter.check_indices()
    shape = tf.concat([tf.shape(mask), tf.shape(places)[-1:]], 0)
    # Floats are what exported graphs can pool.
    volume = tf.expand_dims(tf.cast(mask, tf.float32), -1)
    is_seen = gather(tf.broadcast_to(volume, shape), places) > 0
    first = first_maxima(volume, window, places.dtype, **how)
    first = tf.where(tf.expand_dims(seen, -1), first, tf.constant(-1, places.dtype))
    return tf.where(is_seen, places, first)
