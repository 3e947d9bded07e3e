"""Indices outside their volume: an error, wherever the code runs that has errors."""

from collections.abc import Sequence

import tensorflow as tf

from keras_maxpool.backend.tensorflow import shapes
from keras_maxpool.backend.tensorflow.context import Context
from keras_maxpool.backend.tensorflow.gather_scatter import count

RULE = "the elements of an output's channel, and at least -1, which stands for none;"
FIX = (
    "Pass the pooled tensor as like=, or its spatial sizes as output_size=. Indices of another library need its "
    'convention: indices_convention="tensorflow" for those of tf.nn.max_pool_with_argmax, "tensorflow_batch" if these '
    "include the batch."
)


def inside(indices: tf.Tensor, spatial: Sequence[shapes.Size], context: Context) -> tf.Tensor:
    """Returns `indices` (batch, *any, channels), or an error if one is below -1 or not below the product of `spatial`.

    In a graph the error comes when it runs. XLA has none, and a converter may have no operation for it.
    """
    if context.mode == "eager":
        _check_values(indices, spatial)
        return indices
    if context.mode == "xla" or context.runtime:
        return indices
    elements = count(spatial, context)
    lowest, highest = tf.reduce_min(indices), tf.reduce_max(indices)
    fits = (lowest >= -1) & (highest < tf.cast(elements, indices.dtype))
    message = "`indices`, in PyTorch's convention, must be below"
    with shapes.asserted(
        [(fits, [message, elements, f"{RULE} received from", lowest, "to", highest, FIX])]
    ):
        return tf.identity(indices)


def _check_values(indices: tf.Tensor, spatial: Sequence[int]) -> None:
    elements = shapes.product(spatial)
    outside = (indices < -1) | (indices >= elements)
    if tf.reduce_any(outside):
        at = tuple(tf.where(outside)[0].numpy().tolist())
        raise ValueError(
            f"`indices`, in PyTorch's convention, must be below {elements}, {RULE} received "
            f"{int(indices[at])} at {at} (batch, *spatial, channels), for spatial sizes "
            f"{tuple(spatial)}. {FIX}"
        )
