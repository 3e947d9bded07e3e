"""Forward mode of every op, over its values and over its gradient, against finite differences.

Inputs are distinct whole numbers and steps are small powers of two: no maximum moves, and all differences are exact.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from harness.assertions import assert_same

from keras_maxpool import ops

SHAPE = (2, 6, 8, 3)
STEP = 2.0**-6

OPS = {
    "max_pool": lambda x: ops.max_pool(x, 3, 2),
    "max_pool, one shape": lambda x: ops.max_pool(x, 3, 1, "same"),
    "max_pool, channels first": lambda x: ops.max_pool(x, 2, 1, data_format="channels_first"),
    "max_pool in 3D": lambda x: ops.max_pool(tf.expand_dims(x, -1), 2),
    "max_pool with a mask": lambda x: ops.max_pool(x, 3, 2, mask=tf.reduce_max(x, -1) > 200),
    "max_unpool, tiles": lambda x: ops.max_unpool(
        x, ops.max_pool(tf.stop_gradient(x), 1, return_indices=True)[1], 2
    ),
    "max_unpool, scattered": lambda x: ops.max_unpool(
        x, ops.max_pool(tf.stop_gradient(x), 1, return_indices=True)[1], 3, 2
    ),
    "adaptive_max_pool": lambda x: ops.adaptive_max_pool(x, (4, 3)),
    "fractional_max_pool": lambda x: ops.fractional_max_pool(x, 1.5, seed=1),
    "global_max_pool": ops.global_max_pool,
}

UNKNOWN = (None, None, None, SHAPE[-1])


def given() -> tuple[np.ndarray, np.ndarray]:
    """Inputs, and a tangent."""
    rng = np.random.default_rng(0)
    x = rng.permutation(np.prod(SHAPE)).reshape(SHAPE)
    return x.astype("float32"), rng.integers(-3, 4, SHAPE).astype("float32")


def squared_gradient(op: Callable) -> Callable:
    """What leads back from the squares of an op's results."""

    def function(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.square(op(x))
        return tape.gradient(y, x)

    return function


def difference(function: Callable, x: np.ndarray, tangent: np.ndarray) -> np.ndarray:
    """How much `function` grows along `tangent`."""
    near, here = (function(tf.constant(at)).numpy() for at in (x + STEP * tangent, x))
    return (near - here) / STEP


def tangent_of(function: Callable, x: tf.Tensor, tangent: tf.Tensor) -> tf.Tensor:
    with tf.autodiff.ForwardAccumulator(x, tangent) as accumulator:
        y = function(x)
    return accumulator.jvp(y)


def inside(function: Callable, shape: tuple, jit_compile: bool = False) -> Callable:
    """The accumulator is in the graph."""
    specs = [tf.TensorSpec(shape), tf.TensorSpec(shape)]
    return tf.function(
        lambda *given: tangent_of(function, *given), input_signature=specs, jit_compile=jit_compile
    )


def around(function: Callable) -> Callable:
    """The accumulator is around the graph, which TensorFlow differentiates twice for it."""
    traced = tf.function(function, input_signature=[tf.TensorSpec(UNKNOWN)])
    return lambda *given: tangent_of(traced, *given)


ROADS = {
    "eager": lambda function: lambda *given: tangent_of(function, *given),
    "inside": lambda function: inside(function, SHAPE),
    "inside, sizes unknown": lambda function: inside(function, UNKNOWN),
    "inside XLA": lambda function: inside(function, SHAPE, jit_compile=True),
    "around, sizes unknown": around,
}


@pytest.mark.parametrize("op", OPS.values(), ids=OPS.keys())
@pytest.mark.parametrize(
    "road",
    [
        pytest.param(road, id=name, marks=[pytest.mark.slow] * (name in ("inside", "inside XLA")))
        for name, road in ROADS.items()
    ],
)
@pytest.mark.parametrize("of", ["values", "gradient"])
def test_forward_mode(of: str, road: Callable, op: Callable) -> None:
    x, tangent = given()
    function = op if of == "values" else squared_gradient(op)
    expected = difference(function, x, tangent)
    assert np.any(expected)
    actual = road(function)(tf.constant(x), tf.constant(tangent))
    assert_same(actual.numpy(), expected)
