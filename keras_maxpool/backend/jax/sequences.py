"""Computes pooling sequences from random bits: the starts of a fractional pooling's regions, and the last one's end.

Graham, "Fractional Max-Pooling" (2014, arXiv:1412.6071), section 2, counted from 0.
"""

import jax
import jax.numpy as jnp
import numpy as np

from keras_maxpool.geometry import philox


def pseudo_random(size: int, outputs: int, bits: jax.Array) -> jax.Array:
    """Returns the starts of `outputs` regions, and `size`, from the first of `bits`.

    Graham's a_i = ceil(alpha * (i + u)) for u below 1, which is drawn as a multiple of 1 / outputs.
    """
    steps = np.arange(outputs + 1) * size
    phase = bits[0].astype(jnp.int32) % outputs
    # The remainders are below `outputs`, so that 32 bits are enough.
    return (steps // outputs).astype(np.int32) + (
        (steps % outputs).astype(np.int32) + phase
    ) // outputs


def random(size: int, outputs: int, bits: jax.Array) -> jax.Array:
    """Returns the starts of `outputs` regions, and `size`, from as many `bits`: the two lengths in random order."""
    order = jnp.argsort(bits.astype(jnp.int32), stable=True).astype(jnp.int32)
    lengths = size // outputs + (order < size % outputs).astype(jnp.int32)
    return jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.cumsum(lengths).astype(jnp.int32)])


def random_bits(seed: jax.Array, count: int) -> jax.Array:
    """Draws `count` random uint32 from a seed of four, the same as `tf.random.stateless_uniform` of int32."""
    blocks = jnp.asarray(np.arange(-(-count // 4), dtype=np.uint32))  # a constant, for ONNX
    drawn = philox.random_words(list(seed), blocks, jnp.uint32)
    return jnp.stack(drawn, 1).reshape(-1)[:count]
