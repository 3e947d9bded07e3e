"""Gradients of both orders against differences of values, in every kernel, rank and mode."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from running import MODES, in_mode

from keras_maxpool.arguments import IMPLEMENTATIONS
from keras_maxpool.ops import max_pool

SIZES = {1: (7,), 2: (4, 5), 3: (3, 4, 3)}
WINDOWS = {
    "overlapping": {"pool_size": 3, "strides": 2, "padding": 1},
    "same": {"pool_size": 2, "strides": 1, "padding": "same"},
}
STEP = 0.25
"""Values lie 1 apart, so that no step of this size changes who wins, and differences are exact."""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rank", SIZES)
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_gradients_are_differences(implementation: str, window: str, rank: int, mode: str) -> None:
    options = {**WINDOWS[window], "implementation": implementation}
    # TensorFlow's own operation has no float64 in 3D; the numbers are exact in either.
    dtype = "float32" if (implementation, rank) == ("direct", 3) else "float64"
    rng = np.random.default_rng(rank)
    shape = (1, *SIZES[rank], 1)
    x = rng.permutation(np.prod(shape)).astype(dtype).reshape(shape)
    moved = x + STEP * np.eye(x.size, dtype=dtype).reshape(x.size, *shape[1:])

    def pool(x: tf.Tensor) -> tf.Tensor:
        return max_pool(x, **options)

    pooled = in_mode(pool, mode)
    # One row for each element of x: how much each output moves with it.
    moves = (pooled(tf.constant(moved)) - pooled(tf.constant(x))).numpy() / STEP
    moves = moves.reshape(x.size, -1)
    upstream = rng.integers(-3, 4, moves.shape[1]).astype(dtype)
    further = rng.integers(-3, 4, x.size).astype(dtype)

    def derive(x: tf.Tensor, upstream: tf.Tensor, further: tf.Tensor) -> tuple:
        with tf.GradientTape() as outer:
            outer.watch(upstream)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = pool(x)
            gradient = inner.gradient(y, x, output_gradients=tf.reshape(upstream, tf.shape(y)))
        return gradient, outer.gradient(gradient, upstream, output_gradients=further)

    first, second = in_mode(derive, mode)(
        tf.constant(x), tf.constant(upstream), tf.constant(further.reshape(shape))
    )
    np.testing.assert_array_equal(first.numpy().ravel(), moves @ upstream)
    # The gradient is linear in what comes from above: its differences are the same table, read the other way.
    np.testing.assert_array_equal(second.numpy(), further @ moves)
    assert np.abs(moves @ upstream).max() > 0
