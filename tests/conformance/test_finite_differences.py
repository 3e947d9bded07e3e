"""Gradients of both orders against differences of values, for every op."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import reference
from harness.runner import MODES, run, second_order, with_gradient

from keras_maxpool.ops import (
    adaptive_max_pool,
    fractional_max_pool,
    global_max_pool,
    max_pool,
    max_unpool,
)

SIZES = {1: (7,), 2: (4, 5), 3: (3, 4, 3)}
STEP = 0.25
"""Values lie 1 apart, so that no step of this size changes who wins, and differences are exact."""

# Each op, and what it takes besides x.
POOLINGS: dict[str, Callable[..., Any]] = {
    "direct": partial(max_pool, pool_size=3, strides=2, padding=1, implementation="direct"),
    "separable": partial(max_pool, pool_size=2, strides=2, dilation_rate=2, ceil_mode=True),
    "shifted": partial(max_pool, pool_size=3, strides=2, padding=1, implementation="shifted"),
    "channels first": partial(max_pool, strides=1, padding="same", data_format="channels_first"),
    "same_lower": partial(max_pool, pool_size=3, strides=2, padding="same_lower"),
    "ieee": partial(max_pool, pool_size=3, strides=2, padding=1, nonfinite="ieee"),
    "indices": lambda x: max_pool(x, 3, 2, padding=1, return_indices=True)[0],
    "global": global_max_pool,
    "adaptive": partial(adaptive_max_pool, output_size=2),
    "fractional": partial(fractional_max_pool, pooling_ratio=1.4, overlapping=True, seed=1),
    "masked": lambda x, mask: max_pool(x, mask=mask),
    "masked global": lambda x, mask: global_max_pool(x, mask=mask),
}


def numbers(shape: tuple[int, ...]) -> np.ndarray:
    """All different, 1 apart, and exact in float32, which TensorFlow's own operation needs in 3D."""
    return np.random.default_rng(0).permutation(np.prod(shape)).astype("float32").reshape(shape)


def check(function: Callable[..., Any], mode: str, x: np.ndarray, *others: np.ndarray) -> None:
    """For a function of x, and of others that stay as they are, which treats each sample alike."""
    rng = np.random.default_rng(1)
    # As one batch: x, and then x again with each of its elements moved.
    moved = x + STEP * np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)
    batch = np.concatenate([x, *moved])
    repeated = [np.concatenate([other] * (1 + x.size)) for other in others]
    tangent = rng.integers(-3, 4, batch.shape).astype(x.dtype)
    sizes = run(function, "eager", batch, *repeated).shape
    upstream = rng.integers(-3, 4, sizes).astype(x.dtype)

    def derive(x: Any, upstream: Any, tangent: Any, *others: Any) -> tuple:
        pool = lambda x: function(x, *others)  # noqa: E731
        return *with_gradient(pool)(x, upstream), second_order(pool)(x, upstream, tangent)[0]

    y, first, second = run(derive, mode, batch, upstream, tangent, *repeated)
    assert y.dtype == x.dtype
    # One row for each element of x: how much each output moves with it.
    y = y.reshape(1 + x.size, -1)
    moves = (y[1:] - y[0]) / STEP
    upstream, first, second, tangent = (
        part[: len(x)].ravel() for part in (upstream, first, second, tangent)
    )
    np.testing.assert_array_equal(first, moves @ upstream)
    # The gradient is linear in what comes from above: its differences are the same table, read the other way.
    np.testing.assert_array_equal(second, 2 * tangent @ moves)
    assert np.abs(first).max() > 0
    assert np.abs(second).max() > 0


TRACED = ("separable", "fractional", "masked", "masked global", "adaptive")
RUNS = [("eager", 1), ("eager", 2), ("eager", 3), *((mode, 2) for mode in MODES[1:])]


@pytest.mark.parametrize(
    ("name", "mode", "rank"),
    [(name, *run) for name in POOLINGS for run in RUNS[:3]]
    + [(name, *run) for name in TRACED for run in RUNS[3:]],
)
def test_poolings(name: str, mode: str, rank: int) -> None:
    x = numbers((2, *SIZES[rank], 2))
    mask = np.random.default_rng(2).random(x.shape[:-1]) < 0.5
    mask[1] = False
    if name == "channels first":
        x = reference.channels_first(x)
    check(POOLINGS[name], mode, x, *([mask] if "masked" in name else []))


def test_causal() -> None:
    for mode in MODES:
        check(lambda x: max_pool(x, 3, 2, "causal"), mode, numbers((2, *SIZES[1], 2)))


@pytest.mark.parametrize(("mode", "rank"), RUNS)
@pytest.mark.parametrize("window", [(2,), (3, 2, 1)], ids=["tiles", "overlapping"])
def test_unpooling(window: tuple, mode: str, rank: int) -> None:
    pooled = reference.pool(numbers((2, *SIZES[rank], 2)), *window)
    unpool = lambda v, i: max_unpool(v, i, *window, output_size=SIZES[rank])  # noqa: E731
    check(unpool, mode, numbers(pooled.values.shape), pooled.indices)
