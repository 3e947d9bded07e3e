"""Pools tensors with channels first by PyTorch's own operations, padded before where these cannot pad."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from keras_maxpool.backend.torch.integers import lowest
from keras_maxpool.geometry.window import Axis, Window, ceil_divide

FEW, FEW_IN_1D = 4, 16
"""PyTorch pools fewer channels than these faster in a copy with channels first: 8x11x11x11x3 7/1 takes 0.67 ms, not
1.42, and 8x21987x1 3/1 takes 0.11 ms, not 3.6."""


@dataclass(frozen=True)
class Padding:
    """The padding that PyTorch's operation adds, with its ceil mode; or `around`, by which the input is padded before.

    A negative number cuts off what no window reads.
    """

    own: tuple[int, ...]
    ceil_mode: bool
    around: tuple[tuple[Any, Any], ...] | None
    alone: bool
    """Whether some window has nothing but padding, of which PyTorch returns the index of some element."""


def plan(window: Window, sizes: Sequence[Any]) -> Padding:
    """Returns how to pad spatial axes of these sizes, without a copy of the input if PyTorch has the same windows."""
    if any(isinstance(size, torch.Tensor) for size in sizes):
        return _plan_of_trace(window, sizes)
    # The symbolic sizes of torch.export have no hash.
    known = all(isinstance(size, int) for size in sizes)
    return (_plan if known else _plan.__wrapped__)(window, tuple(sizes))


def _plan_of_trace(window: Window, sizes: Sequence[Any]) -> Padding:
    """Returns how to pad axes of any size: the exporters of ONNX and OpenVINO trace for one, which is a tensor."""
    around = pads(window, sizes)
    axes = [*zip(window.axes, sizes, strict=True)]
    alone = any(axis.has_window_of_padding(int(size)) for axis, size in axes)
    own = tuple(before for before, _ in around)
    fixed = all(isinstance(pad, int) for pair in around for pad in pair)
    if fixed and all(
        before == after and 2 * before <= axis.pool
        for axis, (before, after) in zip(window.axes, around, strict=True)
    ):
        return Padding(own, False, None, alone)
    return Padding((0,) * window.rank, False, around, alone)


def pads(window: Window, sizes: Sequence[Any]) -> tuple[tuple[Any, Any], ...]:
    """Returns the padding of each axis with which a "valid" pooling has the same windows; for any size in a trace."""
    result = []
    for axis, size in zip(window.axes, sizes, strict=True):
        if isinstance(size, torch.Tensor):
            before, after = axis.explicit_pads or axis.pads(size, _maximum)
            # Keras traces 1 for an unknown size, on which not every window fits.
            if axis.output_size(int(size)) < 1:
                after = after + _maximum(axis.length - before - after - size, 0)
        else:
            before, after = axis.pads(size)
        result.append((before, after))
    return tuple(result)


def _maximum(a: torch.Tensor, b: int) -> torch.Tensor:
    return a.clamp(min=b)


@lru_cache(maxsize=1024)
def _plan(window: Window, sizes: tuple[int, ...]) -> Padding:
    axes = [*zip(window.axes, sizes, strict=True)]
    alone = any(axis.has_window_of_padding(size) for axis, size in axes)
    # What explicit padding adds at the end would be another guard on the symbolic sizes of an export.
    before = tuple(
        axis.padding[0] if isinstance(axis.padding, tuple) else axis.pads(size)[0]
        for axis, size in axes
    )
    if all(2 * pad <= axis.pool for axis, pad in zip(window.axes, before, strict=True)):
        for ceil_mode in (False, True):
            if all(
                _outputs(axis, size, pad, ceil_mode) == axis.output_size(size)
                for (axis, size), pad in zip(axes, before, strict=True)
            ):
                return Padding(before, ceil_mode, None, alone)
    after = (
        (axis.output_size(size) - 1) * axis.stride + axis.length - size - pad
        for (axis, size), pad in zip(axes, before, strict=True)
    )
    return Padding((0,) * window.rank, False, tuple(zip(before, after, strict=True)), alone)


def _outputs(axis: Axis, size: int, pad: int, ceil_mode: bool) -> int:
    """Returns how many windows PyTorch has with `pad` elements of padding on both sides."""
    room = size + 2 * pad - axis.length
    if not ceil_mode:
        return room // axis.stride + 1
    outputs: int = ceil_divide(room, axis.stride) + 1
    return outputs - (1 if (outputs - 1) * axis.stride >= size + pad else 0)


def pool(x: torch.Tensor, window: Window) -> torch.Tensor:
    """Returns the maximum of each window."""
    y: torch.Tensor = _pool(x, window, plan(window, x.shape[2:]), False)
    return y


def pool_with_indices(x: torch.Tensor, window: Window) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the maximum of each window, and the flat index of the first one in the unpadded volume."""
    sizes = tuple(x.shape[2:])
    padding = plan(window, sizes)
    if window.rank == 3:
        # With channels last, PyTorch 2.13 has wrong indices for windows of -inf, or of the smallest integer.
        x = _in_order(x)
    y, indices = _pool(x, window, padding, True)
    if padding.around is not None:
        indices = _in_unpadded(indices, window, sizes, padding.around)
    return y, indices


def _pool(x: torch.Tensor, window: Window, padding: Padding, return_indices: bool) -> Any:
    if padding.around is not None:
        pads = [pad for pair in reversed(padding.around) for pad in pair]
        x = F.pad(x, pads, value=lowest(x.dtype))
    options: dict[str, Any] = {"ceil_mode": padding.ceil_mode, "return_indices": return_indices}
    numbers = window.pool, window.strides, padding.own, window.dilation
    function: Any = F.max_pool3d if window.rank == 3 else F.max_pool2d
    if window.rank > 1:
        return function(_in_order(x) if x.shape[1] < FEW else x, *numbers, **options)
    in_order = x.shape[1] < FEW_IN_1D or x.stride(2) == 1
    if in_order and x.is_floating_point() and not return_indices:
        return F.max_pool1d(_in_order(x) if x.shape[1] == 1 else x, *numbers, **options)
    # PyTorch's own 1D pooling copies an input with channels last, and takes no integers.
    as_2d = ((lead, *own) for lead, own in zip((1, 1, 0, 1), numbers, strict=True))
    result = function(x.unsqueeze(2), *as_2d, **options)
    return tuple(t.squeeze(2) for t in result) if return_indices else result.squeeze(2)


def _in_order(x: torch.Tensor) -> torch.Tensor:
    """Returns `x` with channels first in memory.

    `contiguous` leaves the strides of one channel as they are, by which PyTorch chooses its kernel: on two cores it
    pooled 128x28x28x1 2/2 at 0.6 of this speed.
    """
    return x.flatten().view(x.shape)


def _in_unpadded(
    indices: torch.Tensor,
    window: Window,
    sizes: Sequence[int],
    around: Sequence[tuple[int, int]],
) -> torch.Tensor:
    """Returns flat indices in the padded volume as those in the unpadded one.

    Padding has the maximum only where it is first and nothing in the window is larger; the first real element of such a
    window has the same value.
    """
    flat, factor, rest = torch.zeros_like(indices), 1, indices
    for axis, size, (before, after) in reversed([*zip(window.axes, sizes, around, strict=True)]):
        padded = before + size + after
        position = rest % padded - before
        rest = rest // padded
        steps = torch.div(position.clamp(max=0), axis.dilation, rounding_mode="floor")
        flat = flat + (position - steps * axis.dilation) * factor
        factor *= size
    return flat
