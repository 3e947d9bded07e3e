"""`max_pool` on PyTorch: its own pooling, or comparisons where that treats NaN, masks or padding in another way."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import torch

from keras_maxpool.backend.torch import first_maxima, layout, masks, native
from keras_maxpool.backend.torch.integers import as_signed, from_signed, lowest, signed_value
from keras_maxpool.geometry import checks, output_shapes
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
    known = checks.known_sizes(x.shape)
    shape = output_shapes.max_pooled(known, window, data_format)
    # The value of a window without an element.
    none = lowest(x.dtype) if mask is None else 0
    if 0 in (*known, *shape):
        return layout.without_elements(x, shape, indices, none)
    first = layout.channels_first(as_signed(x), data_format)
    if _rounds_every_sum(x, window):
        first = first.float()
    at: Any = None
    if visible is not None or native.plan(window, first.shape[2:]).alone:
        y, at = first_maxima.pool_views(first, *_views(window, first.shape[2:]), visible)
        y = torch.where(at < 0, signed_value(none, x), y)
    elif nonfinite == "ieee" and x.is_floating_point():
        y, at = first_maxima.pool_twice(first, partial(native.pool_with_indices, window=window))
    elif indices is None:
        y = native.pool(first, window)
    else:
        y, at = native.pool_with_indices(first, window)
    y = layout.restored(from_signed(y, x.dtype), data_format)
    if indices is None:
        return y
    return y, layout.restored(at, data_format).to(getattr(torch, indices))


def _rounds_every_sum(x: torch.Tensor, window: Window) -> bool:
    """Returns whether PyTorch would sum this gradient in 16 bits, and round it with every window."""
    if x.element_size() > 2 or not x.requires_grad or x.device.type != "cpu":
        return False
    return any(axis.stride < axis.length for axis in window.axes)


def _views(window: Window, sizes: Sequence[int]) -> tuple[list[first_maxima.Views], Any]:
    """Returns the views of the padded axes, and the pads: view j holds element j of every window."""
    # Not list[...](), which PyTorch's compiler cannot trace.
    views: list[first_maxima.Views] = []
    pads = native.pads(window, sizes)
    for axis, size, (before, after) in zip(window.axes, sizes, pads, strict=True):
        windows = (before + size + after - axis.length) // axis.stride + 1
        end = (windows - 1) * axis.stride + 1
        starts = range(0, axis.length, axis.dilation)
        views.append([slice(start, start + end, axis.stride) for start in starts])
    return views, pads


def check_implementation(implementation: str, window: Window, dtype: Any = None) -> None:
    """Accepts every implementation, as PyTorch has one for all of their names."""


def do_not_convert(function: Function) -> Function:
    """Returns the function: PyTorch runs Python as it is."""
    return function
