"""Whole models: trained step by step beside their twins with the built-in, and of every kind."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference
from harness.keras_version import LEGACY, keras
from harness.runner import BACKEND, as_array

import keras_maxpool

CLASSES = 4
BATCH = 8
BUILTIN, OURS = keras.layers, keras_maxpool
HALVES = {"pool_size": 2}
OVERLAPS = {"pool_size": 3, "strides": 2, "padding": "same"}


def random(seed: int, *shape: int) -> np.ndarray:
    """Normal numbers: no two are equal, so there are no ties."""
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


# Training beside the built-in


def vgg(package: Any, shape: tuple[int, ...], pools: tuple[dict, dict], head: Any) -> keras.Model:
    """Two blocks of convolutions, each with its pooling, by both spellings, and a layer for the classes."""
    rank = len(shape) - 1
    conv = getattr(keras.layers, f"Conv{rank}D")
    first, second = (getattr(package, f"{name}{rank}D") for name in ("MaxPooling", "MaxPool"))
    convs = [conv(filters, 3, padding="same", activation="relu") for filters in (4, 4, 8)]
    blocks = [*convs[:2], first(**pools[0]), convs[2], second(**pools[1])]
    return keras.Sequential([keras.Input(shape), *blocks, keras.layers.Flatten(), head])


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


def fit(
    model: keras.Model,
    x: np.ndarray,
    y: np.ndarray,
    mode: str,
    optimizer: Any = "sgd",
    loss: Any = "sparse_categorical_crossentropy",
    epochs: int = 2,
) -> list[float]:
    """The loss of each step, no two of which may be equal: each step has changed something."""
    model.compile(optimizer, loss, run_eagerly=mode == "eager", jit_compile=mode == "xla")
    steps = StepLosses()
    model.fit(x, y, batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0, callbacks=[steps])
    assert len(set(steps.losses)) == epochs * -(-len(x) // BATCH)
    return steps.losses


class SignDescent(keras.optimizers.Optimizer):
    """Moves every weight by a half, whatever its gradient's size: halves stay halves."""

    def __init__(self) -> None:
        super().__init__(name="sign_descent", **({} if LEGACY else {"learning_rate": 0.5}))
        if LEGACY:
            self._learning_rate = self._build_learning_rate(0.5)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any = 0.5) -> None:
        sign = getattr(keras, "ops", keras.backend).sign  # the latter in Keras 2
        variable.assign(variable - learning_rate * sign(gradient))


def linear_loss(targets: Any, outputs: Any) -> Any:
    return targets * outputs


Trained = tuple[list[float], list[np.ndarray]]


@functools.cache
def trained_without_rounding(rank: int, package: Any, mode: str) -> Trained:
    """The losses and the final weights, all of them few enough bits to be exact.

    XLA merges the sums around a pooling with the pooling, and so rounds them in another order for
    another kernel. Here no order matters, so what differs is the pooling's fault.
    """
    rng = np.random.default_rng(20)
    shape = (*[{1: 16, 2: 8, 3: 4}[rank]] * rank, 2)
    model = vgg(package, shape, (HALVES, OVERLAPS), keras.layers.Dense(CLASSES))
    model.set_weights([rng.integers(-1, 2, weight.shape) / 2 for weight in model.get_weights()])
    # After a fourth step, 24 bits would no longer do.
    x = rng.integers(-2, 3, (3 * BATCH, *shape)).astype(np.float32)
    y = rng.integers(-1, 2, (3 * BATCH, CLASSES)).astype(np.float32)
    losses = fit(model, x, y, mode, SignDescent(), linear_loss, epochs=1)
    return losses, model.get_weights()


def trained_on_normal_numbers(rank: int, package: Any, pool: dict[str, Any]) -> Trained:
    """The losses and the final weights in graph mode, from one seed, as in practice."""
    keras.utils.set_random_seed(21)
    shape = (*[{1: 32, 2: 12, 3: 8}[rank]] * rank, 2)
    head = keras.layers.Dense(CLASSES, activation="softmax")
    model = vgg(package, shape, (pool, pool), head)
    x = random(22, 2 * BATCH + 3, *shape)
    return fit(model, x, np.arange(len(x)) % CLASSES, "graph"), model.get_weights()


@pytest.mark.parametrize(
    ("rank", "mode"),
    [
        *((1, "graph"), (2, "graph"), (3, "graph"), (3, "eager"), (2, "xla")),
        *(pytest.param(rank, "xla", marks=pytest.mark.slow) for rank in (1, 3)),
    ],
)
def test_trains_as_the_builtin(rank: int, mode: str) -> None:
    """Bit for bit, ties and overlaps included, as the built-in does in graph mode.

    Not as it does eagerly: there its 3D gives every tied element the whole gradient.
    """
    wanted_losses, wanted_weights = trained_without_rounding(rank, BUILTIN, "graph")
    losses, weights = trained_without_rounding(rank, OURS, mode)
    assert losses == wanted_losses
    for weight, wanted in zip(weights, wanted_weights, strict=True):
        np.testing.assert_array_equal(weight, wanted, strict=True)


@pytest.mark.parametrize(("rank", "pool", "tolerance"), [(2, HALVES, 0), (3, OVERLAPS, 1e-6)])
def test_trains_as_the_builtin_on_normal_numbers(
    rank: int, pool: dict[str, Any], tolerance: float
) -> None:
    """Bit for bit in graph mode, where windows overlap to rounding: the order of a sum is each kernel's own."""
    wanted_losses, wanted_weights = trained_on_normal_numbers(rank, BUILTIN, pool)
    losses, weights = trained_on_normal_numbers(rank, OURS, pool)
    np.testing.assert_allclose(losses, wanted_losses, rtol=tolerance)
    for weight, wanted in zip(weights, wanted_weights, strict=True):
        np.testing.assert_allclose(weight, wanted, rtol=0, atol=tolerance)


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


@pytest.mark.parametrize("build", [Subclassed, of_unknown_size])
def test_trains_as_a_twin(build: Callable[[Any], keras.Model]) -> None:
    x, results = random(26, 2 * BATCH, 13, 10, 2), []
    for package in (OURS, BUILTIN):
        keras.utils.set_random_seed(25)
        model = build(package)
        losses = fit(model, x, np.arange(len(x)) % CLASSES, "graph")
        results.append((losses, model.predict(x[:5], verbose=0)))
    # PyTorch sums in another order where tensors lie in memory in another order.
    for ours, builtin in zip(*results, strict=True):
        np.testing.assert_allclose(ours, builtin, rtol=1e-6 if BACKEND == "torch" else 0)


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
