"""Integers in the types that PyTorch pools quickly, or at all."""

import torch

SMALLEST = -(2**63)


def as_signed(x: torch.Tensor) -> torch.Tensor:
    """Returns integers in int32 or int64, in the same order; floats as they are."""
    if x.is_floating_point() or x.dtype in (torch.int32, torch.int64):
        return x
    if x.dtype == torch.uint64:
        return x.view(torch.int64) ^ SMALLEST
    return x.to(torch.int64 if x.dtype == torch.uint32 else torch.int32)


def from_signed(y: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Returns what `as_signed` made of a tensor of `dtype`."""
    if y.dtype == dtype:
        return y
    return (y ^ SMALLEST).view(dtype) if dtype == torch.uint64 else y.to(dtype)


def signed_value(value: float | int, like: torch.Tensor) -> torch.Tensor:
    """Returns a value of the dtype of `like` as `as_signed` has it."""
    return as_signed(like.new_full([], value))


def lowest(dtype: torch.dtype) -> float | int:
    """Returns the value that never wins a maximum: -inf, or an integer type's smallest value."""
    return -torch.inf if dtype.is_floating_point else torch.iinfo(dtype).min
