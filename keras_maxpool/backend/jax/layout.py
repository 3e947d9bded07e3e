"""Moves the channels of a tensor."""

import jax
import jax.numpy as jnp


def channels_last(x: jax.Array, data_format: str) -> jax.Array:
    """Returns `x`, in `data_format`, with channels last."""
    return x if data_format == "channels_last" else jnp.moveaxis(x, 1, -1)


def restored(x: jax.Array, data_format: str) -> jax.Array:
    """Returns `x`, with channels last, in `data_format`."""
    return x if data_format == "channels_last" else jnp.moveaxis(x, -1, 1)
