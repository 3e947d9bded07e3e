"""`max_unpool`: values back to the places that pooling took them from."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from keras_maxpool import arguments
from keras_maxpool import window as windows
from keras_maxpool.ops import converter, layout, mode, shapes
from keras_maxpool.ops.bounds import inside
from keras_maxpool.ops.convert import CONVENTIONS, convert_indices
from keras_maxpool.ops.inputs import dense
from keras_maxpool.ops.places import is_wide, scatter
from keras_maxpool.ops.tiles import are_tiles, unpool_tiles
from keras_maxpool.window import Window


@tf.autograph.experimental.do_not_convert
def max_unpool(
    values: Any,
    indices: Any,
    pool_size: Any = 2,
    strides: Any = None,
    padding: Any = "valid",
    data_format: str | None = None,
    *,
    output_size: Any = None,
    like: Any = None,
    indices_convention: str = "torch",
) -> tf.Tensor:
    """Puts values at the flat indices that `max_pool(..., return_indices=True)` gave, and zeros elsewhere.

    Values that meet at one place, as overlapping windows make them, are added: this is the adjoint of gathering the
    maxima, and its gradient is that gather.

    Args:
        values, indices, pool_size, strides, padding, data_format, output_size, like, indices_convention: as
            `keras_maxpool.MaxUnpooling2D` takes them, with one integer or pair for each spatial axis.

    Returns:
        The unpooled tensor, of the values' dtype.

    Raises:
        TypeError, ValueError: as `keras_maxpool.MaxUnpooling2D` does.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> x = np.array([[1.0, 5.0, 2.0, 4.0, 3.0]])[..., None]
    >>> values, indices = keras_maxpool.ops.max_pool(x, 2, return_indices=True)
    >>> keras_maxpool.ops.max_unpool(values, indices, 2, like=x)[0, :, 0].numpy().tolist()
    [0.0, 5.0, 0.0, 4.0, 0.0]
    """
    y = dense(values, "values")
    rank = arguments.spatial_rank(y.shape, "values")
    window = windows.parse(rank, pool_size, strides, padding, 1, False)
    data_format = layout.resolved(data_format)
    size = arguments.optional_sizes(output_size, rank, "output_size")
    arguments.dtype(y.dtype.name)
    arguments.choice(indices_convention, "indices_convention", CONVENTIONS)
    found = dense(indices, "indices")
    like = None if like is None else dense(like, "like")
    like_shape = getattr(like, "shape", None)
    arguments.unpooling(
        y.shape, found.shape, found.dtype.name, size, like_shape, indices_convention
    )
    return unpool(y, found, window, data_format, size, like, indices_convention)


@converter.carried
def unpool(
    values: tf.Tensor,
    indices: tf.Tensor,
    window: Window,
    data_format: str,
    output_size: tuple[int, ...] | None,
    like: tf.Tensor | None,
    convention: str = "torch",
) -> tf.Tensor:
    """`max_unpool` for arguments and shapes that have been checked."""
    converter.check_indices()
    like_shape, like_sizes = (None, None) if like is None else (like.shape, shapes.sizes(like))
    known = output_shape(values.shape, window, data_format, output_size, like_shape)
    sizes = output_shape(shapes.sizes(values), window, data_format, output_size, like_sizes)
    nothing = shapes.without_elements(values, known, None)
    if nothing is not None:
        return nothing
    if convention != "torch":
        # Other conventions count further than one volume, and come as floats too. LiteRT divides in 32 bits.
        bits = tf.int32 if converter.current() == "LiteRT" else tf.int64
        indices = tf.cast(indices, bits)
        indices = convert_indices(indices, sizes, source=convention, data_format=data_format)
    spatial: Sequence[shapes.Size] = layout.spatial(sizes, data_format)
    values, indices = (layout.channels_last(x, data_format) for x in (values, indices))
    # Comparisons with the windows' own places are in 32 bits.
    wide = is_wide(shapes.product(sizes))
    if wide:
        indices = tf.cast(indices, tf.int64)
    # Forward mode over a gradient fails in a cond (TensorFlow 2.16).
    by_tiles = are_tiles(window) and not wide and not mode.has_tangent(values)
    y = (
        unpool_tiles(values, indices, window, spatial)
        if by_tiles
        else scatter(values, inside(indices, spatial), spatial)
    )
    y = layout.restored(y, data_format)
    y.set_shape(known)
    return y


def output_shape(
    shape: Sequence[int | None],
    window: Window,
    data_format: str,
    output_size: Sequence[int] | None = None,
    like: Sequence[int | None] | None = None,
) -> tuple[int | None, ...]:
    """The shape that unpooling gives for values of `shape`, None where unknown; a ValueError where it gives none."""
    sizes: Sequence[Any]
    if like is not None:
        sizes, subject = layout.spatial(like, data_format), "`like` makes"
        fix = "Pass a smaller one."
    elif output_size is not None:
        sizes, subject = output_size, f"`output_size` {tuple(output_size)} makes"
        fix = "Write smaller sizes."
    else:
        sizes = window.unpooled_sizes(layout.spatial(shape, data_format))
        subject = f"`pool_size` {window.pool}, `strides` {window.strides} and `padding` {window.padding!r} make"
        fix = "Pass the pooled tensor as like=, or its spatial sizes as output_size=."
    result = layout.with_spatial(shape, data_format, sizes)
    arguments.countable(result, subject, fix)
    return result
