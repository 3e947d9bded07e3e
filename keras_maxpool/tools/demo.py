"""keras-maxpool demo: trains two equal models on real digits, one with our layers and one with Keras's own; then shows
what Keras's own cannot do.

`run` trains, saves, reloads and returns values; `render` shows them; `main` is the command.
"""

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_maxpool
from keras_maxpool.tools import beyond
from keras_maxpool.tools.quiet import quiet_import
from keras_maxpool.tools.versions import BACKEND, BACKENDS, backend_version

BATCH = 32

# A fresh process knows the saved model by the registered names alone.
RELOAD = """
import sys
import numpy
import keras
import keras_maxpool
model = keras.saving.load_model(sys.argv[1])
numpy.save(sys.argv[3], model.predict(numpy.load(sys.argv[2]), verbose=0))
"""

Advance = Callable[[str, int, int], None]
"""Called with the name of a stage, its steps done and its steps in all."""


@dataclass(frozen=True)
class Spellings:
    """The two names of the 2D layer in one package."""

    package: str
    max_pool: Callable[..., Any]
    max_pooling: Callable[..., Any]


OURS = Spellings("keras_maxpool", keras_maxpool.MaxPool2D, keras_maxpool.MaxPooling2D)
BUILTIN = Spellings("keras.layers", keras.layers.MaxPool2D, keras.layers.MaxPooling2D)


@dataclass(frozen=True, eq=False)
class Digits:
    """Images of shape (n, 8, 8, 1) in 0..1 and their labels 0..9."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


@dataclass(frozen=True, eq=False)
class Trained:
    """The results of one twin: the loss of every step, and its predictions for the test images."""

    losses: np.ndarray
    predictions: np.ndarray
    accuracy: float


@dataclass(frozen=True)
class Comparison:
    """How many of the values compared are equal, bit for bit."""

    name: str
    equal: int
    total: int

    @property
    def ok(self) -> bool:
        """Whether there was something to compare, and all of it is equal."""
        return 0 < self.total == self.equal


@dataclass(frozen=True, eq=False)
class DemoResult:
    """Both twins, what our twin predicted after a reload (None where that failed), and what Keras's layers lack."""

    ours: Trained
    builtin: Trained
    reloaded: np.ndarray | None
    reload_error: str
    beyond: list[Comparison]

    @property
    def losses(self) -> Comparison:
        """The loss of every training step: ours against the built-in's."""
        return compare("loss of every training step", self.ours.losses, self.builtin.losses)

    @property
    def predictions(self) -> Comparison:
        """The predictions for the test images: ours against the built-in's."""
        return compare(
            "predictions for the test digits", self.ours.predictions, self.builtin.predictions
        )

    @property
    def reload(self) -> Comparison:
        """Our predictions for the test images: before saving against after loading."""
        return compare(
            "predictions after a reload in a fresh process", self.ours.predictions, self.reloaded
        )

    @property
    def ok(self) -> bool:
        """Whether every comparison is equal in every bit."""
        return all(each.ok for each in (self.losses, self.predictions, self.reload, *self.beyond))


def compare(name: str, left: np.ndarray, right: np.ndarray | None) -> Comparison:
    """Counts the values of left that right repeats in every bit, so that -0.0 is not 0.0."""
    if right is None or left.shape != right.shape or left.dtype != right.dtype:
        return Comparison(name, 0, left.size)
    bits = f"u{left.dtype.itemsize}"
    same = np.ascontiguousarray(left).view(bits) == np.ascontiguousarray(right).view(bits)
    return Comparison(name, int(same.sum()), left.size)


