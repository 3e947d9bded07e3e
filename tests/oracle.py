"""Max pooling in plain NumPy, written to be read: what each kernel of the package is compared with.

Nothing here is taken from the package. Arrays are channels-last, (batch, *spatial, channels), of
any rank, unless a function takes `data_format`.

The rules:
- The first maximum of a window in row-major order wins.
- Infinities and NaN follow IEEE: -inf is a value like any other, and the first NaN wins.
- Padding never wins. A window of padding alone gives the lowest value and the place -1.
- A place is the flat row-major index of the winner in the unpadded spatial volume of its own sample
  and channel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Pair = tuple[int, int]


class Geometry(NamedTuple):
    """One axis: how many windows, and how much padding before and after the data."""

    output_size: int
    before: int
    after: int


class Pooled(NamedTuple):
    """What pooling gives: the maxima and where each one was found (int64, -1 for nowhere)."""

    values: np.ndarray
    places: np.ndarray


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

    if padding in ("same", "same_lower"):
        if ceil_mode:
            raise ValueError(f"ceil_mode has no meaning with padding={padding!r}")
        output_size = math.ceil(size / stride)
        # A stride longer than the window skips data: nothing to pad then, hence the max.
        total = max((output_size - 1) * stride + dilated - size, 0)
        smaller, larger = total // 2, total - total // 2
        if padding == "same":
            return Geometry(output_size, smaller, larger)
        return Geometry(output_size, larger, smaller)

    if padding == "causal":
        if ceil_mode:
            raise ValueError("ceil_mode has no meaning with padding='causal'")
        return Geometry(math.ceil(size / stride), dilated - 1, 0)
    if padding == "valid":
        padding = (0, 0)
    elif isinstance(padding, str):
        raise ValueError(f"unknown padding {padding!r}")

    before, after = padding
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


def max_pool(
    x: np.ndarray,
    pool: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[Pair],
    dilation: Sequence[int],
    *,
    sizes: Sequence[int] | None = None,
) -> Pooled:
    """Pools a channels-last array; one entry a spatial axis in every sequence.

    `sizes` are the output sizes; by default all windows that end within the padding.
    """
    spatial = x.shape[1:-1]
    if sizes is None:
        axes = zip(spatial, pool, strides, pads, dilation, strict=True)
        sizes = [geometry(*axis).output_size for axis in axes]
    # bfloat16 is no NumPy type: float32 holds each of its values, and casts back exactly.
    numbers = x if x.dtype.kind in "iuf" else x.astype(np.float32)

    shape = (x.shape[0], *sizes, x.shape[-1])
    values = np.full(shape, lowest(numbers.dtype), numbers.dtype)
    places = np.full(shape, -1, np.int64)
    for position in np.ndindex(*sizes):
        best = values[(slice(None), *position)]  # (batch, channels), a view into `values`
        place = places[(slice(None), *position)]
        for offset in np.ndindex(*pool):
            cell = tuple(
                p * stride - before + o * step
                for p, stride, (before, _), o, step in zip(
                    position, strides, pads, offset, dilation, strict=True
                )
            )
            if not all(0 <= c < size for c, size in zip(cell, spatial, strict=True)):
                continue  # padding
            candidate = numbers[(slice(None), *cell)]
            wins = (
                (place == -1)  # the first real element wins against nothing, even if it is -inf
                | (candidate > best)  # not >=: the first of equals stays
                | (np.isnan(candidate) & ~np.isnan(best))
            )
            best[wins] = candidate[wins]
            place[wins] = np.ravel_multi_index(cell, spatial)
    return Pooled(values.astype(x.dtype), places)


def lowest(dtype: np.dtype) -> float | int:
    """What padding counts as: -inf, or the smallest value of an integer type."""
    return np.iinfo(dtype).min if dtype.kind in "iu" else -np.inf


def gradient(
    x_shape: Sequence[int],
    places: np.ndarray,
    upstream: np.ndarray,
    *,
    dtype: np.dtype | type = np.float64,
    data_format: str = "channels_last",
) -> np.ndarray:
    """The gradient for x: every upstream value is added at its winner's place.

    Sums are in float64, then cast to `dtype`. `x_shape` is the shape in `data_format`.
    """
    if data_format == "channels_first":
        batch, channels, *spatial = x_shape
        places, upstream = channels_last(places), channels_last(upstream)
    else:
        batch, *spatial, channels = x_shape

    windows = math.prod(places.shape[1:-1])
    places = places.reshape(batch, windows, channels)
    upstream = upstream.astype(np.float64).reshape(batch, windows, channels)
    result = np.zeros((batch, math.prod(spatial), channels))
    sample, window, channel = np.nonzero(places != -1)
    winner = places[sample, window, channel]
    np.add.at(result, (sample, winner, channel), upstream[sample, window, channel])

    result = result.reshape(batch, *spatial, channels).astype(dtype)
    return channels_first(result) if data_format == "channels_first" else result


def gather(x: np.ndarray, places: np.ndarray, *, data_format: str = "channels_last") -> np.ndarray:
    """What x holds at the places, 0 at -1: the transpose of `gradient`.

    With a tangent as x it is the tangent of the values; with a second upstream gradient, what the
    gradient passes back.
    """
    if data_format == "channels_first":
        return channels_first(gather(channels_last(x), channels_last(places)))
    batch, *spatial, channels = x.shape
    flat = x.reshape(batch, math.prod(spatial), channels)
    result = np.zeros(places.shape, x.dtype)
    where = np.nonzero(places != -1)
    result[where] = flat[where[0], places[where], where[-1]]
    return result


def pool(
    x: np.ndarray,
    pool_size: int | Sequence[int] = 2,
    strides: int | Sequence[int] | None = None,
    padding: str | int | Sequence[str | int | Pair] = "valid",
    dilation_rate: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    data_format: str = "channels_last",
) -> Pooled:
    """`max_pool` with the arguments of a layer, and its results in the layout of `x`."""
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
    axes = [
        geometry(*axis, ceil_mode)
        for axis in zip(x.shape[1:-1], sizes, steps, paddings, rates, strict=True)
    ]
    pads = [(axis.before, axis.after) for axis in axes]
    return max_pool(x, sizes, steps, pads, rates, sizes=[axis.output_size for axis in axes])


def sees_only_padding(
    size: int, pool: int, stride: int, padding: str | Pair, dilation: int, ceil_mode: bool
) -> bool:
    """Whether some window of this axis has no real element."""
    output_size, before, _ = geometry(size, pool, stride, padding, dilation, ceil_mode)
    starts = [position * stride - before for position in range(output_size)]
    return not all(
        any(0 <= start + offset * dilation < size for offset in range(pool)) for start in starts
    )


def channels_last(array: np.ndarray) -> np.ndarray:
    """(batch, channels, *spatial) as (batch, *spatial, channels)."""
    return np.moveaxis(array, 1, -1)


def channels_first(array: np.ndarray) -> np.ndarray:
    """(batch, *spatial, channels) as (batch, channels, *spatial)."""
    return np.moveaxis(array, -1, 1)
