"""Whole models: trained step by step beside their twins with the built-in, and of every kind."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.keras_version import LEGACY, keras

import keras_maxpool

CLASSES = 4
BATCH = 8

by_rank = pytest.mark.parametrize("rank", [1, 2, 3], ids=lambda rank: f"{rank}d")


def random(seed: int, *shape: int) -> np.ndarray:
    """Normal numbers: no two are equal, so there are no ties."""
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


# --- Training beside the built-in ---

# Which two layers pool: the package, and the spelling.
BUILDS = {
    "builtin": ((keras.layers, "MaxPooling"), (keras.layers, "MaxPool")),
    "MaxPool": ((keras_maxpool, "MaxPool"), (keras_maxpool, "MaxPool")),
    "MaxPooling": ((keras_maxpool, "MaxPooling"), (keras_maxpool, "MaxPooling")),
    "mix": ((keras_maxpool, "MaxPooling"), (keras_maxpool, "MaxPool")),
}

HALVES = {"pool_size": 2}
OVERLAPS = {"pool_size": 3, "strides": 2, "padding": "same"}


def vgg(build: str, shape: tuple[int, ...], pools: tuple[dict, dict], head: Any) -> keras.Model:
    """Two blocks of convolutions, each with its pooling, and a layer for the classes."""
    rank = len(shape) - 1
    conv = getattr(keras.layers, f"Conv{rank}D")
    first, second = (getattr(package, f"{name}{rank}D") for package, name in BUILDS[build])
    return keras.Sequential(
        [
            keras.Input(shape),
            conv(4, 3, padding="same", activation="relu"),
            conv(4, 3, padding="same", activation="relu"),
            first(**pools[0]),
            conv(8, 3, padding="same", activation="relu"),
            second(**pools[1]),
            keras.layers.Flatten(),
            head,
        ]
    )


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
        variable.assign(variable - learning_rate * tf.sign(gradient))


def linear_loss(targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(targets * outputs, axis=-1)


Trained = tuple[list[float], list[np.ndarray]]


@functools.cache
def trained_without_rounding(rank: int, build: str, mode: str) -> Trained:
    """The losses and the final weights, all of them few enough bits to be exact.

    XLA merges the sums around a pooling with the pooling, and so rounds them in another order for
    another kernel. Here no order matters, so what differs is the pooling's fault.
    """
    rng = np.random.default_rng(20)
    shape = (*[{1: 16, 2: 8, 3: 4}[rank]] * rank, 2)
    model = vgg(build, shape, (HALVES, OVERLAPS), keras.layers.Dense(CLASSES))
    model.set_weights([rng.integers(-1, 2, weight.shape) / 2 for weight in model.get_weights()])
    # After a fourth step, 24 bits would no longer do.
    x = rng.integers(-2, 3, (3 * BATCH, *shape)).astype(np.float32)
    y = rng.integers(-1, 2, (3 * BATCH, CLASSES)).astype(np.float32)
    losses = fit(model, x, y, mode, SignDescent(), linear_loss, epochs=1)
    return losses, model.get_weights()


@functools.cache
def trained_on_normal_numbers(rank: int, build: str, mode: str, overlaps: bool) -> Trained:
    """The losses and the final weights, from one seed, as in practice."""
    keras.utils.set_random_seed(21)
    shape = (*[{1: 32, 2: 12, 3: 8}[rank]] * rank, 2)
    pool = OVERLAPS if overlaps else HALVES
    head = keras.layers.Dense(CLASSES, activation="softmax")
    model = vgg(build, shape, (pool, pool), head)
    # The last batch is a smaller one, but for XLA, which would compile it anew.
    x = random(22, 2 * BATCH + (0 if mode == "xla" else 3), *shape)
    return fit(model, x, np.arange(len(x)) % CLASSES, mode), model.get_weights()


def assert_equal_weights(weights: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    for weight, wanted_weight in zip(weights, wanted, strict=True):
        np.testing.assert_array_equal(weight, wanted_weight, strict=True)


@pytest.mark.parametrize(
    ("rank", "mode", "build"),
    [
        (rank, mode, build)
        for rank in (1, 2, 3)
        for mode, builds in {
            "eager": ["mix"],
            "graph": ["MaxPool", "MaxPooling", "mix"],
            # Compiling is slow, and a spelling is a name: one rank shows them all.
            "xla": ["builtin", "mix"] if rank != 2 else ["builtin", "MaxPool", "MaxPooling", "mix"],
        }.items()
        for build in builds
    ],
    ids=lambda value: f"{value}d" if isinstance(value, int) else value,
)
def test_trains_as_the_builtin(rank: int, mode: str, build: str) -> None:
    """Bit for bit, ties and overlaps included, as the built-in does in graph mode.

    Not as it does eagerly: there its 3D gives every tied element the whole gradient.
    """
    wanted_losses, wanted_weights = trained_without_rounding(rank, "builtin", "graph")
    losses, weights = trained_without_rounding(rank, build, mode)
    assert losses == wanted_losses
    assert_equal_weights(weights, wanted_weights)


@by_rank
def test_trains_as_the_builtin_on_normal_numbers(rank: int) -> None:
    """Bit for bit in graph mode: the operations around the pooling are the same kernels, too."""
    wanted_losses, wanted_weights = trained_on_normal_numbers(rank, "builtin", "graph", False)
    losses, weights = trained_on_normal_numbers(rank, "mix", "graph", False)
    assert losses == wanted_losses
    assert_equal_weights(weights, wanted_weights)


@pytest.mark.parametrize(
    ("rank", "mode"),
    [(1, "graph"), (2, "graph"), (3, "graph"), (1, "xla")],
    ids=["1d-graph", "2d-graph", "3d-graph", "1d-xla"],
)
def test_trains_as_the_builtin_to_rounding(rank: int, mode: str) -> None:
    """An element that wins in two windows gets a sum, whose order is each kernel's own."""
    wanted_losses, wanted_weights = trained_on_normal_numbers(rank, "builtin", mode, True)
    losses, weights = trained_on_normal_numbers(rank, "mix", mode, True)
    np.testing.assert_allclose(losses, wanted_losses, rtol=1e-6)
    for weight, wanted in zip(weights, wanted_weights, strict=True):
        np.testing.assert_allclose(weight, wanted, rtol=0, atol=1e-6)


