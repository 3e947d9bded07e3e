"""Moves the channels of a tensor, counts its elements, and makes empty ones."""

from collections.abc import Sequence
from math import prod
from typing import Any

import jax
import jax.numpy as jnp

from keras_maxpool.geometry.layout import spatial_sizes, with_spatial_sizes


def channels_last(x: jax.Array, data_format: str) -> jax.Array:
    """Returns `x`, in `data_format`, with channels last."""
    return x if data_format == "channels_last" else jnp.moveaxis(x, 1, -1)


def restored(x: jax.Array, data_format: str) -> jax.Array:
    """Returns `x`, with channels last, in `data_format`."""
    return x if data_format == "channels_last" else jnp.moveaxis(x, -1, 1)


def flat_indices(shape: Sequence[Any], data_format: str, dtype: str) -> jax.Array:
    """Returns the flat index of every element, with size 1 on the axes of the batch and the channels."""
    sizes = spatial_sizes(shape, data_format)
    along = with_spatial_sizes((1,) * len(shape), data_format, sizes)
    return jnp.arange(prod(sizes), dtype=dtype).reshape(along)


def zeros(x: jax.Array, shape: Sequence[Any], indices: str | None) -> Any:
    """Returns zeros of the dtype of `x`, and a second tensor of the dtype `indices`, if one is given."""
    y = jnp.zeros(shape, x.dtype)
    return y if indices is None else (y, jnp.zeros(shape, indices))
