"""Derivatives of higher order and in forward mode, in the ways that only TensorFlow has."""

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.assertions import assert_all_same, assert_same
from harness.cases import Config, case, distinct, ties
from harness.runner import forward_mode, run, second_order, with_gradient

from keras_maxpool import ops
from keras_maxpool.backend.tensorflow import plan

# Forward mode of every op, over its values and over its gradient, against finite differences. Inputs are distinct
# integers and steps are small powers of two: no maximum moves, and all differences are exact.

SHAPE = (2, 6, 8, 3)
STEP = 2.0**-6


def unpooled(x, *window):
    _, indices = ops.max_pool(tf.stop_gradient(x), 1, return_indices=True)
    return ops.max_unpool(x, indices, *window)


OPS = {
    "max_pool": lambda x: ops.max_pool(x, 3, 2),
    "max_pool, one shape": lambda x: ops.max_pool(x, 3, 1, "same"),
    "max_pool, channels first": lambda x: ops.max_pool(x, 2, 1, data_format="channels_first"),
    "max_pool in 3D": lambda x: ops.max_pool(tf.expand_dims(x, -1), 2),
    "max_pool with a mask": lambda x: ops.max_pool(x, 3, 2, mask=tf.reduce_max(x, -1) > 200),
    "max_unpool, tiles": lambda x: unpooled(x, 2),
    "max_unpool, scattered": lambda x: unpooled(x, 3, 2),
    "adaptive_max_pool": lambda x: ops.adaptive_max_pool(x, (4, 3)),
    "fractional_max_pool": lambda x: ops.fractional_max_pool(x, 1.5, seed=1),
    "global_max_pool": ops.global_max_pool,
}


def both(op):
    """The op's results, and the gradient of their squares."""

    def function(x):
        y = op(x)
        square = lambda x: tf.square(op(x))  # noqa: E731
        return y, with_gradient(square)(x, tf.ones_like(y))[1]

    return function


def tangents(function):
    def along(x, tangent):
        with tf.autodiff.ForwardAccumulator(x, tangent) as accumulator:
            results = function(x)
        return [accumulator.jvp(result) for result in results]

    return along


SPEC = tf.TensorSpec((None, None, None, SHAPE[-1]))
ROADS = {
    "eager": tangents,
    "inside, sizes unknown": lambda f: tf.function(tangents(f), input_signature=[SPEC, SPEC]),
    # The accumulator is around the graph, which TensorFlow differentiates twice for it.
    "around, sizes unknown": lambda f: tangents(tf.function(f, input_signature=[SPEC])),
    "inside": lambda f: tf.function(tangents(f)),
    "inside XLA": lambda f: tf.function(tangents(f), jit_compile=True),
}


@pytest.mark.parametrize("name", OPS)
@pytest.mark.parametrize(
    "road",
    [*list(ROADS)[:3], *(pytest.param(name, marks=pytest.mark.slow) for name in list(ROADS)[3:])],
)
def test_forward_mode(road, name):
    rng, function = np.random.default_rng(0), both(OPS[name])
    x = rng.permutation(np.prod(SHAPE)).reshape(SHAPE).astype("float32")
    tangent = rng.integers(-3, 4, SHAPE).astype("float32")
    near, here = (function(tf.constant(at)) for at in (x + STEP * tangent, x))
    found = ROADS[road](function)(tf.constant(x), tf.constant(tangent))
    for actual, *ends in zip(found, near, here, strict=True):
        expected = (ends[0].numpy() - ends[1].numpy()) / STEP
        assert np.any(expected)
        assert_same(actual.numpy(), expected)


# XLA's own operations


APART = [
    *(Config((13,), 4, 4, "same"), Config((9, 10), 4), Config((9, 10), 5, 5, "same")),
    *(Config((7, 9), 4, 5, "same"), Config((6, 5, 8), 4, 4, "same"), Config((4, 5, 8), 4)),
]


