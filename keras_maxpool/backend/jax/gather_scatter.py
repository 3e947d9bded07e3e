"""Reads and writes the elements of volumes at flat indices, with channels last."""

from collections.abc import Sequence
from math import prod

import jax
import jax.numpy as jnp


def gather(x: jax.Array, indices: jax.Array) -> jax.Array:
    """Returns the elements of `x` (batch, *spatial, channels) at flat indices (batch, *any, channels)."""
    batch, *spatial, channels = x.shape
    flat = jnp.reshape(_wide(x), (batch, prod(spatial), channels))
    at = jnp.reshape(indices, (batch, prod(indices.shape[1:-1]), channels))
    found = jnp.take_along_axis(flat, at, 1, mode="promise_in_bounds")
    return jnp.reshape(found, indices.shape).astype(x.dtype)


def scatter(values: jax.Array, indices: jax.Array, spatial: Sequence[int]) -> jax.Array:
    """Returns zeros (batch, *spatial, channels) to which values are added at indices; those outside are dropped."""
    batch, channels, volume = values.shape[0], values.shape[-1], prod(spatial)
    count = prod(values.shape[1:-1])
    flat, at = (jnp.reshape(x, (batch, count, channels)) for x in (_wide(values), indices))
    # JAX counts negative indices from the end.
    at = jnp.where(at < 0, volume, at)
    sample, channel = jnp.arange(batch)[:, None, None], jnp.arange(channels)
    zeros = jnp.zeros((batch, volume, channels), flat.dtype)
    written = zeros.at[sample, at, channel].add(flat, mode="drop")
    return jnp.reshape(written, (batch, *spatial, channels)).astype(values.dtype)


def _wide(x: jax.Array) -> jax.Array:
    """Returns 16-bit floats in 32 bits, so that sums of them, here or in the gradient, are rounded once."""
    narrow = jnp.issubdtype(x.dtype, jnp.floating) and x.dtype.itemsize < 4
    return x.astype(jnp.float32) if narrow else x
