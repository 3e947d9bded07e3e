"""Fractional max pooling layers: output sizes, and what they draw from their seeds in training and inference."""

from typing import Any

import numpy as np
import pytest
from harness.assertions import assert_all_same, assert_same
from harness.cases import distinct
from harness.runner import BACKEND, MODES, as_array, as_tensor, in_mode

from keras_maxpool import FractionalMaxPool2D, ops
from keras_maxpool.compat import keras as keras_used
from keras_maxpool.geometry import output_shapes

X = distinct((2, 12, 9, 1), "float32", np.random.default_rng(4)).astype("float32")


def test_output_sizes_are_exact() -> None:
    """With denominators up to a million; as floats, some ratios are just below the integer that they are."""
    # TensorFlow divides in float32, and returns 24.
    assert FractionalMaxPool2D((1.44, 1)).compute_output_shape((1, 36, 1, 1)) == (1, 25, 1, 1)
    for size, ratio, got in [
        *((34, 1.25, 27), (35, 1.73, 20), (35, 2**0.5, 24), (35, 2.5, 14), (617, 617 / 500, 500)),
        (1_000_003, 1_000_003 / 999_983, 999_983),
        (1_500_007, 1_500_007 / 1_000_003, 1_000_002),  # the nearest fraction is a little larger
        *((size, size / m, m) for m in range(1, 30) for size in range(m, 3 * m)),
    ]:
        assert output_shapes.fractional_size(size, ratio) == got


def training_calls(layer: Any, mode: str = "eager", count: int = 4) -> list[np.ndarray]:
    """What a few calls in training return, one after another."""
    function = in_mode(lambda x: layer(x, training=True), mode)
    return [as_array(function(as_tensor(X))) for _ in range(count)]


@pytest.mark.parametrize("pseudo_random", [False, True])
def test_training_draws_in_each_call_and_equally_in_each_mode(pseudo_random: bool) -> None:
    # Under `jax.jit` a generator's state needs Keras's stateless calls.
    modes = MODES[:1] if BACKEND == "jax" else MODES
    calls = [
        training_calls(FractionalMaxPool2D(1.44, pseudo_random, seed=6), mode) for mode in modes
    ]
    assert len({call.tobytes() for call in calls[0]}) > 1
    for others in calls[1:]:
        assert_all_same(others, *calls[0])
    generator = keras_used.random.SeedGenerator(6)
    for wanted in calls[0]:
        got = ops.fractional_max_pool(X, 1.44, pseudo_random, seed=generator)
        assert_same(got, wanted)


def test_inference_is_the_same_in_every_call() -> None:
    layer = FractionalMaxPool2D(1.44, seed=6)
    first = layer(X)
    training_calls(layer)
    for other in (layer, FractionalMaxPool2D(1.44, seed=6)):
        assert_same(other(X), first)
    of_zero = ops.fractional_max_pool(X, 1.44, seed=0)
    unseeded = [FractionalMaxPool2D(1.44) for _ in range(2)]
    for other in (*unseeded, FractionalMaxPool2D(1.44, seed=0)):
        assert_same(other(X), of_zero)
    one, other = map(training_calls, unseeded)
    assert any(not np.array_equal(a, b) for a, b in zip(one, other, strict=True))
