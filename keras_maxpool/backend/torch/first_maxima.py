"""First maxima where PyTorch's own pooling has no answer, or another one: found by comparisons, or by a second pooling.

The first maximum in row-major order wins. NaN wins over numbers, and the first NaN over others. Gradients of every
order are those of the elements at the flat indices. All tensors have channels first.
"""

from collections.abc import Callable, Sequence
from math import prod

import torch
import torch.nn.functional as F  # noqa: N812

from keras_maxpool.backend.torch.gather_scatter import gather

Pair = tuple[torch.Tensor, torch.Tensor]
Views = Sequence[slice | torch.Tensor]
"""What selects views along an axis: slices, or vectors of indices, each of one element of every window or region."""


def pool_twice(x: torch.Tensor, pool_with_indices: Callable[[torch.Tensor], Pair]) -> Pair:
    """Returns the maxima and their indices; a second pooling finds the first NaN, where PyTorch has the last."""
    fixed = x.detach()
    y, indices = pool_with_indices(fixed)
    _, of_nan = pool_with_indices(fixed.isnan().to(x.dtype))
    indices = torch.where(y.isnan(), of_nan, indices)
    return gather(x, indices), indices


def pool_views(
    x: torch.Tensor,
    views: Sequence[Views | None],
    pads: Sequence[tuple[int, int]] = (),
    visible: torch.Tensor | None = None,
) -> Pair:
    """Returns the maxima of windows or regions and their indices, by comparing views.

    Args:
        x: a tensor (batch, channels, *spatial).
        views: those of each spatial axis, of the padded tensor; None leaves an axis as it is.
        pads: the padding of each spatial axis, before and after.
        visible: a boolean tensor (batch, 1, *spatial), or None.

    Returns:
        The elements of `x` at the indices, and the indices. A window without a visible element has the index -1, and
        any element.
    """
    indices = _indices(x.detach(), views, pads, visible)
    return gather(x, indices.clamp(min=0)), indices


def _indices(
    x: torch.Tensor,
    views: Sequence[Views | None],
    pads: Sequence[tuple[int, int]],
    visible: torch.Tensor | None,
) -> torch.Tensor:
    at = torch.arange(prod(x.shape[2:]), device=x.device).reshape(1, 1, *x.shape[2:])
    if visible is not None:
        at = torch.where(visible, at, -1)
    if any(map(any, pads)):
        around = [n for pair in reversed(pads) for n in pair]
        x, at = F.pad(x, around), F.pad(at, around, value=-1)
    at = at.expand(x.shape)
    # The last axis first, so that the first of equals in row-major order wins.
    for axis in reversed(range(len(views))):
        selected = views[axis]
        if selected is None:
            continue
        whole = (slice(None),) * (2 + axis)
        first, index = x[(*whole, selected[0])], at[(*whole, selected[0])]
        for selector in selected[1:]:
            view, view_at = x[(*whole, selector)], at[(*whole, selector)]
            larger = ~(view <= first) & (first == first)
            wins = (view_at >= 0) & (larger | (index < 0))
            first, index = torch.where(wins, view, first), torch.where(wins, view_at, index)
        x, at = first, index
    return at
