"""`adaptive_max_pool` on JAX: computes the regions of each axis from its size and its number of outputs."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from keras_maxpool.backend.jax import layout, regions
from keras_maxpool.backend.jax.inputs import index_dtype
from keras_maxpool.geometry import output_shapes


def adaptive_max_pool(
    x: jax.Array, outputs: Sequence[int | None], data_format: str, return_indices: bool
) -> Any:
    """Computes `adaptive_max_pool` for checked arguments."""
    return _adaptive_max_pool(x, tuple(outputs), data_format, return_indices)


@partial(jax.jit, static_argnames=("outputs", "data_format", "return_indices"), inline=True)
def _adaptive_max_pool(
    x: jax.Array, outputs: tuple[int | None, ...], data_format: str, return_indices: bool
) -> Any:
    sizes = layout.known_sizes(x.shape, data_format)
    shape = output_shapes.adaptive_max_pooled(x.shape, outputs, data_format)
    if 0 in shape:
        return layout.zeros(x, shape, index_dtype("int64") if return_indices else None)
    axes = [_regions(size, output) for size, output in zip(sizes, outputs, strict=True)]
    return regions.pool(x, axes, data_format, return_indices)


def _regions(size: int, outputs: int | None) -> regions.Elements | None:
    """Returns the regions: i starts at floor(i * size / outputs) and ends before ceil((i + 1) * size / outputs)."""
    if outputs is None or size == outputs:
        return None
    i = np.arange(outputs)
    starts, ends = i * size // outputs, -(-(i + 1) * size // outputs)
    return regions.between(starts, ends, int(np.max(ends - starts)))
