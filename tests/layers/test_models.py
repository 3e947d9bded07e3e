"""Whole models: trained beside their twins with the built-in, and of every kind."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import reference
from harness.keras_version import keras
from harness.runner import BACKEND, as_array

import keras_maxpool

CLASSES = 4
BUILTIN, OURS = keras.layers, keras_maxpool
HALVES = {"pool_size": 2}
OVERLAPS = {"pool_size": 3, "strides": 2, "padding": "same"}


def random(seed: int, *shape: int) -> np.ndarray:
    """Normal numbers: no two are equal, so there are no ties."""
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


# Training beside the built-in


def vgg(rank: int, pool: dict[str, Any], package: Any) -> keras.Model:
    """Two blocks of convolutions, each with its pooling, by both spellings, and a layer for the classes."""
    conv = getattr(keras.layers, f"Conv{rank}D")
    first, second = (getattr(package, f"{name}{rank}D") for name in ("MaxPooling", "MaxPool"))
    convs = [conv(filters, 3, padding="same", activation="relu") for filters in (4, 4, 8)]
    blocks = [*convs[:2], first(**pool), convs[2], second(**pool), keras.layers.Flatten()]
    return keras.Sequential([*blocks, keras.layers.Dense(CLASSES, activation="softmax")])


def of_unknown_size(package: Any) -> keras.Model:
    """With neither the batch nor the image's size in the graph."""
    conv = keras.layers.Conv2D(4, 3, padding="same", activation="relu")
    pools = package.MaxPool2D(2), package.MaxPooling2D(2, padding="same")
    top = keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(CLASSES, activation="softmax")
    return keras.Sequential([keras.Input((None, None, 2)), conv, *pools, *top])


@pytest.mark.parametrize(
    ("build", "spatial", "tolerance"),
    [
        (partial(vgg, 1, OVERLAPS), (32,), 1e-6),  # the order of a sum is each kernel's own
        (partial(vgg, 2, HALVES), (12, 12), 0),
        (partial(vgg, 3, OVERLAPS), (8, 8, 8), 1e-6),
        (of_unknown_size, (13, 10), 0),
    ],
)
def test_trains_as_the_builtin(
    build: Callable[[Any], keras.Model], spatial: tuple[int, ...], tolerance: float
) -> None:
    """The loss of each epoch and the final weights, the last batch being smaller."""
    x, found = random(26, 19, *spatial, 2), []
    for package in (OURS, BUILTIN):
        keras.utils.set_random_seed(25)
        model, y = build(package), np.arange(len(x)) % CLASSES
        model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
        history = model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0).history
        assert len(set(history["loss"])) == 2  # training has changed something
        found.append([history["loss"], *model.get_weights()])
    # PyTorch sums in another order where tensors lie in memory in another order.
    tolerance = 1e-6 if BACKEND == "torch" else tolerance
    for ours, builtin in zip(*found, strict=True):
        np.testing.assert_allclose(ours, builtin, rtol=tolerance, atol=tolerance)


def pooled(x: np.ndarray, *arguments: Any, **options: Any) -> np.ndarray:
    return reference.pool(x, *arguments, **options).values


def test_sizes_that_differ() -> None:
    """A model built by its first data, and one of unknown sizes, which takes an empty batch, too."""
    model = keras.Sequential(
        [OURS.MaxPool2D(3, strides=1, padding=1), OURS.MaxPooling2D(ceil_mode=True)]
    )
    assert not model.built
    for shape in ((2, 5, 5, 2), (3, 8, 8, 2)):
        x = random(28, *shape)
        wanted = pooled(pooled(x, 3, 1, 1), 2, ceil_mode=True)
        np.testing.assert_array_equal(model.predict(x, verbose=0), wanted, strict=True)
        assert model.built
    inputs = keras.Input((None, None, None, 2))
    x = OURS.MaxPool3D(2, strides=1, padding="same")(inputs)
    model = keras.Model(inputs, OURS.MaxPooling3D(3, strides=2, padding=1, ceil_mode=True)(x))
    assert model.output_shape == (None, None, None, None, 2)
    for shape in ((2, 6, 5, 4, 2), (1, 3, 4, 7, 2), (0, 6, 5, 4, 2)):
        x = random(31, *shape)
        wanted = pooled(pooled(x, 2, 1, "same"), 3, 2, 1, ceil_mode=True)
        got = model.predict(x, verbose=0) if len(x) else as_array(model(x))
        np.testing.assert_array_equal(got, wanted, strict=True)
