"""Channels-first inputs that one operation takes as they are: all equals the pooling of the transposed ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import tensorflow as tf
from harness.runner import forward_mode, run, second_order, with_gradient
from harness.runner_tensorflow import nodes

from keras_maxpool.backend.tensorflow import layout, onednn, plan
from keras_maxpool.ops import max_pool

CASES = [
    ((2, 3, 8, 8), 2, 2, "valid"),
    ((2, 3, 6, 7), 3, (2, 1), "same"),
    ((2, 3, 6, 6), 3, 1, "same"),
    ((2, 3, 6, 6, 6), 2, 2, "valid"),
    ((2, 3, 5, 5, 5), 3, 1, "same"),
]
with_cases = pytest.mark.parametrize("case", CASES, ids=str)
Formula = Callable[[tf.Tensor], tf.Tensor]


@pytest.fixture(autouse=True)
def _large(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Eager gradients are taken in a graph."""
    monkeypatch.setattr(plan, "LARGE", 1)
    plan.choose.cache_clear()
    yield
    plan.choose.cache_clear()


def sides(case: tuple) -> tuple[Formula, Formula, np.ndarray, np.ndarray]:
    """Ours as it is and with transposes around it, an input full of ties, and an upstream gradient."""
    shape, *window = case

    def first(x: tf.Tensor) -> tf.Tensor:
        return max_pool(x, *window, "channels_first")

    def last(x: tf.Tensor) -> tf.Tensor:
        y = max_pool(layout.channels_last(x, "channels_first"), *window, "channels_last")
        return layout.restored(y, "channels_first")

    rng = np.random.default_rng(len(str(case)))
    x = rng.integers(0, 3, shape).astype("float32")
    return first, last, x, rng.integers(-4, 5, last(tf.constant(x)).shape).astype("float32")


def equal(one: object, other: object) -> None:
    for actual, expected in zip(tf.nest.flatten(one), tf.nest.flatten(other), strict=True):
        np.testing.assert_array_equal(actual, expected)


@with_cases
def test_values_and_derivatives(case: tuple) -> None:
    first, last, x, upstream = sides(case)
    tangent = np.arange(x.size, dtype="float32").reshape(x.shape)

    def all_of(f: Formula) -> list[np.ndarray]:
        square = lambda x: f(x) ** 2  # noqa: E731
        gradient = lambda x: with_gradient(square)(x, tf.constant(upstream))[1]  # noqa: E731
        return [
            *run(with_gradient(f), "eager", x, upstream),
            *run(second_order(f), "eager", x, upstream, tangent),
            *run(forward_mode(f), "eager", x, tangent),
            *run(forward_mode(gradient), "eager", x, tangent),
        ]

    ours, theirs = all_of(first), all_of(last)
    equal(ours, theirs)
    assert all(np.any(result) for result in ours)


@with_cases
def test_maps_and_jacobians(case: tuple) -> None:
    """A map's backward pass, in which the gradient of channels first cannot be in oneDNN."""
    first, last, x, upstream = sides(case)
    several, further = np.stack([x, x[::-1], -x]), np.stack([upstream, upstream + 1, -upstream])
    wanted = [
        run(with_gradient(last), "eager", *pair) for pair in zip(several, further, strict=True)
    ]
    traced = tf.function(with_gradient(first))
    traced(tf.constant(x), tf.constant(upstream))
    # Known limit, in README: what vectorises MaxPool3DGrad shares ties out.
    for function in (with_gradient(first), traced)[: 2 if x.ndim == 4 else 1]:
        mapped = tf.vectorized_map(lambda pair: function(*pair), (several, further))  # noqa: B023
        equal(mapped, [np.stack(parts) for parts in zip(*wanted, strict=True)])

    def jacobian(f: Formula) -> tf.Tensor:
        inputs = tf.constant(x[:1])
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            y = f(inputs)
        return tape.jacobian(y, inputs)

    equal(jacobian(first), jacobian(last))


@with_cases
def test_graphs_that_may_travel_hold_channels_last_operations(case: tuple) -> None:
    first, _, x, upstream = sides(case)
    traced = nodes(with_gradient(first), *map(tf.constant, (x, upstream)))
    pools = [node for node in traced if node.op.startswith("MaxPool")]
    assert pools
    assert {node.attr["data_format"].s for node in pools} <= {b"NHWC", b"NDHWC"}


# What is said of oneDNN, beside what TensorFlow's own functions do in a graph


def of_a_tie(data_format: str, dtype: str) -> float:
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
def test_what_onednn_does(dtype: str) -> None:
    if dtype in ("float32", "bfloat16"):
        assert onednn.favours_first_in_3d(dtype) == (of_a_tie("NDHWC", dtype) == 1)
    for rank, data_format in ((2, "NCHW"), (3, "NCDHW")):
        wanted = dtype != "int32" and of_a_tie(data_format, dtype) == 1
        assert onednn.takes_channels_first(dtype, rank) == wanted


@pytest.mark.parametrize(("rank", "data_format"), [(2, "NCHW"), (3, "NCDHW")])
def test_each_rank_is_asked_for(
    rank: int, data_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {data_format: 1.0}
    monkeypatch.setattr(onednn, "_gradient_of_a_tie", lambda dtype, name: answers.get(name, 4.0))
    takes = onednn.takes_channels_first.__wrapped__
    assert [takes("float32", n) for n in (2, 3)] == [rank == 2, rank == 3]
