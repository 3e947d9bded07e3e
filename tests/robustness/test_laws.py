"""Laws of max pooling, which hold without an reference of its values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from harness.assertions import assert_same
from harness.cases import FLOATS
from harness.runner import in_mode
from hypothesis import strategies as st
from robustness.fuzzing import (
    EXACT,
    FINITE,
    KERNELS,
    NATIVE_3D,
    Example,
    at_length,
    drawn,
    each,
    examples,
    outcome,
)

from keras_maxpool.ops import max_unpool

FEW = (12, 5, 3)

anything = partial(examples, layouts=EXACT)
windows = partial(
    examples, empties=False, ceils=False, layouts=FINITE, paddings=("valid", "number", "pairs")
)


def swapped(x: np.ndarray, data_format: str) -> np.ndarray:
    """In the other data format."""
    return np.moveaxis(x, -1, 1) if data_format == "channels_last" else np.moveaxis(x, 1, -1)


def spatial_axes(example: Example) -> tuple[int, ...]:
    first = 1 if example.data_format == "channels_last" else 2
    return tuple(range(first, first + example.rank))


def axes_of(example: Example) -> list[tuple[int, int, int, int, int]]:
    """(size, pool, stride, dilation, pad before, pad after) of windows with explicit pads."""
    named = example.arguments
    padding = 0 if named["padding"] == "valid" else named["padding"]
    pads = [each(pad, 2) for pad in each(padding, example.rank)]
    arguments = (named["pool_size"], named["strides"] or named["pool_size"], named["dilation_rate"])
    per_axis = [each(value, example.rank) for value in arguments]
    return list(zip(example.spatial, *per_axis, *zip(*pads, strict=True), strict=True))


def along(example: Example, slices: Sequence[slice]) -> tuple[slice, ...]:
    """The slices of the spatial axes, and all of the others."""
    every = [slice(None)] * (example.rank + 2)
    for axis, of_axis in zip(spatial_axes(example), slices, strict=True):
        every[axis] = of_axis
    return tuple(every)


def same_outcome(one: Any, two: Any) -> None:
    for actual, expected in zip(one, two, strict=True):
        if expected is not None:
            assert_same(actual, expected)


def with_upstream(example: Example) -> tuple[np.ndarray, np.ndarray]:
    """An input and an upstream gradient."""
    x = example.input()
    places = example.wanted(x).indices
    return x, example.whole_numbers(places.shape, "upstream")


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


@st.composite
def compositions(draw: st.DrawFn, mode: str) -> tuple[Example, dict, dict, dict]:
    """Two poolings, one after the other, and the one that they make; per axis, with gaps.

    Elements {0, d, ..., (k - 1) d} of every s-th place, then {0, e, ...} of those, are evenly spaced by d where
    s * e is at most k * d, and a multiple of d.
    """
    rank = draw(st.integers(1, 3))
    example = draw(examples(mode=mode, rank=rank, empties=False, layouts=FINITE))
    no_gaps = example.implementation == "direct"
    first, second, both = ({"pool_size": [], "strides": [], "dilation_rate": []} for _ in range(3))
    sizes = []
    for _ in range(rank):
        k, m = draw(st.integers(1, 4)), draw(st.integers(1, 3))
        d = 1 if no_gaps else draw(st.integers(1, 3))
        reach = draw(st.integers(1, k))
        divisors = [n for n in range(1, reach * d + 1) if reach * d % n == 0]
        s = reach * d if no_gaps else draw(st.sampled_from(divisors))
        t, whole = draw(st.integers(1, 3)), k + (m - 1) * reach
        numbers = [(k, s, d), (m, t, reach * d // s), (whole, s * t, d)]
        for step, of_step in zip((first, second, both), numbers, strict=True):
            for name, number in zip(step, of_step, strict=True):
                step[name].append(number)
        sizes.append((whole - 1) * d + 1 + draw(st.integers(0, 6 if rank < 3 else 3)))
    example = replace(example, spatial=tuple(sizes))
    steps = ({name: tuple(n) for name, n in step.items()} for step in (first, second, both))
    return example, *({**step, "padding": "valid", "ceil_mode": False} for step in steps)


@drawn(compositions, quick=FEW)
def test_two_steps_are_one(case: tuple[Example, dict, dict, dict]) -> None:
    example, first, second, both = case
    x = example.input()
    between = outcome(example, x, **first).values
    assert_same(outcome(example, between, **second).values, outcome(example, x, **both).values)


@drawn(anything, st.randoms(use_true_random=False), quick=FEW)
def test_axis_by_axis_is_all_at_once(example: Example, random: Any) -> None:
    """In any order, with every padding."""
    x = example.input()
    wanted = outcome(example, x, nonfinite="ieee").values
    named = example.arguments
    names = ("pool_size", "strides", "dilation_rate")
    arguments = {name: named[name] or named["pool_size"] for name in names}
    order = list(range(example.rank))
    random.shuffle(order)
    for place in order:

        def alone(value: Any, other: Any, place: int = place) -> tuple:
            return tuple(
                n if i == place else other for i, n in enumerate(each(value, example.rank))
            )

        step = {name: alone(value, 1) for name, value in arguments.items()}
        padding = named["padding"]
        step["padding"] = padding if isinstance(padding, str) else alone(padding, 0)
        if not isinstance(padding, str):
            step["padding"] = tuple(each(pad, 2) for pad in step["padding"])
        x = outcome(example, x, **step, nonfinite="ieee").values
    assert_same(x, wanted)


@drawn(windows, quick=FEW)
def test_a_shift_by_a_stride_shifts_the_output_by_one(example: Example) -> None:
    """With more elements in front, and behind: of the windows that see no padding, all the same ones are there."""
    x = example.input()
    axes = axes_of(example)
    longer = [(stride, 2) for _, _, stride, *_ in axes]
    widths = [(0, 0)] * x.ndim
    for axis, of_axis in zip(spatial_axes(example), longer, strict=True):
        widths[axis] = of_axis
    extended = outcome(example, np.pad(x, widths, "reflect" if min(x.shape) > 12 else "edge"))
    inside = []
    for size, pool, stride, rate, before, _ in axes:
        begin = -(-before // stride)
        end = (size - (pool - 1) * rate - 1 + before) // stride + 1
        inside.append((begin, max(begin, end)))
    here = along(example, [slice(*of_axis) for of_axis in inside])
    there = along(example, [slice(begin + 1, end + 1) for begin, end in inside])
    assert_same(extended.values[there], outcome(example, x).values[here])


@drawn(anything, quick=FEW)
def test_samples_and_channels_do_not_mix(example: Example) -> None:
    x, upstream = with_upstream(example)
    channel = 1 if example.data_format == "channels_first" else -1
    rng = example.rng("order")
    orders = [(0, rng.permutation(example.batch)), (channel, rng.permutation(example.channels))]

    def shuffled(x: np.ndarray) -> np.ndarray:
        for axis, order in orders:
            x = np.take(x, order, axis)
        return x

    one, two = (
        outcome(example, *pair)[:3] for pair in ((x, upstream), map(shuffled, (x, upstream)))
    )
    same_outcome(two, [None if y is None else shuffled(y) for y in one])


@drawn(windows, quick=FEW)
def test_negation_gives_the_minima(example: Example) -> None:
    """Of NumPy's windows, with padding that never wins; of integers each bit is turned, so that none overflows."""
    x = example.input()
    turned = np.invert if x.dtype.kind in "iu" else np.negative
    highest = np.iinfo(x.dtype).max if x.dtype.kind in "iu" else np.inf
    axes = axes_of(example)
    widths = [(0, 0)] * x.ndim
    for axis, (*_, before, after) in zip(spatial_axes(example), axes, strict=True):
        widths[axis] = (before, after)
    lengths = [(pool - 1) * rate + 1 for _, pool, _, rate, *_ in axes]
    seen = np.lib.stride_tricks.sliding_window_view(
        np.pad(x, widths, constant_values=highest), lengths, spatial_axes(example)
    )
    seen = seen[along(example, [slice(None, None, stride) for _, _, stride, *_ in axes])]
    seen = seen[(..., *(slice(None, None, rate) for *_, rate, _, _ in axes))]
    minima = seen.min(tuple(range(x.ndim, seen.ndim)))
    ours = outcome(example, turned(x), nonfinite="ieee")
    assert_same(turned(ours.values), minima)


