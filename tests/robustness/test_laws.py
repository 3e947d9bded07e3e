"""Laws of max pooling, which hold without a reference of its values."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
from harness.assertions import assert_same
from hypothesis import strategies as st
from robustness.fuzzing import FINITE, Example, at_length, drawn, examples, outcome

from keras_maxpool.ops import max_unpool

FEW = (12, 5, 3)


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


PAIRS = ("int", "ints", "pairs")


@drawn(partial(examples, empties=False, ceils=False, layouts=FINITE, paddings=PAIRS), quick=FEW)
def test_negation_gives_the_minima(example: Example) -> None:
    """Of NumPy's windows, with padding that never wins; of integers each bit is turned, so that none overflows."""
    x = example.input()
    turned = np.invert if x.dtype.kind in "iu" else np.negative
    highest = np.iinfo(x.dtype).max if x.dtype.kind in "iu" else np.inf
    _, pools, strides, pads, gaps, _ = zip(*example.config.axes, strict=True)
    padded = np.pad(example.last(x), [(0, 0), *pads, (0, 0)], constant_values=highest)
    lengths = [(pool - 1) * gap + 1 for pool, gap in zip(pools, gaps, strict=True)]
    spatial = tuple(range(1, x.ndim - 1))
    seen = np.lib.stride_tricks.sliding_window_view(padded, lengths, spatial)
    seen = seen[(slice(None), *(slice(None, None, stride) for stride in strides))]
    seen = seen[(..., *(slice(None, None, gap) for gap in gaps))]
    (minima,) = example.laid_out(seen.min(tuple(range(x.ndim, seen.ndim))))
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
