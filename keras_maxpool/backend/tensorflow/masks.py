"""Applies masks (batch, *spatial): hidden elements never win, and windows without visible ones return 0."""

from collections.abc import Callable

import tensorflow as tf

from keras_maxpool.backend.tensorflow import export, shapes
from keras_maxpool.backend.tensorflow.context import Context, current_context
from keras_maxpool.backend.tensorflow.gather_scatter import gather
from keras_maxpool.backend.tensorflow.kernels.separable import separable
from keras_maxpool.backend.tensorflow.numerics import lowest
from keras_maxpool.geometry import checks
from keras_maxpool.geometry.layout import spatial_sizes
from keras_maxpool.geometry.window import Window


def where_mask_fits(mask: tf.Tensor, x: tf.Tensor, data_format: str) -> tf.Tensor:
    """Returns `mask`, but True everywhere if its sizes, perhaps unknown while tracing, are not those of `x`."""
    shape = checks.mask_shape(x.shape, data_format)
    if mask.shape.rank == 1 or (None not in shape[1:] and tuple(mask.shape[1:]) == shape[1:]):
        return mask
    sizes = tf.shape(x)
    wanted = tf.concat([sizes[:1], sizes[2:]], 0) if data_format == "channels_first" else sizes[:-1]
    given = tf.shape(mask)
    shared, zeros = tf.minimum(given, wanted), tf.zeros_like(given)
    # Not tf.cond, of which XLA compiles both branches; in floats, as exported graphs cannot pad booleans.
    cut = tf.slice(tf.cast(tf.cast(mask, tf.bool), tf.float32), zeros, shared)
    cut = tf.pad(cut, tf.stack([zeros, wanted - shared], 1)) > 0
    result = cut | ~tf.reduce_all(tf.equal(given, wanted))
    result.set_shape(shape)
    return result


def pool_mask(mask: tf.Tensor, window: Window) -> tf.Tensor:
    """Returns the outgoing mask: whether `mask` is True for any element of a window."""
    # Some masks in Keras are numbers.
    mask = tf.cast(mask, tf.bool)
    return pooled(mask, window, current_context(mask))


def pooled(mask: tf.Tensor, window: Window, context: Context) -> tf.Tensor:
    """Returns whether `mask` is True for any element of a window."""
    y = separable(tf.expand_dims(tf.cast(mask, tf.float32), -1), window, context)
    return tf.squeeze(y, -1) > 0


def of_elements(mask: tf.Tensor, x: tf.Tensor, data_format: str) -> tf.Tensor:
    """Returns `mask`, broadcast from (batch,) to the (batch, *spatial) of `x` if needed."""
    if mask.shape.rank > 1:
        return mask
    sizes = spatial_sizes(shapes.sizes(x), data_format)
    return tf.broadcast_to(
        tf.reshape(mask, [-1, *(1 for _ in sizes)]), [shapes.sizes(x)[0], *sizes]
    )


def hide(x: tf.Tensor, mask: tf.Tensor, context: Context) -> tf.Tensor:
    """Returns `x` with the lowest value wherever `mask`, which broadcasts over the channels, is False.

    For another runtime it is the lowest one in `x`, since the graph may be quantised.
    """
    if context.runtime and x.dtype.is_floating:
        return export.select(mask, x, tf.reduce_min(x), context)
    return tf.where(mask, x, lowest(x.dtype))


def visible_indices(
    first_maxima: Callable[[tf.Tensor], tf.Tensor],
    indices: tf.Tensor,
    mask: tf.Tensor,
    visible_windows: tf.Tensor,
    context: Context,
) -> tf.Tensor:
    """Returns flat indices in which a hidden element that won by a tie is replaced by the first visible one.

    `indices` have channels last; `visible_windows` is the pooled mask; `first_maxima` computed the indices.
    """
    export.check_indices(context)
    shape = tf.concat([tf.shape(mask), tf.shape(indices)[-1:]], 0)
    # In floats, as exported graphs cannot pool booleans.
    volume = tf.expand_dims(tf.cast(mask, tf.float32), -1)
    is_visible = gather(tf.broadcast_to(volume, shape), indices, context) > 0
    first = tf.where(
        tf.expand_dims(visible_windows, -1), first_maxima(volume), tf.constant(-1, indices.dtype)
    )
    return tf.where(is_visible, indices, first)
