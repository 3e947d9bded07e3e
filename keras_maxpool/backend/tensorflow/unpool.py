"""`max_unpool`: values back to the places that pooling took them from."""

from collections.abc import Sequence

import tensorflow as tf

from keras_maxpool.backend.tensorflow import context as mode
from keras_maxpool.backend.tensorflow import export as converter
from keras_maxpool.backend.tensorflow import layout, shapes
from keras_maxpool.backend.tensorflow.bounds import inside
from keras_maxpool.backend.tensorflow.convert import convert_indices
from keras_maxpool.backend.tensorflow.gather_scatter import is_wide, scatter
from keras_maxpool.backend.tensorflow.tiles import are_tiles, unpool_tiles
from keras_maxpool.geometry import output_shapes
from keras_maxpool.geometry.layout import spatial_sizes
from keras_maxpool.geometry.window import Window


@converter.carried
def max_unpool(
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
    known = output_shapes.max_unpooled(values.shape, window, data_format, output_size, like_shape)
    sizes = output_shapes.max_unpooled(
        shapes.sizes(values), window, data_format, output_size, like_sizes
    )
    nothing = shapes.without_elements(values, known, None)
    if nothing is not None:
        return nothing
    if convention != "torch":
        # Other conventions count further than one volume, and come as floats too. LiteRT divides in 32 bits.
        bits = tf.int32 if converter.current() == "LiteRT" else tf.int64
        indices = tf.cast(indices, bits)
        indices = convert_indices(indices, sizes, "torch", convention, data_format)
    spatial: Sequence[shapes.Size] = spatial_sizes(sizes, data_format)
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