def load_data() -> Digits:
    """Returns the 1,797 scanned digits of scikit-learn, a fifth of them for the test."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype("float32").reshape(-1, 8, 8, 1)
    train_images, test_images, train_labels, test_labels = train_test_split(
        images, labels, test_size=0.2, random_state=0, stratify=labels
    )
    return Digits(train_images, train_labels, test_images, test_labels)


def build(layers: Spellings) -> keras.Model:
    """Returns the compiled classifier, with both spellings of the layer in it."""
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.max_pool(2),
            keras.layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.max_pooling(pool_size=2, padding="same"),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    # On TensorFlow, Keras's own choice of XLA can differ between this process and the fresh one.
    jit_compile = False if BACKEND == "tensorflow" else "auto"
    model.compile(
        keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", jit_compile=jit_compile
    )
    return model


def record_losses(losses: list[float], advance: Callable[[int], None]) -> keras.callbacks.Callback:
    """Returns a callback that appends the loss of every training step, and tells how many there are."""

    def end(batch: int, logs: dict[str, Any]) -> None:
        losses.append(float(logs["loss"]))
        advance(len(losses))
        # Keras logs the mean since the last reset: the next one is of the next step alone.
        callback.model.reset_metrics()

    callback = keras.callbacks.LambdaCallback(on_train_batch_end=end)
    return callback


def train(
    layers: Spellings, data: Digits, epochs: int, seed: int, advance: Advance
) -> tuple[keras.Model, Trained]:
    """Trains one twin; the same seed means the same weights and dropout, and the digits keep their order."""
    with quiet_import():
        keras.utils.set_random_seed(seed)
    model = build(layers)
    images, labels = data.train_images, data.train_labels
    total = epochs * math.ceil(len(images) / BATCH)
    losses: list[float] = []
    record = record_losses(losses, lambda done: advance(layers.package, done, total))
    model.fit(images, labels, BATCH, epochs, verbose=0, callbacks=[record], shuffle=False)
    predictions = model.predict(data.test_images, verbose=0)
    accuracy = float(np.mean(predictions.argmax(-1) == data.test_labels))
    return model, Trained(np.asarray(losses, "float32"), predictions, accuracy)


def predict_in_fresh_process(
    model: keras.Model, images: np.ndarray
) -> tuple[np.ndarray | None, str]:
    """Saves the model, loads it in a new Python and predicts there: (predictions, error text)."""
    with tempfile.TemporaryDirectory(prefix="keras_maxpool_") as folder:
        saved, given, predicted = (
            str(Path(folder, name)) for name in ("model.keras", "images.npy", "predictions.npy")
        )
        model.save(saved)
        np.save(given, images)
        child = subprocess.run(
            [sys.executable, "-c", RELOAD, saved, given, predicted],
            # As `make_deterministic`: a GPU picks its algorithms again in each process.
            env={**os.environ, "TF_DETERMINISTIC_OPS": "1", "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
        if child.returncode:
            return None, child.stderr.strip()
        return np.load(predicted), ""


def run(data: Digits, epochs: int, seed: int, advance: Advance) -> DemoResult:
    """Trains both twins from one seed, and reloads ours in a fresh process."""
    model, ours = train(OURS, data, epochs, seed, advance)
    _, builtin = train(BUILTIN, data, epochs, seed, advance)
    advance("save and reload", 0, 1)
    reloaded, error = predict_in_fresh_process(model, data.test_images)
    advance("save and reload", 1, 1)
    digit = load_digits().images[0]
    return DemoResult(
        ours, builtin, reloaded, error, [compare(*each) for each in beyond.results(digit)]
    )


def _add(table: Table, comparison: Comparison) -> None:
    verdict = "[green]equal[/]" if comparison.ok else "[bold red]DIFFERENT[/]"
    table.add_row(comparison.name, f"{comparison.total:,}", f"{comparison.equal:,}", verdict)


def render(result: DemoResult, console: Console) -> None:
    """Shows the backend, the comparisons as a small table, and the losses and accuracies below it."""
    backend = f"{BACKENDS[BACKEND]} {backend_version()}"
    console.print(f"Keras {keras.__version__} on {backend}", highlight=False)
    table = Table("compared bit for bit", "values", "equal", "verdict")
    for column in table.columns[1:3]:
        column.justify = "right"
    for comparison in (result.losses, result.predictions, result.reload):
        _add(table, comparison)
    table.add_section()
    table.add_row("[bold]what Keras's own layers lack[/]")
    for comparison in result.beyond:
        _add(table, comparison)
    console.print(table)
    for package, twin in ((OURS.package, result.ours), (BUILTIN.package, result.builtin)):
        console.print(
            f"{package:<13}  loss {twin.losses[0]:.4f} to {twin.losses[-1]:.4f}, "
            f"test accuracy {twin.accuracy:.1%}",
            highlight=False,
        )


def make_deterministic() -> None:
    """Has the backend compute the same twice: on a GPU, a model trained twice need not even equal itself otherwise.

    JAX on a CPU always does.
    """
    if BACKEND == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif BACKEND == "torch":  # pragma: no cover - run on PyTorch
        import torch

        # PyTorch refuses cuBLAS without it.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        # Threads gain nothing on so small a model, and wait for each other where other work runs.
        torch.set_num_threads(1)


def main(epochs: int, seed: int) -> int:
    """Runs the demo, its progress on stderr and its result on stdout; returns 0 if all is equal, 1 if not."""
    make_deterministic()
    errors = Console(stderr=True)
    columns = (TextColumn("{task.description:<15}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=errors) as progress:
        tasks: dict[str, TaskID] = {}

        def advance(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=total)
            progress.update(tasks[stage], completed=done)

        result = run(load_data(), epochs, seed, advance)
    render(result, Console())
    if result.reload_error:
        errors.print(result.reload_error, markup=False, highlight=False)
    return 0 if result.ok else 1
