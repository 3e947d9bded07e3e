"""Reads and writes the elements of volumes at flat indices, with channels first."""

from collections.abc import Sequence
from math import prod

import torch

UNSIGNED = torch.uint16, torch.uint32, torch.uint64


def gather(x: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    """Returns the elements of `x` (batch, channels, *spatial) at flat indices (batch, channels, *any)."""
    found = _wide(x).flatten(2).gather(2, indices.flatten(2))
    return found.reshape(indices.shape).to(x.dtype)


def scatter(values: torch.Tensor, indices: torch.Tensor, spatial: Sequence[int]) -> torch.Tensor:
    """Returns zeros (batch, channels, *spatial) to which values are added at indices; those outside are dropped."""
    volume = prod(spatial)
    flat, at = _wide(values).flatten(2), indices.flatten(2).to(torch.int64)
    # One more element takes what is dropped.
    at = torch.where((at < 0) | (at >= volume), volume, at)
    written = flat.new_zeros(*flat.shape[:2], volume + 1).scatter_add(2, at, flat)
    return written[..., :volume].reshape(*flat.shape[:2], *spatial).to(values.dtype)


def _wide(x: torch.Tensor) -> torch.Tensor:
    """Returns 16-bit floats in 32 bits, so that sums of them, here or in the gradient, are rounded once.

    Unsigned integers, for which PyTorch has no sums, come with the same bits.
    """
    if x.dtype in (torch.float16, torch.bfloat16):
        return x.to(torch.float32)
    return x.to(torch.int64) if x.dtype in UNSIGNED else x
