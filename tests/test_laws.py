"""Laws of max pooling, which hold without an oracle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from fuzzing import Example, examples
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from running import FLOATS, MODES, assert_same, in_mode
from test_fuzz import fits

from keras_maxpool.ops import max_pool, max_unpool

FEW = settings(max_examples=60, deadline=None, derandomize=True, database=None)
with_modes = pytest.mark.parametrize("mode", MODES)


def image(rank: int = 2, size: int = 12, low: int = -9) -> np.ndarray:
    """Small whole numbers, with ties."""
    rng = np.random.default_rng(rank)
    return rng.integers(low, 10, (2, *[size] * rank, 3)).astype("float32")


def pooled(mode: str, *arguments: Any, **options: Any) -> Callable[[np.ndarray], np.ndarray]:
    function = in_mode(lambda x: max_pool(x, *arguments, **options), mode)
    return lambda x: function(tf.constant(x)).numpy()


@with_modes
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    "rising", [lambda x: 3 * x + 1, lambda x: x**3, np.arctan], ids=["line", "cube", "arctan"]
)
def test_maps_that_keep_the_order_commute(rising: Callable, rank: int, mode: str) -> None:
    pool, x = pooled(mode, 3, 2, "same"), image(rank)
    assert_same(pool(rising(x)), rising(pool(x)))


@with_modes
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ((2, 2), (2, 2), (4, 4)),
        ((2, 2), (3, 3), (6, 6)),
        ((3, 1), (4, 1), (6, 1)),
        ((3, 1), (2, 2), (4, 2)),
        ((2, 1), (3, 3), (4, 3)),
    ],
    ids=str,
)
def test_two_steps_are_one(first: Any, second: Any, both: Any, rank: int, mode: str) -> None:
    x = image(rank)
    assert_same(pooled(mode, *second)(pooled(mode, *first)(x)), pooled(mode, *both)(x))


@with_modes
def test_axis_by_axis_is_all_at_once(mode: str) -> None:
    x = image(3)
    for axis in (2, 0, 1):
        sizes = [3 if place == axis else 1 for place in range(3)]
        strides = [2 if place == axis else 1 for place in range(3)]
        x = pooled(mode, tuple(sizes), tuple(strides), "same")(x)
    assert_same(x, pooled(mode, 3, 2, "same")(image(3)))


@with_modes
@pytest.mark.parametrize("strides", [1, 2, 3])
def test_a_shift_by_a_stride_shifts_the_output_by_one(strides: int, mode: str) -> None:
    pool, x = pooled(mode, 3, strides), image()
    assert_same(pool(x[:, strides:, strides:]), pool(x)[:, 1:, 1:])
    # And what is cut off at the end touches no window that is left.
    whole = pool(x)
    assert_same(pool(x[:, : (whole.shape[1] - 2) * strides + 3]), whole[:, :-1])


@with_modes
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_samples_and_channels_do_not_mix(data_format: str, mode: str) -> None:
    pool, x = pooled(mode, 3, 2, "same", data_format), image(size=6)
    x = np.concatenate([x, -x, x[::-1]])
    x = np.moveaxis(x, -1, 1) if data_format == "channels_first" else x
    channel = 1 if data_format == "channels_first" else -1
    order = np.random.default_rng(0).permutation(len(x))
    assert_same(pool(x[order]), pool(x)[order])
    assert_same(pool(np.take(x, [2, 0, 1], channel)), np.take(pool(x), [2, 0, 1], channel))


@with_modes
def test_negation_gives_the_minima(mode: str) -> None:
    x = image()
    blocks = x.reshape(2, 6, 2, 6, 2, 3)
    assert_same(-pooled(mode, 2)(-x), blocks.min((2, 4)))


@with_modes
def test_pooling_twice_with_one_window_widens_it(mode: str) -> None:
    """Stride 1 and "same": idempotent only where nothing is wider, so it grows by the window less one."""
    x, pool = image(), pooled(mode, 3, 1, "same")
    assert_same(pool(pool(x)), pooled(mode, 5, 1, "same")(x))
    assert np.all(pool(x) >= x)


@with_modes
@pytest.mark.parametrize("arguments", [(2,), (3, 2, "same"), (3, 1, 1)], ids=str)
def test_unpooling_is_the_adjoint(arguments: tuple, mode: str) -> None:
    """The sum of unpool(v) * w is the sum of v * w's elements at the indices, for any v and w."""
    x = image()
    values, indices = max_pool(x, *arguments, return_indices=True)
    rng = np.random.default_rng(1)
    v = rng.integers(-5, 6, values.shape).astype("float32")
    w = rng.integers(-5, 6, x.shape).astype("float32")

    def unpool(v: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
        return max_unpool(v, indices, *arguments, output_size=x.shape[1:-1])

    spread = in_mode(unpool, mode)(tf.constant(v), indices).numpy()
    taken = np.take_along_axis(w.reshape(2, -1, 3), indices.numpy().reshape(2, -1, 3), 1)
    assert np.sum(spread * w) == np.sum(v.reshape(2, -1, 3) * taken)


@FEW
@given(examples(), st.sampled_from(["auto", "folded", "shifted"]))
def test_every_kernel_equals_every_other(example: Example, other: str) -> None:
    assume(fits(example) and example.layout != "denormal")
    x = tf.constant(example.input())
    options = {**example.arguments, "data_format": example.data_format, "nonfinite": "ieee"}
    one, two = (
        max_pool(x, **options, implementation=implementation)
        for implementation in (example.implementation, other)
    )
    assert_same(one.numpy(), two.numpy())


@FEW
@given(examples())
def test_data_formats_are_transposes(example: Example) -> None:
    assume(fits(example) and example.layout != "denormal")
    x = example.input()
    swapped, back = (-1, 1) if example.data_format == "channels_last" else (1, -1)
    other = {"channels_last": "channels_first", "channels_first": "channels_last"}
    options = {**example.arguments, "nonfinite": "ieee"}
    one = max_pool(x, **options, data_format=example.data_format)
    two = max_pool(np.moveaxis(x, swapped, back), **options, data_format=other[example.data_format])
    assert_same(np.moveaxis(two.numpy(), back, swapped), one.numpy())


@FEW
@given(examples())
def test_no_gradient_is_lost(example: Example) -> None:
    """Its sum is that of what came in, less that of the windows which saw padding alone."""
    assume(fits(example) and example.dtype in FLOATS and example.layout != "denormal")
    x = tf.constant(example.input())
    options = {**example.arguments, "data_format": example.data_format, "nonfinite": "ieee"}
    with tf.GradientTape() as tape:
        tape.watch(x)
        values, indices = max_pool(x, **options, return_indices=True)
    gradient = tape.gradient(values, x)
    wanted = np.sum(indices.numpy() >= 0)
    assert np.sum(tf.cast(gradient, "float64").numpy()) == wanted
