"""`global_max_pool` on PyTorch: the maximum of each whole spatial volume, with its gradient and its index."""

from typing import Any

import torch

from keras_maxpool.backend.torch import layout, masks
from keras_maxpool.backend.torch.integers import as_signed, from_signed, lowest, signed_value
from keras_maxpool.geometry import output_shapes


def global_max_pool(
    x: torch.Tensor,
    data_format: str,
    keepdims: bool,
    mask: Any,
    return_indices: bool,
    nonfinite: str,
) -> Any:
    """Computes `global_max_pool` for checked arguments and a checked shape."""
    visible = None if mask is None else masks.of_elements(mask, x, data_format).flatten(2)
    shape: Any = output_shapes.global_max_pooled(tuple(x.shape), data_format, keepdims)
    if 0 in x.shape:
        return layout.without_elements(x, shape, "int64" if return_indices else None)
    flat = layout.channels_first(as_signed(x), data_format).flatten(2)
    if visible is None and (nonfinite == "backend" or not x.is_floating_point()):
        y = flat.amax(2, keepdim=True)
    else:
        y = _maximum(flat, visible, signed_value(0, x))
    values = from_signed(y, x.dtype).reshape(shape)
    if not return_indices:
        return values
    winners = _winners(flat.detach(), y.detach(), visible)
    first = torch.where(winners.any(2), winners.byte().argmax(2), -1)
    return values, first.reshape(shape)


def _maximum(x: torch.Tensor, visible: torch.Tensor | None, none: torch.Tensor) -> torch.Tensor:
    """Returns the maxima of the visible elements, or `none`; ties share the gradient evenly, those of NaN too."""
    fixed = x.detach()
    y = fixed if visible is None else torch.where(visible, fixed, lowest(x.dtype))
    y = y.amax(2, keepdim=True)
    if visible is not None:
        y = torch.where(visible.any(2, keepdim=True), y, none)
    if not x.is_floating_point():
        return y
    # `y` has the exact values, and the winners' sum the gradients, of every order. Halves do not overflow.
    winners = _winners(fixed, y, visible)
    number = 2 * winners.sum(2, keepdim=True).clamp(min=1)
    half = torch.where(winners, x / number, 0).sum(2, keepdim=True)
    return torch.where(y.isfinite(), y + 2 * (half - half.detach()), 2 * half)


def _winners(x: torch.Tensor, y: torch.Tensor, visible: torch.Tensor | None) -> torch.Tensor:
    """Returns which elements equal the maximum, where NaN equals NaN."""
    winners = (x == y) | ((x != x) & (y != y))
    return winners if visible is None else winners & visible
