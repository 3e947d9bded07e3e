"""Fractional max pooling layers: output sizes, and what they draw from their seeds in training and inference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness.assertions import assert_same
from harness.cases import distinct
from harness.keras_version import keras
from harness.runner import BACKEND, MODES, as_array, as_tensor, in_mode

import keras_maxpool
from keras_maxpool.compat import keras as keras_used
from keras_maxpool.geometry import output_shapes

X = distinct((2, 12, 9, 1), "float32", np.random.default_rng(4)).astype("float32")


def layer_of(rank: int, *args: Any, **options: Any) -> Any:
    return getattr(keras_maxpool, f"FractionalMaxPool{rank}D")(*args, **options)


@pytest.mark.parametrize("ratio", [1.0, 1.25, 1.44, 1.73, 2.0, 2**0.5, 2.5, 3.0])
def test_output_sizes_are_tensorflows(ratio: float, tf: Any) -> None:
    """Up to 36 / 1.44, which is 25: TensorFlow divides in float32, and returns 24."""
    layer = layer_of(2, (ratio, 1))
    for size in range(3, 36):
        x = tf.zeros([1, size, 1, 1])
        theirs = tf.nn.fractional_max_pool(x, [1, ratio, 1, 1]).output
        assert layer.compute_output_shape(x.shape) == tuple(theirs.shape)


def test_ratios_of_integers_are_exact() -> None:
    """With denominators up to a million; as floats, some are just below the integer that they are."""
    assert layer_of(2, (1.44, 1)).compute_output_shape((1, 36, 1, 1)) == (1, 25, 1, 1)
    for size, outputs, got in [
        *((617, 500, 500), (1_000_003, 999_983, 999_983)),
        (1_500_007, 1_000_003, 1_000_002),  # the nearest fraction with less is a little larger
        *((size, m, m) for m in range(1, 30) for size in range(m, 3 * m)),
    ]:
        assert output_shapes.fractional_size(size, size / outputs) == got


def training_calls(layer: Any, mode: str = "eager", count: int = 4) -> list[np.ndarray]:
    """What a few calls in training return, one after another."""
    function = in_mode(lambda x: layer(x, training=True), mode)
    return [as_array(function(as_tensor(X))) for _ in range(count)]


@pytest.mark.parametrize("pseudo_random", [False, True], ids=["random", "pseudo"])
def test_training_draws_in_each_call_and_equally_in_each_mode(pseudo_random: bool) -> None:
    # Under `jax.jit` a generator's state needs Keras's stateless calls.
    modes = MODES[:1] if BACKEND == "jax" else MODES
    calls = [training_calls(layer_of(2, 1.44, pseudo_random, seed=6), mode) for mode in modes]
    assert len({call.tobytes() for call in calls[0]}) > 1
    for others in calls[1:]:
        for got, wanted in zip(others, calls[0], strict=True):
            assert_same(got, wanted)
    generator = keras_used.random.SeedGenerator(6)
    for wanted in calls[0]:
        got = keras_maxpool.ops.fractional_max_pool(X, 1.44, pseudo_random, seed=generator)
        assert_same(got, wanted)


def test_inference_is_the_same_in_every_call() -> None:
    layer = layer_of(2, 1.44, seed=6)
    first = layer(X)
    training_calls(layer)
    for other in (layer, layer_of(2, 1.44, seed=6)):
        assert_same(other(X), first)
    of_zero = keras_maxpool.ops.fractional_max_pool(X, 1.44, seed=0)
    for other in (layer_of(2, 1.44), layer_of(2, 1.44, seed=0)):
        assert_same(other(X), of_zero)


def test_unseeded_layers_differ_in_training() -> None:
    one, other = (training_calls(layer_of(2, 1.44)) for _ in range(2))
    assert any(not np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_one_draw_serves_all_samples_and_channels() -> None:
    x = np.broadcast_to(np.arange(108, dtype="float32").reshape(1, 12, 9, 1), (4, 12, 9, 3))
    values = as_array(layer_of(2, 1.44)(x, training=True))
    np.testing.assert_array_equal(values, np.broadcast_to(values[:1, ..., :1], values.shape))


def test_fit() -> None:
    """Graham's networks in small; the mean loss falls."""
    keras.utils.set_random_seed(5)
    convs = [keras.layers.Conv2D(4, 2, activation="relu") for _ in range(2)]
    first = keras_maxpool.FractionalMaxPool2D(1.44, pseudo_random=True, overlapping=True, seed=1)
    second = keras_maxpool.FractionalMaxPooling2D(1.44, seed=2)
    top = keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")
    blocks = convs[0], first, convs[1], second
    model = keras.Sequential([keras.Input((12, 12, 2)), *blocks, *top])
    model.compile("adam", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(5)
    y = rng.integers(0, 3, 24)
    x = (rng.normal(size=(24, 12, 12, 2)) + y.reshape(-1, 1, 1, 1)).astype("float32")
    losses = model.fit(x, y, batch_size=8, epochs=8, shuffle=False, verbose=0).history["loss"]
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
