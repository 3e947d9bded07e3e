"""The random regions of fractional max pooling along one axis.

As in Graham, "Fractional Max-Pooling" (2014, arXiv:1412.6071), section 2, counted from 0. Words of 32 random bits are
held in int64.
"""

import torch

from keras_maxpool.geometry import philox


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
    blocks = torch.arange(-(-count // 4), device=seed[0].device)
    return torch.stack(philox.random_words(seed, blocks, int), 1).reshape(-1)[:count]