def test_trains_as_the_builtin_on_unknown_sizes() -> None:
    """With neither the batch nor the image's size in the graph."""

    def losses(package: Any) -> list[float]:
        keras.utils.set_random_seed(22)
        model = keras.Sequential(
            [
                keras.Input((None, None, 2)),
                keras.layers.Conv2D(4, 3, padding="same", activation="relu"),
                package.MaxPool2D(2),
                keras.layers.Conv2D(4, 3, padding="same", activation="relu"),
                package.MaxPooling2D(2, padding="same"),
                keras.layers.GlobalAveragePooling2D(),
                keras.layers.Dense(CLASSES, activation="softmax"),
            ]
        )
        x = random(23, 2 * BATCH + 3, 11, 9, 2)
        return fit(model, x, np.arange(len(x)) % CLASSES, "graph")

    assert losses(keras_maxpool) == losses(keras.layers)


# --- What every article on Keras shows, with only the import changed ---

IMPORT = "from keras.layers import MaxPool2D, MaxPooling2D"

RAMP = f"""
import numpy as np
{IMPORT}

image = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
short = MaxPool2D(pool_size=(2, 2))(image)
long = MaxPooling2D(pool_size=2, strides=1, padding="same")(image)
"""

DIGITS = f"""
import numpy as np
from tensorflow import keras
from tensorflow.keras import layers
{IMPORT}

keras.utils.set_random_seed(812)
x_train = np.random.rand(96, 28, 28, 1).astype("float32")
y_train = keras.utils.to_categorical(np.random.randint(0, 10, 96), 10)

model = keras.Sequential(
    [
        keras.Input(shape=(28, 28, 1)),
        layers.Conv2D(32, kernel_size=(3, 3), activation="relu"),
        MaxPooling2D(pool_size=(2, 2)),
        layers.Conv2D(64, kernel_size=(3, 3), activation="relu"),
        MaxPool2D(pool_size=(2, 2)),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
history = model.fit(x_train, y_train, batch_size=32, epochs=2, validation_split=1 / 3, verbose=0)
predictions = model.predict(x_train, verbose=0)
"""


def run(source: str, package: str) -> dict[str, Any]:
    """Runs a script with the layers of a package, and gives what it has made."""
    assert source.count(IMPORT) == 1
    names: dict[str, Any] = {}
    exec(source.replace(IMPORT, f"from {package} import MaxPool2D, MaxPooling2D"), names)
    return names


@pytest.mark.parametrize("package", ["tensorflow.keras.layers", "keras_maxpool"])
def test_ramp(package: str) -> None:
    made = run(RAMP, package)
    assert made["short"].numpy()[0, :, :, 0].tolist() == [[5, 7], [13, 15]]
    assert made["long"].numpy()[0, :, :, 0].tolist() == [
        [5, 6, 7, 7],
        [9, 10, 11, 11],
        [13, 14, 15, 15],
        [13, 14, 15, 15],
    ]


