"""Threads and processes: what many do at once gives what one alone gives, also the first time, and files are whole.

Threads run in a child process of their own, where nothing has been used yet; run as a program, this file is that child,
or one that converts a model again and again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import keras
import numpy as np
import oracle
import pytest
import tensorflow as tf

import keras_maxpool as km

THREADS = 8
SECONDS = float(os.environ.get("KERAS_MAXPOOL_THREAD_SECONDS", "4"))
"""How long threads call a model; `pytest -m fuzz` takes LONG_SECONDS."""

LONG_SECONDS = 30.0
ROUNDS = 2
"""How often all caches are emptied before all threads use the package at once."""

CONVERSIONS = 5
"""How often each of two processes writes the one file."""

layers = keras.layers


# The child with threads


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """What each thread's work gives; all begin together."""
    ready = threading.Barrier(THREADS)

    def begin(place: int) -> Any:
        ready.wait()
        return work(place)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


def empty_caches() -> int:
    """Those of all modules of the package; their number."""
    found = {
        id(item): item
        for name, module in list(sys.modules.items())
        if name.startswith("keras_maxpool")
        for item in vars(module).values()
        if hasattr(item, "cache_clear")
    }
    for item in found.values():
        item.cache_clear()
    return len(found)


def first_uses() -> int:
    """Each thread makes layers and calls them, in its own order; the number of outputs that were compared."""
    rng = np.random.default_rng(1)
    image = rng.integers(-9, 9, (2, 9, 8, 3)).astype("float32")
    volume = rng.integers(-9, 9, (2, 6, 6, 5, 3)).astype("float32")
    window = {"pool_size": 3, "strides": 2, "padding": 1}
    wanted = {x.ndim: oracle.pool(x, **window) for x in (image, volume)}

    def eager(x: np.ndarray) -> Any:
        layer = (km.MaxPooling2D if x.ndim == 4 else km.MaxPooling3D)(**window, return_indices=True)
        return layer(x)

    def graph(x: np.ndarray) -> Any:
        return tf.function(eager, autograph=False)(tf.constant(x))

    def xla(x: np.ndarray) -> Any:
        return tf.function(eager, autograph=False, jit_compile=True)(tf.constant(x))

    def gradient(x: np.ndarray) -> Any:
        x = tf.constant(x)
        layer = (km.MaxPooling2D if x.shape.rank == 4 else km.MaxPooling3D)(**window)

        @tf.function(autograph=False)
        def derive(x: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x)
            return tape.gradient(y, x)

        return derive(x)

    uses = [(kind, x) for kind in (eager, graph, gradient) for x in (image, volume)]
    uses.append((xla, image))

    def work(place: int) -> int:
        for number in range(len(uses)):
            kind, x = uses[(place + number) % len(uses)]
            result, right = kind(x), wanted[x.ndim]
            if kind is gradient:
                ones = np.ones_like(right.values)
                np.testing.assert_array_equal(
                    result, oracle.gradient(x.shape, right.places, ones, dtype=x.dtype)
                )
            else:
                np.testing.assert_array_equal(result[0], right.values)
                np.testing.assert_array_equal(result[1], right.places)
        return len(uses)

    compared = 0
    for _ in range(ROUNDS):
        assert empty_caches() >= 6
        compared += sum(at_once(work))
    return compared


def net() -> keras.Model:
    """Masks, indices, unpooling, and every family."""
    tokens, image = keras.Input((12,), dtype="int32"), keras.Input((16, 15, 2))
    text = km.MaxPooling1D(2)(layers.Embedding(9, 4, mask_zero=True)(tokens))
    x = layers.Conv2D(4, 3, padding="same")(image)
    pooled, indices = km.MaxPooling2D(2, return_indices=True)(x)
    x = km.MaxUnpooling2D(2)(pooled, indices, like=x)
    x = km.MaxPool2D(3, strides=2, padding=1, dilation_rate=2)(x)
    x = km.FractionalMaxPooling2D(1.3, seed=4)(km.AdaptiveMaxPooling2D(6)(x))
    both = [km.GlobalMaxPooling1D()(text), km.GlobalMaxPooling2D()(x)]
    model = keras.Model([tokens, image], layers.Dense(3)(layers.Concatenate()(both)))
    model.compile("adam", "mse")
    return model


