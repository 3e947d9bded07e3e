"""`fractional_max_pool` on JAX: computes the output sizes, and draws the regions of each axis."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from keras_maxpool import arguments
from keras_maxpool.backend.jax import regions, sequences
from keras_maxpool.compat import keras
from keras_maxpool.geometry import checks, output_shapes, philox
from keras_maxpool.geometry.layout import spatial_sizes
from keras_maxpool.geometry.window import ceil_divide


def fractional_max_pool(
    x: jax.Array,
    ratios: Sequence[float],
    pseudo_random: bool,
    overlapping: bool,
    data_format: str,
    seed: Any,
    return_indices: bool,
) -> Any:
    """Computes `fractional_max_pool` for checked arguments."""
    options = pseudo_random, overlapping, data_format, return_indices
    return _fractional_max_pool(x, _seed(seed), tuple(ratios), *options)


@partial(
    jax.jit,
    static_argnames=("ratios", "pseudo_random", "overlapping", "data_format", "return_indices"),
    inline=True,
)
def _fractional_max_pool(
    x: jax.Array,
    seed: jax.Array,
    ratios: tuple[float, ...],
    pseudo_random: bool,
    overlapping: bool,
    data_format: str,
    return_indices: bool,
) -> Any:
    sizes = spatial_sizes(x.shape, data_format)
    if None in checks.known_sizes(sizes):
        raise ValueError(
            "On JAX, fractional pooling needs spatial sizes that are known, in an export, too; received a tensor of "
            f"shape {tuple(x.shape)}. Pass the sizes to keras.Input, or load the model with KERAS_BACKEND=tensorflow "
            "and export it there."
        )
    outputs = spatial_sizes(
        output_shapes.fractional_max_pooled(x.shape, ratios, data_format), data_format
    )
    sequence = sequences.pseudo_random if pseudo_random else sequences.random
    counts = [1] * len(sizes) if pseudo_random else outputs
    bits = sequences.random_bits(seed, sum(counts))
    axes, extra, start = [], 1 if overlapping else 0, 0
    for size, output, count in zip(sizes, outputs, counts, strict=True):
        bounds = sequence(size, output, bits[start : start + count])
        ends = jnp.minimum(bounds[1:] + extra, size)
        axes.append(regions.between(bounds[:-1], ends, ceil_divide(size, output) + extra))
        start += count
    return regions.pool(x, axes, data_format, return_indices)


def _seed(seed: Any) -> jax.Array:
    """Returns the four 32-bit words of the two integers that TensorFlow's random functions start from."""
    if isinstance(seed, int):
        return jnp.array([seed & philox.MASK, seed >> 32 & philox.MASK, 0, 0], jnp.uint32)
    if seed is None:
        low, high = keras.random.randint((2,), 0, arguments.INT_LIMIT - 1)
    else:
        low, high = seed.next()
    zero = jnp.zeros([], jnp.uint32)
    return jnp.stack([low.astype(jnp.uint32), zero, high.astype(jnp.uint32), zero])