@drawn(
    partial(examples, layouts=FINITE, kernels=("auto", "separable", "shifted")),
    st.sampled_from([1, 3, 5]),
    quick=FEW,
)
def test_pooling_twice_with_one_window_widens_it(example: Example, pool: int) -> None:
    """Stride 1 and "same": idempotent only where nothing is wider, so it grows by the window less one."""
    x = example.input()
    how = {"strides": 1, "padding": "same", "ceil_mode": False}
    once = outcome(example, x, pool_size=pool, **how).values
    twice = outcome(example, once, pool_size=pool, **how).values
    assert_same(twice, outcome(example, x, pool_size=2 * pool - 1, **how).values)
    assert np.all(once >= x)


@drawn(partial(examples, dilates=False, ceils=False, layouts=FINITE), quick=FEW)
def test_unpooling_is_the_adjoint(example: Example) -> None:
    """The sum of unpool(v) * w is the sum of v * w's elements at the indices, for any v and w."""
    x = example.input()
    indices = outcome(example, x).indices
    v = example.whole_numbers(indices.shape, "v")
    names = ("pool_size", "strides", "padding", "data_format")
    options = {name: example.options[name] for name in names}
    unpool = in_mode(lambda v, i, x: max_unpool(v, i, **options, like=x), example.mode)
    spread = unpool(tf.constant(v), tf.constant(indices), tf.constant(x)).numpy().astype("float64")
    w = example.whole_numbers(x.shape, "w").astype("float64")
    shape = (example.batch, -1, example.channels)
    last = [v.astype("float64"), indices, w]
    if example.data_format == "channels_first":
        last = [swapped(array, example.data_format) for array in last]
    v, indices, rows = (
        array.reshape(shape) if array.size else np.zeros((0, 1, 0), array.dtype) for array in last
    )
    taken = np.take_along_axis(rows, np.maximum(indices, 0), 1) if v.size and rows.size else v * 0
    assert np.sum(spread * w) == np.sum(v * taken * (indices >= 0))


