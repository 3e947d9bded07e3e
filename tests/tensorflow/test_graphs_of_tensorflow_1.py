"""Graphs outside of `tf.function`, where `==` between tensors compares their identities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from keras_maxpool import ops

X = np.random.default_rng(5).permutation(2 * 6 * 5 * 2).reshape(2, 6, 5, 2).astype("float32")
MASK = np.random.default_rng(6).random((2, 6, 5)) > 0.3
POOLINGS: dict[str, Callable[[Any], Any]] = {
    "max_pool": lambda x: ops.max_pool(x, 3, 1, return_indices=True),
    "ieee": lambda x: ops.max_pool(x, 3, 1, nonfinite="ieee", return_indices=True),
    "shifted": lambda x: ops.max_pool(x, 3, 1, implementation="shifted", return_indices=True),
    "mask": lambda x: ops.max_pool(x, 2, mask=MASK, return_indices=True),
    "global": lambda x: ops.global_max_pool(x, mask=MASK, return_indices=True),
    "adaptive": lambda x: ops.adaptive_max_pool(x, (4, 3), return_indices=True),
}


def results(pool: Callable[[Any], Any], x: tf.Tensor) -> tuple[Any, ...]:
    values, indices = pool(x)
    return values, indices, tf.gradients(tf.reduce_sum(values**2), x)[0]


@pytest.mark.parametrize("name", POOLINGS)
def test_results_are_those_of_a_function(name: str) -> None:
    pool = POOLINGS[name]
    expected = tf.function(lambda x: results(pool, x))(tf.constant(X))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        found = session.run(results(pool, tf.constant(X)))
    for result, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(result, wanted)
