"""Indices outside the volume that they count: an error, wherever the code runs that has errors."""

from collections.abc import Sequence

import tensorflow as tf

from keras_maxpool.backend.tensorflow import context as mode
from keras_maxpool.backend.tensorflow import export as converter
from keras_maxpool.backend.tensorflow import shapes
from keras_maxpool.backend.tensorflow.gather_scatter import count

RULE = "the elements of an output's channel, and at least -1, which stands for none;"
FIX = (
    "Pass the pooled tensor as like=, or its spatial sizes as output_size=. Indices of another library need its "
    'convention: indices_convention="tensorflow" for those of tf.nn.max_pool_with_argmax, "tensorflow_batch" if these '
    "include the batch."
)


def inside(indices: tf.Tensor, spatial: Sequence[shapes.Size]) -> tf.Tensor:
    """`indices` (batch, *any, channels), or an error where one is below -1 or not below the product of `spatial`.

    In a graph the error comes when it runs. XLA has none, and a converter may have no operation for it.
    """
    if tf.executing_eagerly():
        _check_values(indices, spatial)
        return indices
    if mode.current() == "xla" or converter.current():
        return indices
    elements = count(spatial)
    lowest, highest = tf.reduce_min(indices), tf.reduce_max(indices)
    check = tf.debugging.Assert(
        (lowest >= -1) & (highest < tf.cast(elements, indices.dtype)),
        [
            "`indices`, in PyTorch's convention, must be below",
            elements,
            f"{RULE} received from",
            lowest,
            "to",
            highest,
            FIX,
        ],
    )
    with tf.control_dependencies([check]):
        return tf.identity(indices)


def _check_values(indices: tf.Tensor, spatial: Sequence[int]) -> None:
    elements = shapes.product(spatial)
    outside = (indices < -1) | (indices >= elements)
    if tf.reduce_any(outside):
        place = tf.where(outside)[0].numpy().tolist()
        raise ValueError(
            f"`indices`, in PyTorch's convention, must be below {elements}, {RULE} received "
            f"{int(indices[tuple(place)])} at {tuple(place)} (batch, *spatial, channels), for spatial sizes "
            f"{tuple(spatial)}. {FIX}"
        )
