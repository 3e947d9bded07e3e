"""The random regions of fractional max pooling along one axis.

As in Graham, "Fractional Max-Pooling" (2014, arXiv:1412.6071), section 2, counted from 0, with the bits that TensorFlow
draws from the same seed: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011). Words of
32 bits are held in int64.
"""

from typing import Any

import torch

MASK = 0xFFFFFFFF
MULTIPLIERS = 0xD2511F53, 0xCD9E8D57
WEYL = 0x9E3779B9, 0xBB67AE85
TENSORFLOW_KEY = 0x3EC8F720, 0x02461E29
"""The key with which TensorFlow's stateless functions scramble their seed."""


def pseudo_random(size: int, outputs: int, bits: torch.Tensor) -> torch.Tensor:
    """Returns the starts of `outputs` regions, and `size`, from the first of `bits`.

    Graham's a_i = ceil(alpha * (i + u)) for u below 1, which is drawn as a multiple of 1 / outputs.
    """
    steps = torch.arange(outputs + 1, device=bits.device) * size
    return (steps + _signed(bits[0]) % outputs) // outputs


def random(size: int, outputs: int, bits: torch.Tensor) -> torch.Tensor:
    """Returns the starts of `outputs` regions, and `size`, from as many `bits`: the two lengths in random order."""
    order = torch.argsort(_signed(bits), stable=True)
    lengths = size // outputs + (order < size % outputs).long()
    return torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])


def _signed(bits: torch.Tensor) -> torch.Tensor:
    """Returns words of 32 bits as int32 has them."""
    return bits - (bits >> 31 << 32)


def random_bits(seed: list[torch.Tensor], count: int) -> torch.Tensor:
    """Draws `count` random words from a seed of four, the same as `tf.random.stateless_uniform` of int32."""
    mixed = _philox(seed, [*TENSORFLOW_KEY])
    blocks = torch.arange(-(-count // 4), device=seed[0].device)
    zeros = torch.zeros_like(blocks)
    drawn = _philox([blocks, zeros, mixed[2] + zeros, mixed[3] + zeros], mixed[:2])
    return torch.stack(drawn, 1).reshape(-1)[:count]


def _philox(counter: list[torch.Tensor], key: list[Any]) -> list[torch.Tensor]:
    """Returns four random words for each counter of four, after ten rounds."""
    a, b, c, d = counter
    k, m = key
    for _ in range(10):
        (high_0, low_0), (high_1, low_1) = _product(a, MULTIPLIERS[0]), _product(c, MULTIPLIERS[1])
        a, b, c, d = high_1 ^ b ^ k, low_1, high_0 ^ d ^ m, low_0
        k, m = (k + WEYL[0]) & MASK, (m + WEYL[1]) & MASK
    return [a, b, c, d]


def _product(x: torch.Tensor, factor: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the high and low 32 bits of x * factor, in parts that fit in 63 bits."""
    middle, low = (x >> 16) * factor, (x & 0xFFFF) * factor
    total = middle + (low >> 16)
    return total >> 16, ((total & 0xFFFF) << 16) | (low & 0xFFFF)
