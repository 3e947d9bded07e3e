"""Masks (batch, *spatial): hidden elements never win, and windows without visible ones return 0."""

from typing import Any

import torch

from keras_maxpool.backend.torch import inputs, native
from keras_maxpool.geometry import checks
from keras_maxpool.geometry.layout import spatial_sizes
from keras_maxpool.geometry.window import Window


def where_mask_fits(mask: Any, x: torch.Tensor, data_format: str) -> Any:
    """Returns `mask`, but True everywhere if its sizes are not those of `x`."""
    shape: Any = checks.mask_shape(tuple(x.shape), data_format)
    if mask.ndim == 1 or tuple(mask.shape[1:]) == shape[1:]:
        return mask
    return torch.ones(shape, dtype=torch.bool, device=x.device)


def of_elements(mask: Any, x: torch.Tensor, data_format: str) -> torch.Tensor:
    """Returns a mask of `x`, (batch,) or (batch, *spatial), as booleans (batch, 1, *spatial)."""
    sizes = spatial_sizes(tuple(x.shape), data_format)
    if mask.ndim == 1:
        mask = mask.reshape(-1, *(1 for _ in sizes)).expand(len(x), *sizes)
    return mask.unsqueeze(1)


def pool_mask(mask: Any, window: Window) -> torch.Tensor:
    """Returns the outgoing mask: whether `mask` is True for any element of a window."""
    # Some masks in Keras are numbers.
    visible = inputs.convert_to_tensor(mask, "mask").bool()
    batch, *sizes = checks.known_sizes(visible.shape)
    shape = (batch, *window.output_sizes(sizes))
    if 0 in shape:
        return visible.new_zeros(shape)
    return native.pool(visible.float().unsqueeze(1), window).squeeze(1) > 0