def test_digits() -> None:
    ours, builtin = run(DIGITS, "keras_maxpool"), run(DIGITS, "tensorflow.keras.layers")
    assert type(ours["model"].layers[1]) is type(ours["model"].layers[3])
    assert type(ours["model"].layers[1]) is keras_maxpool.MaxPool2D
    assert ours["history"].history == builtin["history"].history
    assert set(ours["history"].history) == {"accuracy", "loss", "val_accuracy", "val_loss"}
    np.testing.assert_array_equal(ours["predictions"], builtin["predictions"], strict=True)


# --- Kinds of models ---

INTEGERS = np.random.default_rng(24).integers(-9, 10, (3, 7, 6, 2)).astype(np.float32)


def pooled(x: np.ndarray, *arguments: Any, **options: Any) -> np.ndarray:
    return reference.pool(x, *arguments, **options).values


def test_functional() -> None:
    """Two branches, joined, and a value on the way that is an output as well."""
    inputs = keras.Input((7, 6, 2))
    left = keras_maxpool.MaxPool2D(3, strides=2, padding=1)(inputs)
    right = keras_maxpool.MaxPooling2D(2, strides=2, padding="same")(inputs)
    joined = keras.layers.Concatenate()([left, right])
    model = keras.Model(inputs, [left, keras_maxpool.MaxPool2D(2, dilation_rate=2)(joined)])
    assert model.output_shape == [(None, 4, 3, 2), (None, 1, 1, 4)]

    wanted = [pooled(INTEGERS, 3, 2, 1), pooled(INTEGERS, 2, 2, "same")]
    first, second = model.predict(INTEGERS, verbose=0)
    np.testing.assert_array_equal(first, wanted[0], strict=True)
    wanted_second = pooled(np.concatenate(wanted, -1), 2, dilation_rate=2)
    np.testing.assert_array_equal(second, wanted_second, strict=True)


def test_layer_shared_by_two_inputs() -> None:
    """One layer, two calls: on images of two sizes, and after itself."""
    shared = keras_maxpool.MaxPooling2D(2, strides=1, padding="same_lower")
    large, small = keras.Input((7, 6, 2)), keras.Input((4, 3, 2))
    model = keras.Model([large, small], [shared(shared(large)), shared(small)])
    assert sum(layer is shared for layer in model.layers) == 1

    cropped = INTEGERS[:, :4, :3]
    first, second = model.predict([INTEGERS, cropped], verbose=0)
    once = pooled(INTEGERS, 2, 1, "same_lower")
    np.testing.assert_array_equal(first, pooled(once, 2, 1, "same_lower"), strict=True)
    np.testing.assert_array_equal(second, pooled(cropped, 2, 1, "same_lower"), strict=True)


class Subclassed(keras.Model):
    """Both spellings as attributes, one of them called twice."""

    def __init__(self, package: Any) -> None:
        super().__init__()
        self.conv = keras.layers.Conv2D(4, 3, padding="same", activation="relu")
        self.short = package.MaxPool2D(2, padding="same")
        self.long = package.MaxPooling2D(2)
        self.flatten = keras.layers.Flatten()
        self.dense = keras.layers.Dense(CLASSES, activation="softmax")

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        x = self.long(self.short(self.conv(inputs)))
        return self.dense(self.flatten(self.short(x)))


def test_subclassed() -> None:
    def losses(package: Any) -> tuple[list[float], keras.Model]:
        keras.utils.set_random_seed(25)
        model = Subclassed(package)
        x = random(26, 2 * BATCH, 13, 10, 2)
        return fit(model, x, np.arange(len(x)) % CLASSES, "graph"), model

    ours, model = losses(keras_maxpool)
    wanted, builtin = losses(keras.layers)
    assert ours == wanted
    assert [type(layer) for layer in model.layers[1:3]] == [keras_maxpool.MaxPool2D] * 2
    x = random(27, 5, 13, 10, 2)
    np.testing.assert_array_equal(
        model.predict(x, verbose=0), builtin.predict(x, verbose=0), strict=True
    )


@by_rank
def test_sequential_without_input(rank: int) -> None:
    """Built by its first data; until then it has no shape, and afterwards it takes other sizes."""
    model = keras.Sequential(
        [
            getattr(keras_maxpool, f"MaxPool{rank}D")(3, strides=1, padding=1),
            getattr(keras_maxpool, f"MaxPooling{rank}D")(2, ceil_mode=True),
        ]
    )
    assert not model.built
    for batch, size in ((2, 5), (1, 5), (3, 8)):
        x = random(28, batch, *[size] * rank, 2)
        wanted = pooled(pooled(x, 3, 1, 1), 2, ceil_mode=True)
        np.testing.assert_array_equal(model.predict(x, verbose=0), wanted, strict=True)
        assert model.built


