"""The same values and the same gradients in whatever way TensorFlow runs a pooling.

Inputs are full of ties, so that a gradient that went to another maximum would show. Upstream gradients are small
integers, so that sums are exact.
"""

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.assertions import assert_all_same, assert_same
from harness.cases import GAPS, LEVEL, PLAIN, case, distinct, ties
from harness.runner import MODES, run, with_gradient

from keras_maxpool.ops import max_pool

ROWS = [
    ("auto", PLAIN[1]),
    ("auto", GAPS),
    ("direct", PLAIN[2]),
    ("direct", PLAIN[3]),
    ("direct", LEVEL),
    ("separable", PLAIN[3]),
    ("shifted", PLAIN[2]),
]


def in_xla(function):
    return tf.function(function, jit_compile=True)


def tf_gradients(pool):
    """Without any tape."""

    def function(x, upstream):
        values = pool(x)
        return values, tf.gradients(values, x, grad_ys=upstream)[0]

    return tf.function(function)


def vectorized_map(pool):
    """Each sample on its own, and its gradient with it."""

    def one(sample):
        values, gradient = with_gradient(pool)(sample[0][None], sample[1][None])
        return values[0], gradient[0]

    # No fallback: a loop would be right, and slow.
    return lambda *given: tf.vectorized_map(one, given, fallback_to_while_loop=False)


# From a pooling to a function of an input and an upstream gradient, which returns values and gradient.
WITH_EVERY_KERNEL = {
    "tape around graph": lambda pool: with_gradient(tf.function(pool)),
    "tf.gradients": tf_gradients,
    "tf.data": lambda pool: (
        lambda *given: next(iter(tf.data.Dataset.from_tensors(given).map(with_gradient(pool))))
    ),
    "vectorized_map": vectorized_map,
}
# These differ from those above in ways that no kernel sees, and are slow.
WITH_AUTO = {
    "tape around XLA": lambda pool: with_gradient(in_xla(pool)),
    "XLA inside graph": lambda pool: tf.function(with_gradient(in_xla(pool))),
    "graph inside XLA": lambda pool: in_xla(with_gradient(tf.function(pool))),
    "vectorized_map in graph": lambda pool: tf.function(vectorized_map(pool)),
}


@pytest.mark.parametrize(
    ("way", "implementation", "config"),
    [(way, *row) for way in WITH_EVERY_KERNEL for row in ROWS]
    + [(way, "auto", PLAIN[rank]) for way in WITH_AUTO for rank in (2, 3)],
    ids=str,
)
def test_values_and_gradients(way, implementation, config):
    given = case(config, ties, batch=3)
    function = (WITH_EVERY_KERNEL | WITH_AUTO)[way](config.pooling(implementation=implementation))
    results = function(tf.constant(given.x), tf.constant(given.upstream))
    assert_all_same(results, given.values, given.gradient)


def jacobian(pool, pfor):
    def function(x):
        with tf.GradientTape(persistent=not pfor) as tape:
            tape.watch(x)
            values = pool(x)
        return tape.jacobian(values, x, experimental_use_pfor=pfor)

    return function


@pytest.mark.parametrize(
    ("mode", "implementation", "config", "pfor"),
    [(mode, *row, True) for mode in ("eager", "graph") for row in ROWS]
    + [("xla", "auto", PLAIN[2], True), ("graph", "auto", PLAIN[2], False)],
    ids=str,
)
def test_jacobian(mode, implementation, config, pfor):
    # A known limit, in notebook 06: a graph's jacobian vectorises MaxPool3DGrad, which then favours no tied element.
    limited = mode == "graph" and implementation == "direct" and config.rank == 3
    given = case(config, distinct if limited else ties)
    pool = config.pooling(implementation=implementation)
    expected = reference.jacobian(given.x.shape, given.indices)
    assert_same(run(jacobian(pool, pfor), mode, given.x), expected)


# 16 bits


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_ties_that_only_rounding_makes(dtype, mode):
    """XLA, which computes in 32 bits, must not take them back."""
    # The largest comes last; all round to one number.
    x = np.array([1.0, 1.00001, 1.00002, 1.00003], "float32").reshape(1, 2, 2, 1)
    scales = np.linspace(1, 1.0625, 16, dtype="float32").reshape(16, 1, 1, 1)

    def gradient(x, scales):
        with tf.GradientTape() as tape:
            rounded = tf.cast(x * scales, dtype)
            tape.watch(rounded)
            y = max_pool(rounded, 2)
        return tape.gradient(y, rounded)

    got = run(gradient, mode, x, scales).astype("float32")
    rounded = (x * scales).astype(tf.as_dtype(dtype).as_numpy_dtype).reshape(16, 4)
    assert (rounded[:, 0] == rounded[:, 3]).any()
    np.testing.assert_array_equal(got.reshape(16, 4), np.eye(4)[rounded.argmax(1)])
