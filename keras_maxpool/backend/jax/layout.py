"""Moves the channels of a tensor, and makes empty ones."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp


def channels_last(x: jax.Array, data_format: str) -> jax.Array:
    """Returns `x`, in `data_format`, with channels last."""
    return x if data_format == "channels_last" else jnp.moveaxis(x, 1, -1)


def restored(x: jax.Array, data_format: str) -> jax.Array:
    """Returns `x`, with channels last, in `data_format`."""
    return x if data_format == "channels_last" else jnp.moveaxis(x, -1, 1)


def zeros(x: jax.Array, shape: Sequence[Any], indices: str | None) -> Any:
    """Returns zeros of the dtype of `x`, and a second tensor of the dtype `indices`, if one is given."""
    y = jnp.zeros(shape, x.dtype)
    return y if indices is None else (y, jnp.zeros(shape, indices))
