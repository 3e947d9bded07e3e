"""Flat indices of maxima in the conventions of other libraries, on JAX."""

from collections.abc import Sequence
from math import prod
from typing import Any

import jax
import jax.numpy as jnp

from keras_maxpool.geometry.checks import int32_limit
from keras_maxpool.geometry.layout import spatial_sizes


def convert_indices(
    indices: jax.Array, sizes: Any, to: str, source: str, data_format: str
) -> jax.Array:
    """Computes `convert_indices` for checked arguments."""
    sizes = [int(size) for size in sizes]
    channels_axis = indices.ndim - 1 if data_format == "channels_last" else 1
    channels, spatial = sizes[channels_axis], spatial_sizes(sizes, data_format)
    if indices.dtype == jnp.int32:
        counted = {"torch": spatial, "tensorflow": sizes[1:]}
        for convention in (source, to):
            fix = f'"{convention}" needs indices in 64 bits, which JAX has with JAX_ENABLE_X64=1.'
            int32_limit(counted.get(convention, sizes), fix)
    sample, channel = (_positions(indices, axis) for axis in (0, channels_axis))
    # The elements before an index's own volume, which some conventions count too.
    plane = (sample * channels + channel) * prod(spatial)
    before = {
        "tensorflow_batch": sample * prod(spatial),
        "onnx": plane,
        "onnx_column_major": plane,
    }
    index = indices // channels if source.startswith("tensorflow") else indices
    index = index - before.get(source, 0)
    if source == "onnx_column_major":
        index = _transposed(index, spatial[::-1])
    if to == "onnx_column_major":
        index = _transposed(index, spatial)
    index = index + before.get(to, 0)
    if to.startswith("tensorflow"):
        index = index * channels + channel
    return jnp.where(indices < 0, indices, index)


def _positions(indices: jax.Array, axis: int) -> jax.Array:
    """Returns the positions along one axis, shaped to broadcast against `indices`."""
    shape = [-1 if other == axis else 1 for other in range(indices.ndim)]
    return jnp.arange(indices.shape[axis], dtype=indices.dtype).reshape(shape)


def _transposed(index: jax.Array, sizes: Sequence[int]) -> jax.Array:
    """Returns flat indices in a row-major volume of `sizes` as those in the volume with the axes in reverse order."""
    result, factor, rest = jnp.zeros_like(index), prod(sizes), index
    for size in reversed(sizes):
        factor //= size
        result += rest % size * factor
        rest //= size
    return result
