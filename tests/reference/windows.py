"""Pooling over windows: their geometry, the maxima, and where each was found."""

import math
from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from reference.layouts import channels_first, channels_last

Pair = tuple[int, int]


class Geometry(NamedTuple):
    """One axis: how many windows, and how much padding before and after the data."""

    output_size: int
    before: int
    after: int


class Pooled(NamedTuple):
    """What pooling gives: the maxima and where each one was found (int64, -1 for nowhere)."""

    values: np.ndarray
    indices: np.ndarray


def geometry(
    size: int,
    pool: int,
    stride: int,
    padding: str | Pair,
    dilation: int = 1,
    ceil_mode: bool = False,
) -> Geometry:
    """The windows of one axis.

    `padding` is "valid", "same", "same_lower", "causal" or a pair (before, after). `after` is the
    padding asked for: it does not count how far `ceil_mode` lets the last window hang over.

    "same"        TensorFlow, tf.nn notes on padding: ceil(size / stride) windows, surplus at the
                  end. ONNX, operator MaxPool: auto_pad=SAME_UPPER.
    "same_lower"  ONNX, operator MaxPool: auto_pad=SAME_LOWER, the surplus at the start.
    "causal"      Keras, Conv1D: a window sees its own step and earlier ones, no later one.
    ceil_mode     PyTorch, MaxPool1d/2d/3d: "sliding windows are allowed to go off-bounds if they
                  start within the left padding or the input".
    """
    dilated = (pool - 1) * dilation + 1  # from a window's first element to its last
    if ceil_mode and padding in ("same", "same_lower", "causal"):
        raise ValueError(f"ceil_mode has no meaning with padding={padding!r}")
    if padding in ("same", "same_lower"):
        output_size = math.ceil(size / stride)
        # A stride longer than the window skips data: nothing to pad then, hence the max.
        total = max((output_size - 1) * stride + dilated - size, 0)
        smaller, larger = total // 2, total - total // 2
        pads = (smaller, larger) if padding == "same" else (larger, smaller)
        return Geometry(output_size, *pads)
    if padding == "causal":
        return Geometry(math.ceil(size / stride), dilated - 1, 0)
    before, after = (0, 0) if padding == "valid" else padding
    room = size + before + after - dilated  # how far the first window can move
    if ceil_mode:
        output_size = math.ceil(room / stride) + 1
        if (output_size - 1) * stride >= size + before:  # it would start in the padding at the end
            output_size -= 1
    else:
        output_size = math.floor(room / stride) + 1
    if output_size < 1:
        raise ValueError(f"no window of length {dilated} in {size} + {before} + {after} elements")
    return Geometry(output_size, before, after)


def elements(
    size: int, pool: int, stride: int, padding: str | Pair, dilation: int, ceil_mode: bool
) -> list[list[int]]:
    """The elements that each window of one axis sees: none where there is only padding."""
    output_size, before, _ = geometry(size, pool, stride, padding, dilation, ceil_mode)
    starts = [position * stride - before for position in range(output_size)]
    windows = [range(start, start + pool * dilation, dilation) for start in starts]
    return [[n for n in window if 0 <= n < size] for window in windows]


def sees_only_padding(*axis: Any) -> bool:
    """Whether some window of this axis, whose arguments are those of `geometry`, has no real element."""
    return not all(elements(*axis))


def maxima(x: np.ndarray, axes: Sequence[Sequence[Sequence[int]]]) -> Pooled:
    """Pools a channels-last array over windows, of which each axis has the lists of their elements."""
    # bfloat16 is no NumPy type: float32 holds each of its values, and casts back exactly.
    numbers = x if x.dtype.kind in "iuf" else x.astype(np.float32)
    sizes = [len(windows) for windows in axes]
    shape = (x.shape[0], *sizes, x.shape[-1])
    values = np.full(shape, lowest(numbers.dtype), numbers.dtype)
    indices = np.full(shape, -1, np.int64)
    for position in np.ndindex(*sizes):
        best = values[(slice(None), *position)]  # (batch, channels), a view into `values`
        index = indices[(slice(None), *position)]
        for cell in product(*(windows[n] for windows, n in zip(axes, position, strict=True))):
            candidate = numbers[(slice(None), *cell)]
            wins = (
                (index == -1)  # the first real element wins against nothing, even if it is -inf
                | (candidate > best)  # not >=: the first of equals stays
                | (np.isnan(candidate) & ~np.isnan(best))
            )
            best[wins] = candidate[wins]
            index[wins] = np.ravel_multi_index(cell, x.shape[1:-1])
    return Pooled(values.astype(x.dtype), indices)


def lowest(dtype: np.dtype) -> float | int:
    """What padding counts as: -inf, or the smallest value of an integer type."""
    return np.iinfo(dtype).min if dtype.kind in "iu" else -np.inf


def pool(
    x: np.ndarray,
    pool_size: int | Sequence[int] = 2,
    strides: int | Sequence[int] | None = None,
    padding: str | int | Sequence[str | int | Pair] = "valid",
    dilation_rate: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    data_format: str = "channels_last",
) -> Pooled:
    """Pooling with the arguments of a layer; the results have the layout of `x`."""
    if data_format == "channels_first":
        arguments = pool_size, strides, padding, dilation_rate, ceil_mode
        return Pooled(*(channels_first(part) for part in pool(channels_last(x), *arguments)))

    def per_axis(value: object) -> tuple:
        alone = isinstance(value, str) or not isinstance(value, Sequence)
        return (value,) * (x.ndim - 2) if alone else tuple(value)

    sizes = per_axis(pool_size)
    steps = sizes if strides is None else per_axis(strides)
    rates = per_axis(dilation_rate)
    paddings = [(p, p) if isinstance(p, int) else p for p in per_axis(padding)]
    axes = zip(x.shape[1:-1], sizes, steps, paddings, rates, strict=True)
    return maxima(x, [elements(*axis, ceil_mode) for axis in axes])
