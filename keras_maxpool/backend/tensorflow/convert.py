"""Flat indices of maxima in the conventions of other libraries."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from keras_maxpool import arguments
from keras_maxpool.geometry.checks import int32_limit
from keras_maxpool.geometry.layout import spatial_sizes


def convert_indices(
    found: tf.Tensor, sizes: Any, to: str, source: str, data_format: str
) -> tf.Tensor:
    """`convert_indices` for arguments that have been checked."""
    sizes = tf.convert_to_tensor(sizes)
    if found.dtype == tf.int32:
        with tf.control_dependencies(_checks(sizes, (source, to), data_format)):
            sizes = tf.identity(sizes)
    sizes = tf.cast(sizes, found.dtype)
    channels_axis = -1 if data_format == "channels_last" else 1
    channels, spatial = sizes[channels_axis], sizes[1:-1] if channels_axis == -1 else sizes[2:]
    volume = tf.reduce_prod(spatial)
    sample = _along(found, 0)
    channel = _along(found, channels_axis)
    plane = sample * channels + channel
    backwards = tf.reverse(spatial, [0])

    # From each convention to this package's, and back.
    tables: dict[str, tuple[Callable[[tf.Tensor], tf.Tensor], Callable[[tf.Tensor], tf.Tensor]]] = {
        "torch": (lambda i: i, lambda i: i),
        "tensorflow": (lambda i: i // channels, lambda i: i * channels + channel),
        "tensorflow_batch": (
            lambda i: i // channels - sample * volume,
            lambda i: (sample * volume + i) * channels + channel,
        ),
        "onnx": (lambda i: i - plane * volume, lambda i: plane * volume + i),
        "onnx_column_major": (
            lambda i: _transposed(i, backwards),
            lambda i: plane * volume + _transposed(i, spatial),
        ),
    }
    place = tables[source][0](found)
    return tf.where(found < 0, found, tables[to][1](place))


def _checks(sizes: tf.Tensor, conventions: Sequence[str], data_format: str) -> list[tf.Operation]:
    """That 32 bits count the elements: known sizes are checked now, and others when a graph runs."""
    known = tf.get_static_value(sizes)
    shape = tf.unstack(tf.cast(sizes, tf.int64)) if known is None else known.tolist()
    counted = {"torch": spatial_sizes(shape, data_format), "tensorflow": shape[1:]}
    checks = []
    for convention in conventions:
        of = counted.get(convention, shape)
        fix = f'"{convention}" needs indices in 64 bits: tf.cast(indices, tf.int64).'
        if known is None:
            message = f"`indices` of int32 count fewer than 2**31 elements. {fix} Received sizes of"
            fits = tf.reduce_prod(of) < arguments.INT_LIMIT
            checks.append(tf.debugging.Assert(fits, [message, *of]))
        else:
            int32_limit(of, fix)
    return checks


def _along(indices: tf.Tensor, axis: int) -> tf.Tensor:
    """The position along one axis, shaped to broadcast against `indices`."""
    shape = [1] * indices.shape.rank
    shape[axis] = -1
    return tf.reshape(tf.range(tf.shape(indices)[axis], dtype=indices.dtype), shape)


def _transposed(place: tf.Tensor, sizes: tf.Tensor) -> tf.Tensor:
    """A place in a row-major volume of `sizes` as one in the volume with the axes in reverse order.

    Whole volumes before it fall away.
    """
    result, factor = tf.zeros_like(place), tf.reduce_prod(sizes)
    rest = place
    for size in reversed(tf.unstack(sizes)):
        factor //= size
        result += rest % size * factor
        rest //= size
    return result
