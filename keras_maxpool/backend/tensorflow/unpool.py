"""`max_unpool` on TensorFlow: checks the indices, and writes the values to them."""

from collections.abc import Sequence
from functools import partial

import tensorflow as tf

from keras_maxpool.backend.tensorflow import export, layout, shapes
from keras_maxpool.backend.tensorflow.adjacent_windows import are_adjacent, unpool_adjacent
from keras_maxpool.backend.tensorflow.context import Context
from keras_maxpool.backend.tensorflow.gather_scatter import count, is_wide, scatter
from keras_maxpool.backend.tensorflow.index_conventions import convert_indices
from keras_maxpool.geometry import checks, output_shapes
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
    empty = shapes.without_elements(values, known, None)
    if empty is not None:
        return empty
    if convention != "torch":
        # Other conventions count beyond one volume, and may come as floats. LiteRT divides in 32 bits.
        bits = tf.int32 if context.runtime == "LiteRT" else tf.int64
        indices = tf.cast(indices, bits)
        indices = convert_indices(indices, sizes, "torch", convention, data_format)
    spatial: Sequence[shapes.Size] = spatial_sizes(sizes, data_format)
    values, indices = (layout.channels_last(x, data_format) for x in (values, indices))
    # Comparisons with the windows' own elements are in 32 bits.
    wide = is_wide(shapes.product(sizes))
    if wide:
        indices = tf.cast(indices, tf.int64)
    # In a cond, forward mode over a gradient fails, and so does the gradient of what tf.vectorized_map returns
    # (TensorFlow 2.18 to 2.21).
    adjacent = are_adjacent(window) and not (wide or context.has_tangent or context.vectorized)
    unpool = partial(_scattered, indices=indices, spatial=spatial, context=context)
    y = unpool_adjacent(values, indices, window, spatial, unpool) if adjacent else unpool(values)
    y = layout.restored(y, data_format)
    y.set_shape(known)
    return y


def _scattered(
    values: tf.Tensor, indices: tf.Tensor, spatial: Sequence[shapes.Size], context: Context
) -> tf.Tensor:
    return scatter(values, _inside(indices, spatial, context), spatial, context)


def _inside(indices: tf.Tensor, spatial: Sequence[shapes.Size], context: Context) -> tf.Tensor:
    """Returns `indices` (batch, *any, channels), or an error if one is below -1 or not below the product of `spatial`.

    In a graph the error comes when it runs. XLA has none, and a converter may have no operation for it.
    """
    if context.mode == "eager":
        outside = (indices < -1) | (indices >= shapes.product(spatial))
        if tf.reduce_any(outside):
            at = tuple(tf.where(outside)[0].numpy().tolist())
            raise checks.index_outside(int(indices[at]), at, spatial)
        return indices
    if context.mode == "xla" or context.runtime:
        return indices
    elements = count(spatial, context)
    lowest, highest = tf.reduce_min(indices), tf.reduce_max(indices)
    fits = (lowest >= -1) & (highest < tf.cast(elements, indices.dtype))
    start = "`indices`, in PyTorch's convention, must be below"
    message = [
        start,
        elements,
        f"{checks.INDICES_RULE} received from",
        lowest,
        "to",
        highest,
        checks.INDICES_FIX,
    ]
    return shapes.asserted(indices, [(fits, message)])