def test_sequential_without_input_trains() -> None:
    def losses(package: Any) -> list[float]:
        keras.utils.set_random_seed(29)
        model = keras.Sequential(
            [
                package.MaxPool2D(2),
                keras.layers.Conv2D(4, 3, activation="relu"),
                package.MaxPooling2D(2),
                keras.layers.Flatten(),
                keras.layers.Dense(CLASSES, activation="softmax"),
            ]
        )
        x = random(30, 2 * BATCH, 12, 12, 1)
        return fit(model, x, np.arange(len(x)) % CLASSES, "graph")

    assert losses(keras_maxpool) == losses(keras.layers)


@by_rank
def test_unknown_sizes(rank: int) -> None:
    """One model for batches and volumes of every size, an empty batch among them."""
    inputs = keras.Input((*[None] * rank, 2))
    x = getattr(keras_maxpool, f"MaxPool{rank}D")(2, strides=1, padding="same")(inputs)
    x = getattr(keras_maxpool, f"MaxPooling{rank}D")(3, strides=2, padding=1, ceil_mode=True)(x)
    model = keras.Model(inputs, x)
    assert model.output_shape == (None, *[None] * rank, 2)
    for batch, *spatial in ((2, 6, 5, 4), (1, 3, 4, 7), (0, 6, 5, 4)):
        x = random(31, batch, *spatial[:rank], 2)
        wanted = pooled(pooled(x, 2, 1, "same"), 3, 2, 1, ceil_mode=True)
        got = model(x) if batch == 0 else model.predict(x, verbose=0)
        np.testing.assert_array_equal(got, wanted, strict=True)


def test_fixed_batch_size() -> None:
    inputs = keras.Input(batch_shape=(3, 7, 6, 2))
    model = keras.Model(inputs, keras_maxpool.MaxPool2D(2)(inputs))
    assert model.output_shape == (3, 3, 3, 2)
    got = model.predict(INTEGERS, batch_size=3, verbose=0)
    np.testing.assert_array_equal(got, pooled(INTEGERS, 2), strict=True)


# --- What a model tells of the layer ---


def summary(model: keras.Model) -> tuple[list[list[str]], list[str]]:
    """What `summary` prints: the cells of its table, row by row, and the lines below it (Keras 2: all lines)."""
    lines: list[str] = []
    model.summary(line_length=100, print_fn=lambda text, **_: lines.extend(text.splitlines()))
    if LEGACY:
        return [], [line.strip() for line in lines]
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if "│" in line]
    return rows, [line.strip() for line in lines if "params:" in line]


@pytest.mark.parametrize(
    "rank", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("spelling", ["MaxPool", "MaxPooling"])
def test_summary(rank: int, spelling: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")  # a narrower terminal would cut the table

    def table(package: Any) -> tuple[list[list[str]], list[str]]:
        keras.backend.clear_session()  # so that both begin to count their names anew
        first = getattr(package, f"{spelling}{rank}D")(2)
        second = getattr(package, f"{spelling}{rank}D")(3, strides=1, padding="same")
        return summary(keras.Sequential([keras.Input((*[9] * rank, 5)), first, second]))

    rows, below = table(keras_maxpool)
    shape = f"(None, {', '.join(['4'] * rank)}, 5)"
    assert LEGACY or rows == [
        [f"max_pooling{rank}d (MaxPooling{rank}D)", shape, "0"],
        [f"max_pooling{rank}d_1 (MaxPooling{rank}D)", shape, "0"],
    ]
    assert below[-4 if LEGACY else 0].startswith("Total params: 0 (0.00 B")
    assert (rows, below) == table(keras.layers)


@by_rank
@pytest.mark.parametrize("nonfinite", ["backend", "ieee"])
def test_no_parameters_and_no_weights(rank: int, nonfinite: str) -> None:
    layer = getattr(keras_maxpool, f"MaxPool{rank}D")(2, padding=1, nonfinite=nonfinite)
    model = keras.Sequential([keras.Input((*[6] * rank, 2)), layer])
    model.predict(random(32, 1, *[6] * rank, 2), verbose=0)
    for owner in (layer, model):
        assert owner.count_params() == 0
        assert owner.variables == owner.weights == owner.get_weights() == []
        assert owner.trainable_variables == owner.non_trainable_variables == []
    assert layer.losses == []
