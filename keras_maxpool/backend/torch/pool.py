"""`max_pool` on PyTorch: its own pooling, or comparisons where that treats NaN, masks or padding in another way."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import torch

from keras_maxpool.backend.torch import first_maxima, layout, masks, native
from keras_maxpool.backend.torch.integers import as_signed, from_signed, lowest
from keras_maxpool.geometry import output_shapes
from keras_maxpool.geometry.window import Window

Function = TypeVar("Function", bound=Callable[..., Any])


def max_pool(
    x: torch.Tensor,
    window: Window,
    data_format: str,
    nonfinite: str,
    implementation: str,
    mask: Any = None,
    indices: str | None = None,
) -> Any:
    """Computes `max_pool` for checked arguments; `indices` is their dtype, if they are wanted."""
    visible = None if mask is None else masks.of_elements(mask, x, data_format)
    shape = output_shapes.max_pooled(tuple(x.shape), window, data_format)
    if 0 in shape:
        return layout.empty_result(x, shape, indices)
    first = layout.channels_first(as_signed(x), data_format)
    sizes = first.shape[2:]
    axes = zip(window.axes, sizes, strict=True)
    if visible is not None or any(axis.has_window_of_padding(size) for axis, size in axes):
        y, at = _compared(first, window, visible)
    elif nonfinite == "ieee" and x.is_floating_point():
        pool = partial(native.pool_with_indices, window=window)
        y, at = first_maxima.pool_twice(first, pool)
    elif indices is None:
        return layout.restored(from_signed(native.pool(first, window), x.dtype), data_format)
    else:
        y, at = native.pool_with_indices(first, window)
    y = layout.restored(from_signed(y, x.dtype), data_format)
    if indices is None:
        return y
    return y, layout.restored(at, data_format).to(getattr(torch, indices))


def _compared(
    x: torch.Tensor, window: Window, visible: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    axes = [*zip(window.axes, x.shape[2:], strict=True)]
    views = []
    for axis, size in axes:
        end = (axis.output_size(size) - 1) * axis.stride + 1
        starts = range(0, axis.length, axis.dilation)
        views.append([slice(start, start + end, axis.stride) for start in starts])
    pads = [axis.pads(size) for axis, size in axes]
    y, at = first_maxima.pool_views(x, views, pads, visible)
    return torch.where(at < 0, lowest(x.dtype) if visible is None else 0, y), at


def check_implementation(implementation: str, window: Window, dtype: Any = None) -> None:
    """Accepts every implementation, as PyTorch has one for all of their names."""


def do_not_convert(function: Function) -> Function:
    """Returns the function: PyTorch runs Python as it is."""
    return function
