"""Whole models: trained step by step beside their twins with the built-in, and of every kind."""

from __future__ import annotations

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


class StepLosses(keras.callbacks.Callback):
    """Keeps the loss of each step."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        # The log is a mean since the last reset: from here on it is this step's.
        self.model.reset_metrics()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.losses.append(float(logs["loss"]))


class Subclassed(keras.Model):
    """Both spellings as attributes, one of them called twice."""

    def __init__(self, package: Any) -> None:
        super().__init__()
        self.conv = keras.layers.Conv2D(4, 3, padding="same", activation="relu")
        self.short = package.MaxPool2D(2, padding="same")
        self.long = package.MaxPooling2D(2)
        self.flatten = keras.layers.Flatten()
        self.dense = keras.layers.Dense(CLASSES, activation="softmax")

    def call(self, inputs: Any) -> Any:
        x = self.long(self.short(self.conv(inputs)))
        return self.dense(self.flatten(self.short(x)))


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
        (Subclassed, (13, 10), 0),
        (of_unknown_size, (13, 10), 0),
    ],
)
def test_trains_as_the_builtin(
    build: Callable[[Any], keras.Model], spatial: tuple[int, ...], tolerance: float
) -> None:
    """Each step's loss and the final weights, the last batch being smaller."""
    x, found = random(26, 19, *spatial, 2), []
    for package in (OURS, BUILTIN):
        keras.utils.set_random_seed(25)
        model, steps = build(package), StepLosses()
        model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
        fixed = {"shuffle": False, "verbose": 0, "callbacks": [steps]}
        model.fit(x, np.arange(len(x)) % CLASSES, batch_size=8, epochs=2, **fixed)
        assert len(set(steps.losses)) == 6  # each step has changed something
        found.append([steps.losses, *model.get_weights()])
    # PyTorch sums in another order where tensors lie in memory in another order.
    tolerance = 1e-6 if BACKEND == "torch" else tolerance
    for ours, builtin in zip(*found, strict=True):
        np.testing.assert_allclose(ours, builtin, rtol=tolerance, atol=tolerance)


# Kinds of models

INTEGERS = np.random.default_rng(24).integers(-9, 10, (3, 7, 6, 2)).astype(np.float32)


def pooled(x: np.ndarray, *arguments: Any, **options: Any) -> np.ndarray:
    return reference.pool(x, *arguments, **options).values


def test_functional() -> None:
    """Branches, joined; a value on the way that is an output; and one layer, called three times, on two sizes."""
    large, small = keras.Input((7, 6, 2)), keras.Input((4, 3, 2), batch_size=3)
    left = OURS.MaxPool2D(3, strides=2, padding=1)(large)
    right = OURS.MaxPooling2D(2, strides=2, padding="same")(large)
    joined = OURS.MaxPool2D(2, dilation_rate=2)(keras.layers.Concatenate()([left, right]))
    shared = OURS.MaxPooling2D(2, strides=1, padding="same_lower")
    model = keras.Model([large, small], [left, joined, shared(shared(large)), shared(small)])
    assert [tuple(output.shape) for output in model.outputs] == [
        *((None, 4, 3, 2), (None, 1, 1, 4), (None, 7, 6, 2), (3, 4, 3, 2))
    ]
    assert sum(layer is shared for layer in model.layers) == 1
    cropped, once = INTEGERS[:, :4, :3], pooled(INTEGERS, 2, 1, "same_lower")
    branches = pooled(INTEGERS, 3, 2, 1), pooled(INTEGERS, 2, 2, "same")
    wanted = [
        *(branches[0], pooled(np.concatenate(branches, -1), 2, dilation_rate=2)),
        *(pooled(once, 2, 1, "same_lower"), pooled(cropped, 2, 1, "same_lower")),
    ]
    outputs = model.predict([INTEGERS, cropped], batch_size=3, verbose=0)
    for output, expected in zip(outputs, wanted, strict=True):
        np.testing.assert_array_equal(output, expected, strict=True)


def test_sequential_without_input() -> None:
    """Built by its first data; until then it has no shape, and afterwards it takes other sizes."""
    pools = OURS.MaxPool2D(3, strides=1, padding=1), OURS.MaxPooling2D(2, ceil_mode=True)
    model = keras.Sequential(pools)
    assert not model.built
    for batch, size in ((2, 5), (3, 8)):
        x = random(28, batch, size, size, 2)
        wanted = pooled(pooled(x, 3, 1, 1), 2, ceil_mode=True)
        np.testing.assert_array_equal(model.predict(x, verbose=0), wanted, strict=True)
        assert model.built


def test_unknown_sizes() -> None:
    """One model for batches and volumes of every size, an empty batch among them."""
    inputs = keras.Input((None, None, None, 2))
    x = OURS.MaxPool3D(2, strides=1, padding="same")(inputs)
    x = OURS.MaxPooling3D(3, strides=2, padding=1, ceil_mode=True)(x)
    model = keras.Model(inputs, x)
    assert model.output_shape == (None, None, None, None, 2)
    for batch, *spatial in ((2, 6, 5, 4), (1, 3, 4, 7), (0, 6, 5, 4)):
        x = random(31, batch, *spatial, 2)
        wanted = pooled(pooled(x, 2, 1, "same"), 3, 2, 1, ceil_mode=True)
        got = as_array(model(x)) if batch == 0 else model.predict(x, verbose=0)
        np.testing.assert_array_equal(got, wanted, strict=True)
