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
    monkeypatch.setattr(plan, "choose", plan.choose.__wrapped__)


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
def test_jacobians(config):
    """A map's backward pass, in which the gradient of channels first cannot be in oneDNN."""
    # A known limit: whatever vectorises MaxPool3DGrad passes a gradient to each tied element.
    given = case(config, ties if config.rank == 2 else distinct, **FIRST)
    x, tangent = tf.constant(given.x), case(config, distinct, **FIRST).x % 7 - 3
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = config.pooling(**FIRST)(x)
    jacobian = tape.jacobian(y, x).numpy()
    assert np.count_nonzero(jacobian) == np.size(y)
    along = np.tensordot(jacobian, tangent, tangent.ndim)
    assert_same(along, reference.gather(tangent, given.indices, **FIRST))


@with_configs
def test_graphs_that_may_travel_hold_channels_last_operations(config):
    given = case(config, ties, **FIRST)
    specs = tf.TensorSpec(given.x.shape), tf.TensorSpec(given.upstream.shape)
    traced = nodes(with_gradient(config.pooling(**FIRST)), *specs)
    pools = [node for node in traced if node.op.startswith("MaxPool")]
    assert pools
    assert {node.attr["data_format"].s for node in pools} <= {b"NHWC", b"NDHWC"}


# What is said of oneDNN


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float64", "int32"])
def test_what_onednn_does(dtype):
    """It alone takes channels first, and has a gradient in 3D that goes to a tie's first element alone."""
    assert onednn._gradient_of_a_tie(dtype, "NHWC") == 1
    in_3d = dtype in ("float32", "bfloat16")
    has_it = in_3d and onednn._gradient_of_a_tie(dtype, "NDHWC") == 1
    assert [onednn.takes_channels_first(dtype, rank) for rank in (2, 3)] == [has_it] * 2
    if in_3d:
        assert onednn.favours_first_in_3d(dtype) == has_it


@pytest.mark.parametrize("only", ["NCHW", "NCDHW"])
def test_each_rank_is_asked_for(only, monkeypatch):
    monkeypatch.setattr(onednn, "_gradient_of_a_tie", lambda _, name: 1.0 if name == only else 4.0)
    takes = onednn.takes_channels_first.__wrapped__
    assert [takes("float32", rank) for rank in (2, 3)] == [only == "NCHW", only == "NCDHW"]
