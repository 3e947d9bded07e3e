"""Moves the channels of a tensor first and back, without a copy, and makes empty results."""

from collections.abc import Sequence
from typing import Any

import torch


def channels_first(x: torch.Tensor, data_format: str) -> torch.Tensor:
    """Returns a view of `x`, in `data_format`, with channels first.

    PyTorch pools it in the order in which it lies in memory, and returns a result in the same order.
    """
    return x if data_format == "channels_first" else x.movedim(-1, 1)


def restored(x: torch.Tensor, data_format: str) -> torch.Tensor:
    """Returns a view of `x`, with channels first, in `data_format`."""
    return x if data_format == "channels_first" else x.movedim(1, -1)


def empty_result(x: torch.Tensor, shape: Sequence[int], indices: str | None) -> Any:
    """Returns a result of `shape`, which has a 0 in it, and a second of the dtype `indices`, if one is given.

    It depends on `x`, whose gradient is zeros.
    """
    y = (x.sum() if x.is_floating_point() else x.new_zeros([])).expand(shape)
    return y if indices is None else (y, x.new_zeros(shape, dtype=getattr(torch, indices)))