@drawn(anything, quick=FEW)
def test_every_kernel_equals_every_other(example: Example) -> None:
    """In the example's mode: values, indices, gradients and theirs."""
    x, upstream = with_upstream(example)
    one = outcome(example, x, upstream, nonfinite="ieee")
    dilated = np.max(example.arguments["dilation_rate"]) > 1
    direct = not dilated and (example.rank < 3 or example.dtype in NATIVE_3D)
    for other in KERNELS:
        if other != example.implementation and (other != "direct" or direct):
            two = outcome(example, x, upstream, nonfinite="ieee", implementation=other)
            same_outcome(two, one)


@drawn(anything, quick=FEW)
def test_data_formats_are_transposes(example: Example) -> None:
    x, upstream = with_upstream(example)
    one = outcome(example, x, upstream)[:3]
    other = {"channels_last": "channels_first", "channels_first": "channels_last"}
    there = replace(example, data_format=other[example.data_format])
    given = (swapped(array, example.data_format) for array in (x, upstream))
    two = outcome(there, *given)[:3]
    same_outcome([y if y is None else swapped(y, there.data_format) for y in two], one)


def of_floats(rank: int, mode: str) -> Sequence[str]:
    return FLOATS


@drawn(partial(examples, layouts=EXACT, dtypes=of_floats), quick=FEW)
def test_no_gradient_is_lost(example: Example) -> None:
    """Its sum is that of what came in, less that of the windows which saw padding alone."""
    x, upstream = with_upstream(example)
    alone = example.wanted(x).indices < 0
    gradient = outcome(example, x, upstream).gradient.astype("float64")
    assert np.sum(gradient) == np.sum(upstream.astype("float64")[~alone])


LAWS = [name for name, law in list(globals().items()) if hasattr(law, "run")]


@pytest.mark.fuzz
@pytest.mark.parametrize("law", LAWS)
def test_at_length(law: str) -> None:
    at_length(__file__, law, 0, 300)
