"""Gradients of what `tf.vectorized_map` returns, from a tape around it: it drops custom gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from keras_maxpool import ops

RNG = np.random.default_rng(7)
BATCHES = RNG.permutation(3 * 2 * 6 * 7 * 2).reshape(3, 2, 6, 7, 2).astype("float32")

POOLINGS: dict[str, Callable[[Any], Any]] = {
    "max_pool": lambda x: ops.max_pool(x, 3, 1, return_indices=True),
    "adaptive": lambda x: ops.adaptive_max_pool(x, (4, 3), return_indices=True),
    "adaptive by splits": lambda x: ops.adaptive_max_pool(x, (3, 7), return_indices=True),
    "fractional": lambda x: ops.fractional_max_pool(x, 1.4, seed=3, return_indices=True),
}


def gradient(
    function: Callable[..., tf.Tensor], x: np.ndarray, upstream: Any, *others: np.ndarray
) -> Any:
    """The gradient of the first argument, each a batch to map over."""
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        several = (x, *map(tf.constant, others))
        y = tf.vectorized_map(lambda one: function(*one), several, fallback_to_while_loop=False)
    return tape.gradient(y, x, output_gradients=upstream).numpy()


def scattered(values: np.ndarray, indices: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Adds values of (batch, *spatial, channels) at the flat indices of each sample and channel."""
    total = np.zeros((len(like), like[0, ..., 0].size, like.shape[-1]), like.dtype)
    for position, index in np.ndenumerate(indices):
        total[position[0], index, position[-1]] += values[position]
    return total.reshape(like.shape)


@pytest.mark.parametrize("name", POOLINGS)
def test_pooling(name: str) -> None:
    pool = POOLINGS[name]
    indices = np.stack([pool(x)[1] for x in BATCHES])
    upstream = RNG.integers(1, 9, indices.shape).astype("float32")
    expected = [scattered(*arrays) for arrays in zip(upstream, indices, BATCHES, strict=True)]
    result = gradient(lambda x: pool(x)[0], BATCHES, upstream)
    np.testing.assert_array_equal(result, np.stack(expected))


@pytest.mark.parametrize("strides", [2, 1])
def test_unpooling(strides: int) -> None:
    """Adjacent windows and overlapping ones; each value has the gradient at its index."""
    pooled = [ops.max_pool(x, 2, strides, return_indices=True) for x in BATCHES]
    values, indices = (np.stack(arrays) for arrays in zip(*pooled, strict=True))
    upstream = RNG.integers(1, 9, BATCHES.shape).astype("float32")
    flat = upstream.reshape(*BATCHES.shape[:2], -1, BATCHES.shape[-1])
    at = indices.reshape(*BATCHES.shape[:2], -1, BATCHES.shape[-1])
    expected = np.take_along_axis(flat, at, 2).reshape(values.shape)

    def unpool(values: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
        return ops.max_unpool(values, indices, 2, strides, output_size=BATCHES.shape[2:4])

    np.testing.assert_array_equal(gradient(unpool, values, upstream, indices), expected)
