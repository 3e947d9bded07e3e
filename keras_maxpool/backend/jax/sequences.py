"""Computes pooling sequences from random bits: the starts of a fractional pooling's regions, and the last one's end.

Graham, "Fractional Max-Pooling" (2014, arXiv:1412.6071), section 2, counted from 0, with the bits that TensorFlow draws
from the same seed: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
"""

import jax
import jax.numpy as jnp
import numpy as np

MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
WEYL = 0x9E3779B9, 0xBB67AE85
TENSORFLOW_KEY = 0x3EC8F720, 0x02461E29
"""The key with which TensorFlow's stateless functions scramble their seed."""


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
    lengths = size // outputs + (order < size % outputs)
    return jnp.concatenate([jnp.zeros(1, jnp.int32), jnp.cumsum(lengths).astype(jnp.int32)])


def random_bits(seed: jax.Array, count: int) -> jax.Array:
    """Draws `count` random uint32 from a seed of four, the same as `tf.random.stateless_uniform` of int32."""
    key = [jnp.uint32(k) for k in TENSORFLOW_KEY]
    mixed = _philox(list(seed), key)
    blocks = jnp.asarray(np.arange(-(-count // 4), dtype=np.uint32))  # a constant, for ONNX
    zeros = jnp.zeros_like(blocks)
    drawn = _philox([blocks, zeros, mixed[2] + zeros, mixed[3] + zeros], mixed[:2])
    return jnp.stack(drawn, 1).reshape(-1)[:count]


def _philox(counter: list[jax.Array], key: list[jax.Array]) -> list[jax.Array]:
    """Returns four random words for each counter of four, after ten rounds."""
    a, b, c, d = counter
    k, m = key
    for _ in range(10):
        (high_0, low_0), (high_1, low_1) = _product(a, MULTIPLIERS[0]), _product(c, MULTIPLIERS[1])
        a, b, c, d = high_1 ^ b ^ k, low_1, high_0 ^ d ^ m, low_0
        k, m = k + jnp.uint32(WEYL[0]), m + jnp.uint32(WEYL[1])
    return [a, b, c, d]


def _product(x: jax.Array, factor: int) -> tuple[jax.Array, jax.Array]:
    """Returns the high and low 32 bits of x * factor, without integers of 64 bits, which JAX may not have."""
    x_high, x_low = x >> 16, x & 0xFFFF
    f_high, f_low = jnp.uint32(factor >> 16), jnp.uint32(factor & 0xFFFF)
    middle = x_high * f_low + (x_low * f_low >> 16)
    cross = x_low * f_high + (middle & 0xFFFF)
    return x_high * f_high + (middle >> 16) + (cross >> 16), x * jnp.uint32(factor)