@pytest.fixture(params=["axis by axis in 3D", "at once"])
def scatters(request, monkeypatch):
    """The two ways to scatter in 3D, of which the second is that of more channels than these tests have."""
    monkeypatch.setattr(plan, "FEW", 8 if request.param == "axis by axis in 3D" else 2)
    monkeypatch.setattr(plan, "choose", plan.choose.__wrapped__)


@pytest.mark.usefixtures("scatters")
@pytest.mark.parametrize("config", APART, ids=str)
def test_xla_scatters_to_the_first_maximum(config):
    """In its own operations, which pool windows that do not overlap: with the derivatives of the gradient."""
    given, tangent = case(config, ties), case(config, distinct).x % 7 - 3
    traced = tf.function(with_gradient(config.pooling()), jit_compile=True)
    text = traced.experimental_get_compiler_ir(given.x, given.upstream)(stage="hlo")
    assert "select-and-scatter" in text
    results = run(with_gradient(config.pooling()), "xla", given.x, given.upstream)
    assert_all_same(results, given.values, given.gradient)
    found = run(second_order(config.pooling()), "xla", given.x, given.upstream, tangent)
    along = reference.gather(2 * tangent, given.indices)
    further = 2 * given.upstream * along
    by_input = reference.gradient(given.x.shape, given.indices, further, dtype="float32")
    assert_all_same(found, along, by_input)
    results = run(forward_mode(config.pooling()), "xla", given.x, tangent)
    assert_all_same(results, given.values, along)


# Gradients of what tf.vectorized_map returns, from a tape around it: it drops custom gradients.

RNG = np.random.default_rng(7)
BATCHES = RNG.permutation(3 * 2 * 6 * 7 * 2).reshape(3, 2, 6, 7, 2).astype("float32")
POOLINGS = {
    "max_pool": lambda x: ops.max_pool(x, 3, 1, return_indices=True),
    "adaptive": lambda x: ops.adaptive_max_pool(x, (4, 3), return_indices=True),
    "adaptive by splits": lambda x: ops.adaptive_max_pool(x, (3, 7), return_indices=True),
    "fractional": lambda x: ops.fractional_max_pool(x, 1.4, seed=3, return_indices=True),
}


def mapped_gradient(function, x, upstream, *others):
    """The gradient of the first argument, each a batch to map over."""

    def mapped(x):
        several = (x, *map(tf.constant, others))
        return tf.vectorized_map(lambda one: function(*one), several, fallback_to_while_loop=False)

    return run(with_gradient(mapped), "eager", x, upstream)[1]


@pytest.mark.parametrize("name", POOLINGS)
def test_gradient_of_mapped_pooling(name):
    pool = POOLINGS[name]
    indices = [pool(x)[1].numpy() for x in BATCHES]
    upstream = RNG.integers(1, 9, (len(BATCHES), *indices[0].shape)).astype("float32")
    expected = [
        reference.gradient(x.shape, *arrays, dtype="float32")
        for x, *arrays in zip(BATCHES, indices, upstream, strict=True)
    ]
    result = mapped_gradient(lambda x: pool(x)[0], BATCHES, upstream)
    assert_same(result, np.stack(expected))


@pytest.mark.parametrize("strides", [2, 1])
def test_gradient_of_mapped_unpooling(strides):
    """Adjacent windows and overlapping ones; each value has the gradient at its index."""
    pooled = [ops.max_pool(x, 2, strides, return_indices=True) for x in BATCHES]
    values, indices = (np.stack(arrays) for arrays in zip(*pooled, strict=True))
    upstream = RNG.integers(1, 9, BATCHES.shape).astype("float32")
    expected = [reference.gather(*arrays) for arrays in zip(upstream, indices, strict=True)]

    def unpool(values, indices):
        return ops.max_unpool(values, indices, 2, strides, output_size=BATCHES.shape[2:4])

    assert_same(mapped_gradient(unpool, values, upstream, indices), np.stack(expected))
