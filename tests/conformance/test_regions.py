"""Pooling over regions against loops in NumPy, TensorFlow's and PyTorch's fractional pooling, in every mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference
import tensorflow as tf
from conformance.regions_running import upstream_for, with_both
from harness.assertions import assert_same
from harness.cases import FLOATS, INTEGERS, distinct, ties, wild
from harness.runner import MODES, run
from harness.runner_tensorflow import nodes
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import regions as reference_regions

from keras_maxpool.backend.tensorflow import regions
from keras_maxpool.backend.tensorflow.context import current_context

# Regions of several sizes that overlap, leave gaps, and stand in no order.
CUTS = {
    1: [([0, 2, 3, 8, 0], [4, 3, 9, 9, 1])],
    2: [([0, 1, 4], [2, 5, 5]), ([2, 0, 0, 3], [4, 1, 4, 4])],
    3: [([0, 1], [2, 3]), ([0, 0, 3], [1, 4, 4]), ([1, 0], [2, 3])],
}
SPATIAL = {1: (9,), 2: (5, 4), 3: (3, 4, 3)}

by_rank = pytest.mark.parametrize("rank", [1, 2, 3], ids="{}d".format)
by_mode = pytest.mark.parametrize("mode", MODES)


def pool(
    cuts: list[reference_regions.Cut], as_tensors: bool = False
) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """The package's function for these cuts, which it gets as arrays or as tensors."""
    to: Callable[[list[int]], Any] = tf.constant if as_tensors else np.array

    def function(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        axes = [
            regions.between(to(starts), to(ends), int(np.max(np.subtract(ends, starts))))
            for starts, ends in cuts
        ]
        values, places = regions.pool_channels_last(x, axes, current_context(x))
        return values, tf.cast(places, tf.int64)

    return function


def check(x: np.ndarray, cuts: list[reference_regions.Cut], mode: str, as_tensors: bool) -> None:
    expected = reference_regions.pool(x, cuts)
    upstream = upstream_for(expected.values)
    function = with_both(pool(cuts, as_tensors))
    values, places, gradient = run(function, mode, x, upstream)
    assert_same(values, expected.values)
    assert_same(places, expected.indices)
    assert_same(gradient, reference.gradient(x.shape, expected.indices, upstream, dtype=x.dtype))


@by_rank
@by_mode
@pytest.mark.parametrize(
    ("fill", "as_tensors"),
    [(distinct, True), (ties, False), (wild, False), (wild, True)],
    ids=["distinct-tensors", "ties-arrays", "wild-arrays", "wild-tensors"],
)
def test_values_places_and_gradient(
    fill: Callable[..., np.ndarray], as_tensors: bool, mode: str, rank: int
) -> None:
    shape = (2, *SPATIAL[rank], 3)
    x = fill(shape, "float32", np.random.default_rng(2)).astype("float32")
    check(x, CUTS[rank], mode, as_tensors)


@by_mode
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_floats(dtype: str, mode: str) -> None:
    to = tf.as_dtype(dtype).as_numpy_dtype
    for fill in (ties, wild):
        x = fill((2, *SPATIAL[2], 3), dtype, np.random.default_rng(3)).astype(to)
        check(x, CUTS[2], mode, as_tensors=False)


@by_mode
@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers(dtype: str, mode: str) -> None:
    """With both ends of the dtype's range."""
    rng, limits = np.random.default_rng(4), np.iinfo(dtype)
    x = ties((2, *SPATIAL[2], 3), dtype, rng).astype(dtype)
    x[rng.random(x.shape) < 0.1] = limits.max
    x[..., 0] = limits.min
    expected = reference_regions.pool(x, CUTS[2])
    values, places = run(pool(CUTS[2]), mode, x)
    assert_same(values, expected.values)
    assert_same(places, expected.indices)


@st.composite
def cut_volumes(draw: st.DrawFn) -> tuple[np.ndarray, list[reference_regions.Cut]]:
    """A small volume with few different values, and any regions in it."""
    spatial = draw(st.lists(st.integers(1, 6), min_size=1, max_size=3))
    cuts = []
    for size in spatial:
        bounds = st.tuples(st.integers(0, size - 1), st.integers(1, size))
        pairs = draw(
            st.lists(bounds.filter(lambda pair: pair[0] < pair[1]), min_size=1, max_size=4)
        )
        starts, ends = zip(*pairs, strict=True)
        cuts.append((list(starts), list(ends)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    few = np.array([-1, 0, 1, np.nan], "float32")
    return rng.choice(few, (2, *spatial, 2), p=[0.3, 0.4, 0.2, 0.1]), cuts


@settings(max_examples=60, deadline=None)
@given(cut_volumes(), st.booleans())
def test_any_regions(volume: tuple[np.ndarray, list], as_tensors: bool) -> None:
    check(*volume, "eager", as_tensors)


@by_mode
def test_regions_of_one_length_are_reshaped(mode: str) -> None:
    """Regions that follow one another and are of one length need no gather; axes without regions stay."""
    x = distinct((2, 6, 4, 3), "float32", np.random.default_rng(5)).astype("float32")
    starts, ends = np.array([0, 2, 4]), np.array([2, 4, 6])
    halves = regions.Regions(split=(3, 2))
    expected = reference_regions.pool(
        x, [(list(starts), list(ends)), reference_regions.adaptive(4, None)]
    )
    values, places = run(
        lambda x: regions.pool_channels_last(x, [halves, None], current_context(x)), mode, x
    )
    assert_same(values, expected.values)
    np.testing.assert_array_equal(places, expected.indices)


@pytest.mark.parametrize(
    ("size", "dtype"),
    [(9, tf.int32), (2**31 - 2, tf.int32), (2**31 - 1, tf.int64), (None, tf.int64)],
)
def test_32_bits_where_they_are_enough(size: int | None, dtype: tf.DType) -> None:
    traced = nodes(
        lambda x: regions.pool_channels_last(x, [None], current_context(x)),
        tf.TensorSpec((1, size, 1)),
    )
    (places,) = [node for node in traced if node.op == "Range"]
    assert places.attr["Tidx"].type == dtype.as_datatype_enum


@by_mode
def test_no_regions_at_all(mode: str) -> None:
    x = distinct((2, 3, 4, 3), "float32", np.random.default_rng(6)).astype("float32")
    _, places, gradient = run(
        with_both(lambda x: regions.pool_channels_last(x, [None, None], current_context(x))),
        mode,
        x,
        x,
    )
    wanted = np.broadcast_to(np.arange(12, dtype="int32").reshape(1, 3, 4, 1), x.shape)
    np.testing.assert_array_equal(places, wanted)
    assert_same(gradient, x)


# Differentiation beyond the first


@by_mode
@pytest.mark.parametrize("dtype", FLOATS)
def test_second_order(dtype: str, mode: str) -> None:
    """The gradient is linear in what comes in from above: its own gradient reads at the places."""
    to = tf.as_dtype(dtype).as_numpy_dtype
    x = ties((2, *SPATIAL[2], 3), dtype, np.random.default_rng(7)).astype(to)
    expected = reference_regions.pool(x, CUTS[2])
    upstream = upstream_for(expected.values)
    tangent = np.random.default_rng(8).integers(1, 9, x.shape).astype(to)

    def second(x: tf.Tensor, upstream: tf.Tensor, tangent: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as outer:
            outer.watch(upstream)
            *_, gradient = with_both(pool(CUTS[2]))(x, upstream)
        return outer.gradient(gradient, upstream, output_gradients=tangent)

    assert_same(
        run(second, mode, x, upstream, tangent), reference.gather(tangent, expected.indices)
    )


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "graph"])
def test_forward_mode(traced: bool) -> None:
    x = ties((2, *SPATIAL[2], 3), "float32", np.random.default_rng(9)).astype("float32")
    tangent = np.random.default_rng(10).normal(size=x.shape).astype("float32")
    function = tf.function(pool(CUTS[2])) if traced else pool(CUTS[2])
    source = tf.constant(x)
    with tf.autodiff.ForwardAccumulator(source, tf.constant(tangent)) as accumulator:
        values, _ = function(source)
    expected = reference_regions.pool(x, CUTS[2])
    assert_same(values.numpy(), expected.values)
    assert_same(accumulator.jvp(values).numpy(), reference.gather(tangent, expected.indices))


def test_vectorized_map_and_jacobian() -> None:
    x = ties((2, *SPATIAL[2], 3), "float32", np.random.default_rng(11)).astype("float32")
    expected = reference_regions.pool(x, CUTS[2])

    def of_one(sample: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(sample)
            values, _ = pool(CUTS[2])(sample[None])
        return tape.gradient(values, sample)

    ones = np.ones_like(expected.values)
    gradient = reference.gradient(x.shape, expected.indices, ones, dtype="float32")
    assert_same(tf.vectorized_map(of_one, tf.constant(x)).numpy(), gradient)

    source = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(source)
        values, _ = pool(CUTS[2])(source)
    jacobian = tape.batch_jacobian(values, source).numpy()
    assert set(np.unique(jacobian)) == {0, 1}
    assert_same(jacobian.sum(axis=(1, 2, 3)), gradient)


@by_mode
def test_gradient_inside_a_loop(mode: str) -> None:
    """There a gradient must find the places that the loop's steps have made."""
    x = ties((2, *SPATIAL[2], 3), "float32", np.random.default_rng(12)).astype("float32")
    expected = reference_regions.pool(x, CUTS[2])
    upstream = upstream_for(expected.values)

    def gradient(x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            values = tf.map_fn(lambda sample: pool(CUTS[2])(sample[None])[0][0], x)
        return tape.gradient(values, x, output_gradients=upstream)

    wanted = reference.gradient(x.shape, expected.indices, upstream, dtype="float32")
    assert_same(run(gradient, mode, x, upstream), wanted)


# Nothing to pool


@by_mode
@pytest.mark.parametrize("shape", [(0, 5, 4, 3), (2, 5, 4, 0)], ids=["no-samples", "no-channels"])
def test_empty(shape: tuple[int, ...], mode: str) -> None:
    x = np.zeros(shape, "float32")
    upstream = np.zeros((shape[0], 3, 4, shape[3]), "float32")
    values, places, gradient = run(with_both(pool(CUTS[2])), mode, x, upstream)
    assert values.shape == places.shape == upstream.shape
    assert_same(gradient, x)
