"""Moves the channels of a tensor first and back, without a copy, and makes empty results."""

from collections.abc import Sequence
from typing import Any

import torch


def channels_first(x: torch.Tensor, data_format: str) -> torch.Tensor:
    """Returns a view of `x`, in `data_format`, with channels first.

    PyTorch pools it in the order in which it lies in memory, and returns a result in the same order.
    """
    return x if data_format == "channels_first" else x.movedim(x.ndim - 1, 1)


def restored(x: torch.Tensor, data_format: str) -> torch.Tensor:
    """Returns a view of `x`, with channels first, in `data_format`."""
    return x if data_format == "channels_first" else x.movedim(1, x.ndim - 1)


def without_elements(
    x: torch.Tensor, shape: Sequence[Any], indices: str | None, value: float | int = 0
) -> Any:
    """Returns a result of `shape` where nothing is pooled: `value`, and indices of -1 of a dtype, if one is given.

    It depends on `x`, whose gradient is zeros.
    """
    y = x.sum() + value if x.is_floating_point() else x.new_full([], value)
    y = y.expand(shape)
    return y if indices is None else (y, x.new_full(shape, -1, dtype=getattr(torch, indices)))
