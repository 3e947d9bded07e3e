"""Gradients of both orders against differences of values: pooling in every kernel, rank and mode, and all other ops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.runner import MODES, in_mode

from keras_maxpool.arguments import IMPLEMENTATIONS
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

by_mode = pytest.mark.parametrize("mode", MODES)
by_rank = pytest.mark.parametrize("rank", SIZES)
# XLA compiles for long: most of its ranks are left to the slow tests.
by_run = pytest.mark.parametrize(
    ("rank", "mode"),
    [
        pytest.param(rank, mode, marks=[pytest.mark.slow] * (mode == "xla" and rank != 2))
        for rank in SIZES
        for mode in MODES
    ],
)


def numbers(shape: tuple[int, ...], dtype: str = "float64") -> np.ndarray:
    """All different, 1 apart."""
    return np.random.default_rng(0).permutation(np.prod(shape)).astype(dtype).reshape(shape)


def shape_of(rank: int, data_format: str = "channels_last") -> tuple[int, ...]:
    """Two samples and two channels."""
    return (2, *SIZES[rank], 2) if data_format == "channels_last" else (2, 2, *SIZES[rank])


def assert_gradients_are_differences(
    function: Callable[..., tf.Tensor], mode: str, x: np.ndarray, *others: np.ndarray
) -> None:
    """For a function of x, and of others that stay as they are, which treats each sample alike."""
    rng = np.random.default_rng(1)
    # As one batch: x, and then x again with each of its elements moved.
    moved = x + STEP * np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)
    batch = np.concatenate([x, *moved])
    repeated = [np.concatenate([other] * (1 + x.size)) for other in others]
    further = rng.integers(-3, 4, batch.shape).astype(x.dtype)

    def derive(batch: tf.Tensor, further: tf.Tensor, *others: tf.Tensor) -> tuple:
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(batch)
                y = function(batch, *others)
            upstream = tf.constant(rng.integers(-3, 4, y.shape), y.dtype)
            outer.watch(upstream)
            gradient = inner.gradient(y, batch, output_gradients=upstream)
        second = outer.gradient(gradient, upstream, output_gradients=further)
        return y, upstream, gradient, second

    derived = in_mode(derive, mode)(*map(tf.constant, (batch, further, *repeated)))
    y, upstream, first, second = (part.numpy() for part in derived)
    assert y.dtype == x.dtype
    # One row for each element of x: how much each output moves with it.
    y = y.reshape(1 + x.size, -1)
    moves = (y[1:] - y[0]) / STEP
    upstream, first, second, further = (
        part[: len(x)].ravel() for part in (upstream, first, second, further)
    )
    np.testing.assert_array_equal(first, moves @ upstream)
    # The gradient is linear in what comes from above: its differences are the same table, read the other way.
    np.testing.assert_array_equal(second, further @ moves)
    assert np.abs(first).max() > 0
    assert np.abs(second).max() > 0


WINDOWS: dict[str, dict[str, Any]] = {
    "overlapping": {"pool_size": 3, "strides": 2, "padding": 1},
    "same": {"pool_size": 2, "strides": 1, "padding": "same", "data_format": "channels_first"},
}


def check_kernel(implementation: str, options: dict[str, Any], rank: int, mode: str) -> None:
    # TensorFlow's own operation has no float64 in 3D; the numbers are exact in either.
    dtype = "float32" if (implementation, rank) == ("direct", 3) else "float64"
    x = numbers(shape_of(rank, options.get("data_format", "channels_last")), dtype)
    assert_gradients_are_differences(
        lambda x: max_pool(x, **options, implementation=implementation), mode, x
    )


@by_mode
@by_rank
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_every_kernel(implementation: str, window: str, rank: int, mode: str) -> None:
    check_kernel(implementation, WINDOWS[window], rank, mode)


@by_run
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_hanging_over(implementation: str, rank: int, mode: str) -> None:
    """And with gaps, which TensorFlow's own operation has not."""
    gaps = 1 if implementation == "direct" else 2
    options = {"pool_size": 2, "strides": 2, "dilation_rate": gaps, "ceil_mode": True}
    check_kernel(implementation, options, rank, mode)


OPTIONS: dict[str, dict[str, Any]] = {
    "same_lower": {"padding": "same_lower"},
    "ieee": {"padding": 1, "nonfinite": "ieee"},
    "indices": {"padding": 1, "return_indices": True},
}


@by_run
@pytest.mark.parametrize("name", OPTIONS)
def test_options(name: str, rank: int, mode: str) -> None:
    def function(x: tf.Tensor) -> tf.Tensor:
        pooled = max_pool(x, 3, 2, **OPTIONS[name])
        return pooled[0] if name == "indices" else pooled

    assert_gradients_are_differences(function, mode, numbers(shape_of(rank)))


@by_mode
def test_causal(mode: str) -> None:
    x = numbers(shape_of(1))
    assert_gradients_are_differences(lambda x: max_pool(x, 3, 2, "causal"), mode, x)


def mask_of(rank: int) -> np.ndarray:
    """Hides half, and all of the second sample."""
    mask = np.random.default_rng(2).random((2, *SIZES[rank])) < 0.5
    mask[1] = False
    return mask


@by_run
@pytest.mark.parametrize("pool", [max_pool, global_max_pool], ids=lambda pool: pool.__name__)
def test_masked(pool: Callable[..., tf.Tensor], rank: int, mode: str) -> None:
    assert_gradients_are_differences(
        lambda x, mask: pool(x, mask=mask), mode, numbers(shape_of(rank)), mask_of(rank)
    )


OTHERS: dict[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "global": global_max_pool,
    "adaptive": lambda x: adaptive_max_pool(x, 2),
    "fractional": lambda x: fractional_max_pool(x, 1.4, overlapping=True, seed=1),
}


@by_run
@pytest.mark.parametrize("name", OTHERS)
def test_other_poolings(name: str, rank: int, mode: str) -> None:
    assert_gradients_are_differences(OTHERS[name], mode, numbers(shape_of(rank)))


@by_run
@pytest.mark.parametrize("window", [(2,), (3, 2, 1)], ids=["tiles", "overlapping"])
def test_unpooling(window: tuple, rank: int, mode: str) -> None:
    pooled = reference.pool(numbers(shape_of(rank)), *window)

    def function(values: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
        return max_unpool(values, indices, *window, output_size=SIZES[rank])

    assert_gradients_are_differences(function, mode, numbers(pooled.values.shape), pooled.indices)
