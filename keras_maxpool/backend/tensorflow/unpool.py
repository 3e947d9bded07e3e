"""`max_unpool`: values back at the indices that pooling took them from."""

from collections.abc import Sequence

import tensorflow as tf

from keras_maxpool.backend.tensorflow import export, layout, shapes
from keras_maxpool.backend.tensorflow.adjacent_windows import are_adjacent, unpool_adjacent
from keras_maxpool.backend.tensorflow.bounds import inside
from keras_maxpool.backend.tensorflow.context import Context
from keras_maxpool.backend.tensorflow.convert import convert_indices
from keras_maxpool.backend.tensorflow.gather_scatter import is_wide, scatter
from keras_maxpool.geometry import output_shapes
from keras_maxpool.geometry.layout import spatial_sizes
from keras_maxpool.geometry.window import Window


@export.in_context
def max_unpool(
    values: tf.Tensor,
    context: Context,
    indices: tf.Tensor,
    window: Window,
    data_format: str,
    output_size: tuple[int, ...] | None,
    like: tf.Tensor | None,
    convention: str = "torch",
) -> tf.Tensor:
    """Computes `max_unpool` for checked arguments and shapes."""
    export.check_indices(context)
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
        bits = tf.int32 if context.runtime == "LiteRT" else tf.int64
        indices = tf.cast(indices, bits)
        indices = convert_indices(
            indices, tf.convert_to_tensor(sizes), "torch", convention, data_format
        )
    spatial: Sequence[shapes.Size] = spatial_sizes(sizes, data_format)
    values, indices = (layout.channels_last(x, data_format) for x in (values, indices))
    # Comparisons with the windows' own elements are in 32 bits.
    wide = is_wide(shapes.product(sizes))
    if wide:
        indices = tf.cast(indices, tf.int64)
    # Forward mode over a gradient fails in a cond (TensorFlow 2.18 to 2.21).
    if are_adjacent(window) and not wide and not context.has_tangent:
        y = unpool_adjacent(values, indices, window, spatial, context)
    else:
        y = scatter(values, inside(indices, spatial, context), spatial, context)
    y = layout.restored(y, data_format)
    y.set_shape(known)
    return y
