"""Channels-first inputs that one operation takes as they are, and what is said of oneDNN, which has it."""

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.assertions import assert_all_same, assert_same
from harness.cases import Config, case, distinct, ties
from harness.runner import forward_mode, run, second_order, with_gradient
from harness.runner_tensorflow import nodes

from keras_maxpool.backend.tensorflow import onednn, plan

CONFIGS = [
    Config((8, 8)),
    Config((6, 7), 3, (2, 1), "same"),
    Config((6, 6), 3, 1, "same"),
    Config((6, 6, 6)),
    Config((5, 5, 5), 3, 1, "same"),
]
with_configs = pytest.mark.parametrize("config", CONFIGS, ids=str)
FIRST = {"data_format": "channels_first"}


@pytest.fixture(autouse=True)
def _large(monkeypatch):
    """Eager gradients are taken in a graph."""
    monkeypatch.setattr(plan, "LARGE", 1)
    plan.choose.cache_clear()
    yield
    plan.choose.cache_clear()


@with_configs
def test_values_and_derivatives(config):
    given, pool = case(config, ties, **FIRST), config.pooling(**FIRST)
    tangent = case(config, distinct, **FIRST).x % 7 - 3
    results = run(with_gradient(pool), "eager", given.x, given.upstream)
    assert_all_same(results, given.values, given.gradient)
    along = reference.gather(2 * tangent, given.indices, **FIRST)
    further = 2 * given.upstream * along
    by_input = reference.gradient(given.x.shape, given.indices, further, dtype="float32", **FIRST)
    second = run(second_order(pool), "eager", given.x, given.upstream, tangent)
    assert_all_same(second, along, by_input)
    assert_same(run(forward_mode(pool), "eager", given.x, tangent)[1], along)
    # Forward mode over the gradient.
    square = lambda x: pool(x) ** 2  # noqa: E731
    of_square = lambda x: with_gradient(square)(x, tf.constant(given.upstream))[1]  # noqa: E731
    assert_same(run(forward_mode(of_square), "eager", given.x, tangent)[1], by_input)


@with_configs
def test_maps_and_jacobians(config):
    """A map's backward pass, in which the gradient of channels first cannot be in oneDNN."""
    several = [case(config, fill, **FIRST) for fill in (ties, distinct)]
    x, upstream, _, *wanted = (np.stack(arrays) for arrays in zip(*several, strict=True))
    function = with_gradient(config.pooling(**FIRST))
    traced = tf.function(function)
    traced(tf.constant(x[0]), tf.constant(upstream[0]))
    # A known limit: whatever vectorises MaxPool3DGrad passes a gradient to each tied element.
    for f in (function, traced)[: 4 - config.rank]:
        mapped = tf.vectorized_map(lambda pair: f(*pair), (x, upstream))  # noqa: B023
        assert_all_same(mapped, *wanted)
    chosen = 0 if config.rank == 2 else 1
    inputs, tangent = tf.constant(x[chosen]), case(config, distinct, **FIRST).x % 7 - 3
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        y = config.pooling(**FIRST)(inputs)
    jacobian = tape.jacobian(y, inputs).numpy()
    assert np.count_nonzero(jacobian) == np.size(y)
    along = np.tensordot(jacobian, tangent, tangent.ndim)
    assert_same(along, reference.gather(tangent, several[chosen].indices, **FIRST))


@with_configs
def test_graphs_that_may_travel_hold_channels_last_operations(config):
    given = case(config, ties, **FIRST)
    specs = tf.TensorSpec(given.x.shape), tf.TensorSpec(given.upstream.shape)
    traced = nodes(with_gradient(config.pooling(**FIRST)), *specs)
    pools = [node for node in traced if node.op.startswith("MaxPool")]
    assert pools
    assert {node.attr["data_format"].s for node in pools} <= {b"NHWC", b"NDHWC"}


# What is said of oneDNN, beside what TensorFlow's own functions do in a graph


def of_a_tie(data_format, dtype):
    """How much of a gradient of 1 a window of zeros gets, or 0 where it cannot."""
    shape = [1 if letter in "NC" else 2 for letter in data_format]
    pool = lambda x: tf.nn.max_pool(x, shape, shape, "VALID", data_format)  # noqa: E731
    x, upstream = tf.zeros(shape, dtype), tf.ones([1] * len(shape), dtype)
    try:
        _, gradient = tf.function(with_gradient(pool))(x, upstream)
        return float(tf.reduce_sum(tf.cast(gradient, tf.float32)))
    except (tf.errors.OpError, TypeError):
        return 0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float64", "int32"])
def test_what_onednn_does(dtype):
    if dtype in ("float32", "bfloat16"):
        assert onednn.favours_first_in_3d(dtype) == (of_a_tie("NDHWC", dtype) == 1)
    for rank, data_format in ((2, "NCHW"), (3, "NCDHW")):
        wanted = dtype != "int32" and of_a_tie(data_format, dtype) == 1
        assert onednn.takes_channels_first(dtype, rank) == wanted


@pytest.mark.parametrize("only", ["NCHW", "NCDHW"])
def test_each_rank_is_asked_for(only, monkeypatch):
    monkeypatch.setattr(onednn, "_gradient_of_a_tie", lambda _, name: 1.0 if name == only else 4.0)
    takes = onednn.takes_channels_first.__wrapped__
    assert [takes("float32", rank) for rank in (2, 3)] == [only == "NCHW", only == "NCDHW"]
