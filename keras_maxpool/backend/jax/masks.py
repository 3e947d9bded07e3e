"""Masks (batch, *spatial): hidden elements never win, and windows without visible ones return 0."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from keras_maxpool.geometry import checks
from keras_maxpool.geometry.layout import spatial_sizes


def lowest(dtype: Any) -> float | int:
    """Returns the value that never wins a maximum: -inf, or an integer type's smallest value."""
    return -math.inf if jnp.issubdtype(dtype, jnp.floating) else int(jnp.iinfo(dtype).min)


def where_mask_fits(mask: Any, x: jax.Array, data_format: str) -> Any:
    """Returns `mask`, but True everywhere if its sizes are not those of `x`."""
    shape = checks.mask_shape(x.shape, data_format)
    if mask.ndim == 1 or tuple(mask.shape[1:]) == shape[1:]:
        return mask
    return jnp.ones(shape, bool)


def of_elements(mask: jax.Array, x: jax.Array, data_format: str) -> jax.Array:
    """Returns `mask`, broadcast from (batch,) to the (batch, *spatial) of `x` if needed."""
    sizes = spatial_sizes(x.shape, data_format)
    if mask.ndim > 1:
        # In an export the sizes of an input for masks have symbols of their own.
        behind = [(0, n - m, 0) for n, m in zip((x.shape[0], *sizes), mask.shape, strict=True)]
        return lax.pad(mask, False, behind) if any(n for _, n, _ in behind) else mask
    return jnp.broadcast_to(jnp.reshape(mask, (-1, *(1 for _ in sizes))), (x.shape[0], *sizes))


def over_channels(mask: jax.Array, data_format: str) -> jax.Array:
    """Returns a mask (batch, *spatial) with an axis of size 1 for the channels."""
    return jnp.expand_dims(mask, -1 if data_format == "channels_last" else 1)
