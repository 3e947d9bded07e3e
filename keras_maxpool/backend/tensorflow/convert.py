"""Flat indices of maxima in the conventions of other libraries."""

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from keras_maxpool import arguments
from keras_maxpool.backend.tensorflow import shapes
from keras_maxpool.geometry.layout import spatial_sizes


@dataclass(frozen=True)
class Volumes:
    """The tensor that was pooled: what a flat index may count, in the dtype of the indices."""

    spatial: tf.Tensor
    channels: tf.Tensor
    sample: tf.Tensor
    """The sample of each index, shaped to broadcast against the indices."""
    channel: tf.Tensor
    """The channel of each index."""

    @property
    def before_sample(self) -> tf.Tensor:
        """The spatial elements of all samples before an index's own."""
        return self.sample * tf.reduce_prod(self.spatial)

    @property
    def before_plane(self) -> tf.Tensor:
        """The elements of all samples and channels before an index's own, where channels come before axes."""
        return (self.sample * self.channels + self.channel) * tf.reduce_prod(self.spatial)


def convert_indices(
    found: tf.Tensor, sizes: tf.Tensor, to: str, source: str, data_format: str
) -> tf.Tensor:
    """Computes `convert_indices` for checked arguments."""
    if found.dtype == tf.int32:
        with shapes.asserted(_checks(sizes, (source, to), data_format)):
            sizes = tf.identity(sizes)
    sizes = tf.cast(sizes, found.dtype)
    channels_axis = -1 if data_format == "channels_last" else 1
    spatial = sizes[1:-1] if channels_axis == -1 else sizes[2:]
    sample, channel = (_positions(found, axis) for axis in (0, channels_axis))
    volumes = Volumes(spatial, sizes[channels_axis], sample, channel)
    return tf.where(found < 0, found, _to(to, _from(source, found, volumes), volumes))


def _from(convention: str, index: tf.Tensor, volumes: Volumes) -> tf.Tensor:
    """Returns indices in this package's convention, which is PyTorch's."""
    if convention in ("tensorflow", "tensorflow_batch"):
        index = index // volumes.channels
        return index - volumes.before_sample if convention == "tensorflow_batch" else index
    if convention == "onnx":
        return index - volumes.before_plane
    if convention == "onnx_column_major":
        return _transposed(index, tf.reverse(volumes.spatial, [0]))
    return index


def _to(convention: str, index: tf.Tensor, volumes: Volumes) -> tf.Tensor:
    """Returns indices of this package's convention in another one."""
    if convention in ("tensorflow", "tensorflow_batch"):
        if convention == "tensorflow_batch":
            index = volumes.before_sample + index
        return index * volumes.channels + volumes.channel
    if convention == "onnx":
        return volumes.before_plane + index
    if convention == "onnx_column_major":
        return volumes.before_plane + _transposed(index, volumes.spatial)
    return index


def _checks(
    sizes: tf.Tensor, conventions: Sequence[str], data_format: str
) -> list[tuple[tf.Tensor, list[tf.Tensor]]]:
    """Checks that 32 bits count the elements: known sizes now, and others when a graph runs."""
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
            arguments.counted_in_32_bits(of, "indices", fix)
    return checks


def _positions(indices: tf.Tensor, axis: int) -> tf.Tensor:
    """Returns the positions along one axis, shaped to broadcast against `indices`."""
    shape = [1] * indices.shape.rank
    shape[axis] = -1
    return tf.reshape(tf.range(tf.shape(indices)[axis], dtype=indices.dtype), shape)


def _transposed(index: tf.Tensor, sizes: tf.Tensor) -> tf.Tensor:
    """Returns flat indices in a row-major volume of `sizes` as those in the volume with the axes in reverse order.

    Whole volumes before it fall away.
    """
    result, factor = tf.zeros_like(index), tf.reduce_prod(sizes)
    rest = index
    for size in reversed(tf.unstack(sizes)):
        factor //= size
        result += rest % size * factor
        rest //= size
    return result
