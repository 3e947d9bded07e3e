"""The guard: what a formula gets to see of inputs that have no elements, and what comes of it."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from harness.runner_tensorflow import nodes

from keras_maxpool.backend.tensorflow.context import current_context
from keras_maxpool.backend.tensorflow.kernels.direct import direct
from keras_maxpool.backend.tensorflow.kernels.native import guarded
from keras_maxpool.geometry.window import parse
from keras_maxpool.ops import max_pool

LEAST = [1, 2, 3, 1]


@pytest.mark.parametrize("missing", range(4))
@pytest.mark.parametrize("known", [True, False])
def test_a_formula_never_sees_fewer_elements_than_it_needs(missing: int, known: bool) -> None:
    sizes = [4, 5, 6, 2]
    sizes[missing] = 0
    seen = []

    def formula(x: tf.Tensor) -> tf.Tensor:
        tf.py_function(lambda sizes: seen.append(sizes.numpy().tolist()), [tf.shape(x)], [])
        return x + 1

    spec = tf.TensorSpec(sizes if known else [None] * 4)
    guard = tf.function(lambda x: guarded(formula, x, LEAST), input_signature=[spec])
    assert guard(tf.zeros(sizes)).shape.as_list() == sizes
    sizes[missing] = LEAST[missing]
    assert seen == [sizes]


def test_where_nothing_is_missing_the_formula_alone() -> None:
    def guard(x: tf.Tensor) -> tf.Tensor:
        return guarded(lambda x: x + 1, x, LEAST)

    assert "Pad" not in {node.op for node in nodes(guard, tf.TensorSpec([4, 5, 6, 2]))}
    unknown = tf.TensorSpec([None, 5, 6, 2])
    assert "Pad" in {node.op for node in nodes(guard, unknown)}
    x = np.arange(240.0, dtype="float32").reshape(4, 5, 6, 2)
    y = tf.function(guard, input_signature=[unknown])(x)
    np.testing.assert_array_equal(y, x + 1)


@pytest.mark.parametrize("rank", [2, 3])
def test_a_graph_pools_an_axis_that_is_known_to_have_no_elements(rank: int) -> None:
    window = parse(rank, 2, 2, "same", 1, False)
    spec = tf.TensorSpec([None, 0, *[4] * (rank - 1), 3])
    pool = tf.function(lambda x: direct(x, window, current_context(x)), input_signature=[spec])
    assert pool(tf.zeros([5, 0, *[4] * (rank - 1), 3])).shape == (5, 0, *[2] * (rank - 1), 3)


@pytest.mark.parametrize("rank", [2, 3])
def test_one_element_an_axis_is_enough_for_same(rank: int) -> None:
    """Where sizes are unknown, and a gradient may be asked for."""
    window = parse(rank, 2, 2, "same", 1, False)
    x = np.arange(6.0, dtype="float32").reshape(1, *[1] * (rank - 1), 6, 1)
    spec = tf.TensorSpec([None] * (rank + 1) + [1])

    @tf.function(input_signature=[spec])
    def pool_and_gradient(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = direct(x, window, current_context(x))
        return y, tape.gradient(y, x)

    y, gradient = pool_and_gradient(x)
    np.testing.assert_array_equal(np.ravel(y), [1, 3, 5])
    np.testing.assert_array_equal(np.ravel(gradient), [0, 1, 0, 1, 0, 1])


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_one_sample_is_enough_for_indices(rank: int) -> None:
    """Where the size of the batch is unknown."""
    x = np.arange(4.0**rank, dtype="float32").reshape(1, *[4] * rank, 1)
    spec = tf.TensorSpec([None] * (rank + 1) + [1])
    pool = tf.function(lambda x: max_pool(x, 2, return_indices=True), input_signature=[spec])
    values, indices = pool(x)
    np.testing.assert_array_equal(values, max_pool(x, 2))
    np.testing.assert_array_equal(np.ravel(x)[indices], values)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_graph_pools_an_axis_that_turns_out_to_have_no_elements(rank: int) -> None:
    spec = tf.TensorSpec([None] * (rank + 1) + [1])
    pool = tf.function(lambda x: max_pool(x, 2, padding="same"), input_signature=[spec])
    assert pool(np.zeros((3, 0, *[4] * (rank - 1), 1))).shape == (3, 0, *[2] * (rank - 1), 1)