def calls_beside_training(seconds: float) -> tuple[int, int]:
    """How often a model was called by all threads, and how many steps another one was trained meanwhile."""
    keras.utils.set_random_seed(2)
    rng = np.random.default_rng(2)
    model, other = net(), net()
    batches = [
        [
            rng.integers(0, 9, (4, 12)).astype("int32"),
            rng.normal(size=(4, 16, 15, 2)).astype("float32"),
        ]
        for _ in range(3)
    ]
    traced = tf.function(lambda inputs: model(inputs, training=False), autograph=False)
    wanted = [(model(batch).numpy(), model.predict_on_batch(batch)) for batch in batches]
    in_graph = [traced(batch).numpy() for batch in batches]
    end = time.monotonic() + seconds
    steps = 0

    def train() -> None:
        nonlocal steps
        while time.monotonic() < end:
            loss = other.train_on_batch(batches[steps % 3], np.ones((4, 3), "float32"))
            assert np.isfinite(loss)
            steps += 1

    def work(place: int) -> int:
        calls = 0
        while time.monotonic() < end:
            number = (place + calls) % 3
            batch = batches[number]
            np.testing.assert_array_equal(model(batch).numpy(), wanted[number][0])
            np.testing.assert_array_equal(traced(batch).numpy(), in_graph[number])
            if place % 2:
                np.testing.assert_array_equal(model.predict_on_batch(batch), wanted[number][1])
            calls += 1
        return calls

    with ThreadPoolExecutor(1) as trainer:
        training = trainer.submit(train)
        calls = sum(at_once(work))
        training.result()
    return calls, steps


def in_child(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, __file__, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def finished(child: subprocess.Popen[str], timeout: float) -> str:
    """What it wrote."""
    try:
        out, err = child.communicate(timeout=timeout)
    finally:
        child.kill()
    assert child.returncode == 0, err[-3000:]
    return out


@pytest.mark.slow
def test_first_use_from_many_threads() -> None:
    assert int(finished(in_child("first"), 600)) == ROUNDS * THREADS * 7


def check_calls(seconds: float) -> None:
    told = json.loads(finished(in_child("calls", str(seconds)), 600 + seconds))
    assert told["calls"] >= THREADS
    assert told["steps"] >= 1


def test_calls_beside_training() -> None:
    check_calls(SECONDS)


@pytest.mark.fuzz
def test_calls_beside_training_at_length() -> None:
    check_calls(LONG_SECONDS)


# Two processes and one file


def save(path: Path, name: str, seed: int) -> str:
    """A model that is told by its name; what tells its weights."""
    keras.utils.set_random_seed(seed)
    stem = [keras.Input((8, 8, 2)), layers.Conv2D(64, 3, name="conv"), layers.MaxPooling2D(2)]
    model = keras.Sequential([*stem, layers.Flatten(), layers.Dense(50 + 50 * seed)], name=name)
    model.save(path)
    return digest(model)


def digest(model: keras.Model) -> str:
    return hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights())).hexdigest()


def named(content: bytes) -> str:
    """The name of the model in a file that is whole."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert file.testzip() is None
        return json.loads(file.read("config.json"))["config"]["name"]


def convert_again_and_again(source: str, target: str) -> None:
    from keras_maxpool.cli import main

    for _ in range(CONVERSIONS):
        assert main(["convert", source, target]) == 0


def test_two_processes_write_one_file(tmp_path: Path) -> None:
    """Whoever reads it meanwhile finds one of the two files, whole."""
    digests = {name: save(tmp_path / f"{name}.keras", name, seed) for seed, name in enumerate("ab")}
    target = tmp_path / "out.keras"
    children = [in_child("convert", str(tmp_path / f"{name}.keras"), str(target)) for name in "ab"]
    seen: dict[int, str] = {}
    deadline = time.monotonic() + 600
    try:
        while any(child.poll() is None for child in children) and time.monotonic() < deadline:
            if target.exists():
                content = target.read_bytes()
                seen[hash(content)] = named(content)
            time.sleep(0.002)
    finally:
        # Also where the file was torn.
        for child in children:
            finished(child, 600)
    assert len(seen) > 2
    loaded = keras.saving.load_model(target)
    assert digest(loaded) == digests[loaded.name]
    assert type(loaded.layers[1]) is km.MaxPooling2D
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.keras", "b.keras", "out.keras"]


if __name__ == "__main__":
    if sys.argv[1] == "first":
        print(first_uses())
    elif sys.argv[1] == "calls":
        print(
            json.dumps(
                dict(
                    zip(("calls", "steps"), calls_beside_training(float(sys.argv[2])), strict=True)
                )
            )
        )
    else:
        convert_again_and_again(*sys.argv[2:])
