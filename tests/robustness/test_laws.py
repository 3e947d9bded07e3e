"""Laws of max pooling, which hold without a reference of its values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
from harness.assertions import assert_same
from hypothesis import strategies as st
from robustness.fuzzing import FINITE, Example, at_length, drawn, examples, outcome

from keras_maxpool.ops import max_unpool

FEW = (12, 5, 3)

windows = partial(
    examples, empties=False, ceils=False, layouts=FINITE, paddings=("valid", "int", "ints", "pairs")
)


def spatial_axes(example: Example) -> tuple[int, ...]:
    first = 1 if example.data_format == "channels_last" else 2
    return tuple(range(first, first + example.rank))


def axes_of(example: Example) -> list[tuple[int, int, int, int, int, int]]:
    """(size, pool, stride, dilation, pad before, pad after) of windows with explicit pads."""
    return [
        (size, pool, stride, gap, *((0, 0) if pads == "valid" else pads))
        for size, pool, stride, pads, gap, _ in example.config.axes
    ]


def along(example: Example, slices: Sequence[slice]) -> tuple[slice, ...]:
    """The slices of the spatial axes, and all of the others."""
    every = [slice(None)] * (example.rank + 2)
    for axis, of_axis in zip(spatial_axes(example), slices, strict=True):
        every[axis] = of_axis
    return tuple(every)


def widths(example: Example, pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """np.pad's widths, from those of the spatial axes."""
    every = [(0, 0)] * (example.rank + 2)
    for axis, pair in zip(spatial_axes(example), pairs, strict=True):
        every[axis] = pair
    return every


RISING: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "clip": lambda x: np.clip(x, 1, 2),
    "halve": lambda x: x // 2,
    "arctan": lambda x: np.arctan(x) * 2,
    "cube": lambda x: np.clip(x, -9, 9) ** 3,
}


@drawn(partial(examples, layouts=FINITE), st.sampled_from(sorted(RISING)), quick=FEW)
def test_maps_that_keep_the_order_commute(example: Example, name: str) -> None:
    """Rounding keeps it, too, so that this holds in every dtype."""

    def rising(x: np.ndarray) -> np.ndarray:
        wide = x if x.dtype.kind in "iu" and name in ("clip", "halve") else x.astype("float64")
        return RISING[name](wide).astype(x.dtype)

    x = example.input()
    values, indices, *_ = outcome(example, x)
    seen = indices >= 0
    assert_same(outcome(example, rising(x)).values[seen], rising(values)[seen])


@drawn(examples, st.randoms(use_true_random=False), quick=FEW)
def test_axis_by_axis_is_all_at_once(example: Example, random: Any) -> None:
    """In any order, with every padding."""
    x = example.input()
    wanted = outcome(example, x, nonfinite="ieee").values
    order = list(range(example.rank))
    random.shuffle(order)
    for place in order:
        _, pool, stride, padding, gap, _ = example.config.axes[place]

        def alone(value: Any, other: Any, place: int = place) -> tuple:
            return tuple(value if i == place else other for i in range(example.rank))

        padding = padding if isinstance(padding, str) else alone(padding, (0, 0))
        step = (alone(pool, 1), alone(stride, 1), padding, alone(gap, 1))
        names = ("pool_size", "strides", "padding", "dilation_rate")
        x = outcome(example, x, nonfinite="ieee", **dict(zip(names, step, strict=True))).values
    assert_same(x, wanted)


@drawn(windows, quick=FEW)
def test_a_shift_by_a_stride_shifts_the_output_by_one(example: Example) -> None:
    """With more elements in front, and behind: all windows that see no padding are there again."""
    x, axes = example.input(), axes_of(example)
    longer = widths(example, [(stride, 2) for _, _, stride, *_ in axes])
    extended = outcome(example, np.pad(x, longer, "edge"))
    inside = []
    for size, pool, stride, gap, before, _ in axes:
        begin = -(-before // stride)
        end = (size - (pool - 1) * gap - 1 + before) // stride + 1
        inside.append((begin, max(begin, end)))
    here = along(example, [slice(*of_axis) for of_axis in inside])
    there = along(example, [slice(begin + 1, end + 1) for begin, end in inside])
    assert_same(extended.values[there], outcome(example, x).values[here])


@drawn(windows, quick=FEW)
def test_negation_gives_the_minima(example: Example) -> None:
    """Of NumPy's windows, with padding that never wins; of integers each bit is turned, so that none overflows."""
    x, axes = example.input(), axes_of(example)
    turned = np.invert if x.dtype.kind in "iu" else np.negative
    highest = np.iinfo(x.dtype).max if x.dtype.kind in "iu" else np.inf
    padded = np.pad(x, widths(example, [axis[-2:] for axis in axes]), constant_values=highest)
    lengths = [(pool - 1) * gap + 1 for _, pool, _, gap, *_ in axes]
    seen = np.lib.stride_tricks.sliding_window_view(padded, lengths, spatial_axes(example))
    seen = seen[along(example, [slice(None, None, stride) for _, _, stride, *_ in axes])]
    seen = seen[(..., *(slice(None, None, gap) for _, _, _, gap, *_ in axes))]
    minima = seen.min(tuple(range(x.ndim, seen.ndim)))
    ours = outcome(example, turned(x), nonfinite="ieee")
    assert_same(turned(ours.values), minima)


@drawn(partial(examples, dilates=False, ceils=False, layouts=FINITE), quick=FEW)
def test_unpooling_is_the_adjoint(example: Example) -> None:
    """The sum of unpool(v) * w is the sum of v * w's elements at the indices, for any v and w."""
    x = example.input()
    indices = outcome(example, x).indices
    v, w = example.integers(indices.shape, "v"), example.integers(x.shape, "w")
    names = ("pool_size", "strides", "padding", "data_format")
    options = {name: example.options[name] for name in names}
    unpool = lambda v, i, x: max_unpool(v, i, **options, like=x)  # noqa: E731
    (spread,) = example.run(unpool, v, indices, x)
    row = (example.batch, example.channels)
    rows, v, indices = (
        np.moveaxis(example.last(array), -1, 1).reshape(*row, array.size // max(math.prod(row), 1))
        for array in (w.astype("float64"), v.astype("float64"), indices)
    )
    taken = np.take_along_axis(rows, np.maximum(indices, 0), 2) if rows.size else 0 * v
    assert np.sum(spread * w.astype("float64")) == np.sum(v * taken * (indices >= 0))


LAWS = [name for name, law in list(globals().items()) if hasattr(law, "run")]


@pytest.mark.fuzz
@pytest.mark.parametrize("law", LAWS)
def test_at_length(law: str) -> None:
    at_length(__file__, law, 0, 300)
