"""`adaptive_max_pool` on JAX: computes the regions of each axis from its size and its number of outputs."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from keras_maxpool.backend.jax import regions
from keras_maxpool.geometry.layout import spatial_sizes


def adaptive_max_pool(
    x: jax.Array, outputs: Sequence[int | None], data_format: str, return_indices: bool
) -> Any:
    """Computes `adaptive_max_pool` for checked arguments."""
    return _adaptive_max_pool(x, tuple(outputs), data_format, return_indices)


@partial(jax.jit, static_argnames=("outputs", "data_format", "return_indices"), inline=True)
def _adaptive_max_pool(
    x: jax.Array, outputs: tuple[int | None, ...], data_format: str, return_indices: bool
) -> Any:
    axes = [
        _regions(size, output)
        for size, output in zip(spatial_sizes(x.shape, data_format), outputs, strict=True)
    ]
    return regions.pool(x, axes, data_format, return_indices)


def _regions(size: Any, outputs: int | None) -> regions.Elements | None:
    """Returns the regions: i starts at floor(i * size / outputs) and ends before ceil((i + 1) * size / outputs)."""
    if outputs is None or size == outputs:
        return None
    known = isinstance(size, int)
    i = np.arange(outputs) if known else jnp.arange(outputs)

    def floor(i: Any) -> Any:
        # Its products fit in 32 bits, where JAX has no others.
        return i * (size // outputs) + i * (size % outputs) // outputs

    starts, ends = floor(i), -floor(-i - 1)
    # The longest region has this many elements, or one less.
    longest = int(np.max(ends - starts)) if known else size // outputs + 2
    return regions.between(starts, ends, longest)
