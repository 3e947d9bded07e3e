"""Flat indices of maxima in the conventions of other libraries, on JAX."""

from typing import Any

import jax
import jax.numpy as jnp

from keras_maxpool.geometry.checks import int32_limit, known_sizes
from keras_maxpool.geometry.index_conventions import converted
from keras_maxpool.geometry.layout import spatial_sizes


def convert_indices(
    indices: jax.Array, sizes: Any, to: str, source: str, data_format: str
) -> jax.Array:
    """Computes `convert_indices` for checked arguments."""
    # An export may have symbols for some.
    sizes = [size if jax.export.is_symbolic_dim(size) else int(size) for size in sizes]
    channels_axis = indices.ndim - 1 if data_format == "channels_last" else 1
    channels, spatial = sizes[channels_axis], spatial_sizes(sizes, data_format)
    if indices.dtype == jnp.int32:
        counted = {"torch": spatial, "tensorflow": sizes[1:]}
        for convention in (source, to):
            fix = f'"{convention}" needs indices in 64 bits, which JAX has with JAX_ENABLE_X64=1.'
            int32_limit(known_sizes(counted.get(convention, sizes)), fix)
    sample, channel = (_positions(indices, axis) for axis in (0, channels_axis))
    index = converted(indices, sample, channel, channels, spatial, to, source)
    return jnp.where(indices < 0, indices, index)


def _positions(indices: jax.Array, axis: int) -> jax.Array:
    """Returns the positions along one axis, shaped to broadcast against `indices`."""
    shape = [size if other == axis else 1 for other, size in enumerate(indices.shape)]
    return jnp.arange(indices.shape[axis], dtype=indices.dtype).reshape(shape)
