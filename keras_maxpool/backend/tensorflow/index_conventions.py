"""Flat indices of maxima in the conventions of other libraries, on TensorFlow."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from keras_maxpool import arguments
from keras_maxpool.backend.tensorflow import shapes
from keras_maxpool.geometry.checks import int32_limit
from keras_maxpool.geometry.index_conventions import converted
from keras_maxpool.geometry.layout import spatial_sizes


def convert_indices(
    indices: tf.Tensor, sizes: Any, to: str, source: str, data_format: str
) -> tf.Tensor:
    """Computes `convert_indices` for checked arguments."""
    sizes = tf.convert_to_tensor(sizes)
    if indices.dtype == tf.int32:
        sizes = shapes.asserted(sizes, _checks(sizes, (source, to), data_format))
    sizes = tf.cast(sizes, indices.dtype)
    # Not by tf.unstack, which LiteRT does not have for 64 bits.
    sizes = [sizes[axis] for axis in range(indices.shape.rank)]
    channels_axis = len(sizes) - 1 if data_format == "channels_last" else 1
    channels, spatial = sizes[channels_axis], spatial_sizes(sizes, data_format)
    sample, channel = (_positions(indices, axis) for axis in (0, channels_axis))
    index = converted(indices, sample, channel, channels, spatial, to, source)
    return tf.where(indices < 0, indices, index)


def _checks(
    sizes: tf.Tensor, conventions: Sequence[str], data_format: str
) -> list[tuple[tf.Tensor, list[tf.Tensor]]]:
    """Checks that 32 bits count the elements of known sizes; returns the checks of others, for when a graph runs."""
    known = tf.get_static_value(sizes)
    shape = tf.unstack(tf.cast(sizes, tf.int64)) if known is None else known.tolist()
    counted = {"torch": spatial_sizes(shape, data_format), "tensorflow": shape[1:]}
    checks = []
    for convention in conventions:
        of = counted.get(convention, shape)
        fix = f'"{convention}" needs indices in 64 bits: tf.cast(indices, tf.int64).'
        if known is None:
            message = f"`indices` of int32 count fewer than 2**31 elements. {fix} Received sizes of"
            checks.append((tf.reduce_prod(of) < arguments.INT_LIMIT, [message, *of]))
        else:
            int32_limit(of, fix)
    return checks


def _positions(indices: tf.Tensor, axis: int) -> tf.Tensor:
    """Returns the positions along one axis, shaped to broadcast against `indices`."""
    shape = [1] * indices.shape.rank
    shape[axis] = -1
    return tf.reshape(tf.range(tf.shape(indices)[axis], dtype=indices.dtype), shape)
