"""Max pooling over regions that may differ in size and overlap, for adaptive and fractional pooling.

The first maximum of a region in row-major order wins. NaN wins over numbers, and the first NaN over others.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from keras_maxpool.backend.jax import layout
from keras_maxpool.backend.jax.gather_scatter import gather, not_empty
from keras_maxpool.backend.jax.inputs import index_dtype

Elements = Any
"""Integers (outputs, longest) that are indices on an axis; a region shorter than the longest repeats its last."""


def between(starts: Any, ends: Any, longest: int) -> Elements:
    """Returns the elements of regions from `starts` to before `ends`, none longer than `longest`."""
    return jnp.minimum(starts[:, None] + jnp.arange(longest)[None], ends[:, None] - 1)


def pool(
    x: jax.Array, axes: Sequence[Elements | None], data_format: str, return_indices: bool
) -> Any:
    """Returns the maxima of all regions, and, if asked for, the flat indices of the first ones.

    `axes` are the regions along each spatial axis; None leaves an axis as it is.
    """
    x = not_empty(layout.channels_last(x, data_format))
    indices = _first_maxima(jax.lax.stop_gradient(x), axes)
    values = layout.restored(gather(x, indices), data_format)
    return (values, layout.restored(indices, data_format)) if return_indices else values


def _first_maxima(x: jax.Array, axes: Sequence[Elements | None]) -> jax.Array:
    indices = layout.flat_indices(x.shape, "channels_last", index_dtype("int64"))
    indices = jnp.broadcast_to(indices, x.shape)
    # The last axis first, which is contiguous in memory: less remains for the others.
    for axis in reversed(range(1, len(axes) + 1)):
        elements = axes[axis - 1]
        if elements is None:
            continue
        x, indices = (jnp.take(t, elements, axis=axis) for t in (x, indices))
        # argmax finds the first NaN, or else the first of equals.
        first = jnp.argmax(x, axis + 1, keepdims=True)
        x, indices = (
            jnp.take_along_axis(t, first, axis + 1).squeeze(axis + 1) for t in (x, indices)
        )
    return indices
