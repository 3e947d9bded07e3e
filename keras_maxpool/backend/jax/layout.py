"""Moves the channels of a tensor, and makes empty ones."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from keras_maxpool.geometry.layout import spatial_sizes


def channels_last(x: jax.Array, data_format: str) -> jax.Array:
    """Returns `x`, in `data_format`, with channels last."""
    return x if data_format == "channels_last" else jnp.moveaxis(x, 1, -1)


def restored(x: jax.Array, data_format: str) -> jax.Array:
    """Returns `x`, with channels last, in `data_format`."""
    return x if data_format == "channels_last" else jnp.moveaxis(x, -1, 1)


def known_sizes(shape: Sequence[Any], data_format: str) -> tuple[int, ...]:
    """Returns the spatial sizes of a shape; raises where an export has symbols for them."""
    sizes = spatial_sizes(shape, data_format)
    if not all(isinstance(size, int) for size in sizes):
        raise ValueError(
            f"On JAX, spatial sizes must be known, in an export, too; received a tensor of shape {tuple(shape)}. "
            "Pass the sizes to keras.Input, or load the model with KERAS_BACKEND=tensorflow and export it there."
        )
    return tuple(sizes)


def zeros(x: jax.Array, shape: Sequence[Any], indices: str | None) -> Any:
    """Returns zeros of the dtype of `x`, and a second tensor of the dtype `indices`, if one is given."""
    y = jnp.zeros(shape, x.dtype)
    return y if indices is None else (y, jnp.zeros(shape, indices))
