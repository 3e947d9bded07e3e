"""Channels-first inputs that one operation takes as they are: all equals the pooling of the transposed ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import tensorflow as tf
from harness.runner_tensorflow import nodes

from keras_maxpool.backend.tensorflow import layout, onednn, plan
from keras_maxpool.ops import max_pool

CASES = [
    ((2, 3, 8, 8), 2, 2, "valid"),
    ((2, 3, 7, 9), 3, 2, "same"),
    ((2, 3, 6, 6), 3, 1, "same"),
    ((2, 3, 6, 6, 6), 2, 2, "valid"),
    ((2, 3, 5, 5, 5), 3, 1, "same"),
]
with_cases = pytest.mark.parametrize("case", CASES, ids=str)
Formula = Callable[[tf.Tensor], tf.Tensor]


@pytest.fixture(params=[False, True], ids=["small", "large"])
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both sides of the size from which an eager gradient is taken in a graph."""
    monkeypatch.setattr(plan, "LARGE", 1 if request.param else 2**40)
    plan.choose.cache_clear()
    yield
    plan.choose.cache_clear()


pytestmark = pytest.mark.usefixtures("size")


def sides(case: tuple) -> tuple[Formula, Formula, tf.Tensor, tf.Tensor]:
    """Ours as it is and with transposes around it, an input full of ties, and an upstream gradient."""
    shape, *window = case

    def first(x: tf.Tensor) -> tf.Tensor:
        return max_pool(x, *window, "channels_first")

    def last(x: tf.Tensor) -> tf.Tensor:
        y = max_pool(layout.channels_last(x, "channels_first"), *window, "channels_last")
        return layout.restored(y, "channels_first")

    rng = np.random.default_rng(len(str(case)))
    x = tf.constant(rng.integers(0, 3, shape), "float32")
    return first, last, x, tf.constant(rng.integers(-4, 5, last(x).shape), "float32")


def gradient(f: Formula, upstream: tf.Tensor) -> Formula:
    def function(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = f(x)
        return tape.gradient(y, x, output_gradients=upstream)

    return function


def equal(one: tf.Tensor, other: tf.Tensor) -> None:
    np.testing.assert_array_equal(one.numpy(), other.numpy())


@with_cases
def test_values_and_gradients(case: tuple) -> None:
    first, last, x, upstream = sides(case)
    equal(first(x), last(x))
    equal(gradient(first, upstream)(x), gradient(last, upstream)(x))


@with_cases
def test_second_order(case: tuple) -> None:
    def of(f: Formula) -> Formula:
        return gradient(lambda x: f(x) ** 3, upstream)

    first, last, x, upstream = sides(case)
    cubed = [gradient(of(f), tf.ones_like(x))(x) for f in (first, last)]
    equal(*cubed)
    assert tf.reduce_any(cubed[0] != 0)


@with_cases
def test_forward_mode(case: tuple) -> None:
    first, last, x, upstream = sides(case)
    tangent = tf.reshape(tf.range(tf.size(x), dtype=x.dtype), x.shape)

    def along(f: Formula) -> list[tf.Tensor]:
        with tf.autodiff.ForwardAccumulator(x, tangent) as accumulator:
            y = f(x)
            further = gradient(f, upstream)(x * x)
        return [accumulator.jvp(y), accumulator.jvp(further, "zero")]

    for one, other in zip(along(first), along(last), strict=True):
        equal(one, other)


@with_cases
def test_jacobian(case: tuple) -> None:
    """The backward pass of a map, in which the gradient of channels first has no place in oneDNN."""
    first, last, x, _ = sides(case)

    def jacobian(f: Formula) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = f(x)
        return tape.jacobian(y, x)

    equal(jacobian(first), jacobian(last))


@with_cases
def test_maps(case: tuple) -> None:
    first, last, x, _ = sides(case)
    several = tf.stack([x, x[::-1], -x])

    def of_ones(f: Formula) -> Formula:
        return lambda x: gradient(f, tf.ones_like(f(x)))(x)

    traced = tf.function(of_ones(first))
    traced(x)
    wanted = tf.stack([of_ones(last)(x) for x in several])
    for mapped in (of_ones(first), traced):
        equal(tf.vectorized_map(mapped, several), wanted)
    equal(tf.vectorized_map(first, several), tf.stack([last(x) for x in several]))


@with_cases
def test_graphs_that_may_travel_hold_channels_last_operations(case: tuple) -> None:
    first, _, x, upstream = sides(case)
    for f in (first, gradient(first, upstream)):
        pools = [node for node in nodes(f, x) if node.op.startswith("MaxPool")]
        assert pools
        assert {node.attr["data_format"].s for node in pools} <= {b"NHWC", b"NDHWC"}


@with_cases
def test_without_onednn(case: tuple, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the operation does not take channels first, transposes do."""
    first, last, x, upstream = sides(case)
    monkeypatch.setattr(onednn, "takes_channels_first", lambda dtype, rank: False)
    equal(first(x), last(x))
    equal(gradient(first, upstream)(x), gradient(last, upstream)(x))


def test_what_onednn_takes() -> None:
    """No other dtype is known to it; these two only where TensorFlow is built with it."""
    assert not onednn.takes_channels_first("float64", 2)
    assert not onednn.takes_channels_first("int32", 2)
    for rank in (2, 3):
        assert isinstance(onednn.takes_channels_first("float32", rank), bool)
