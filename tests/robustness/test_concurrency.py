"""Threads and processes: what many do at once gives what one alone gives, also the first time, and files are whole.

Threads run in a child process of their own, where nothing has been used yet; run as a program, this file is that child,
or one that writes a file again and again.
"""

from __future__ import annotations

import contextlib
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

import h5py
import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.processes import child_path
from harness.runner import MODES, run

import keras_maxpool as km
from keras_maxpool.backend.tensorflow.pool import _traced_gradient as shared_gradient

THREADS = 8
ROUNDS = 2
"""How often all caches are emptied before all threads use the package at once."""

CHANGES = 6
"""How often the one file that two processes write must be seen to change."""

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


def pooled(x: tf.Tensor) -> Any:
    layer = getattr(km, f"MaxPooling{x.shape.rank - 2}D")
    return layer(3, strides=2, padding=1, return_indices=True)(x)


def gradient(x: tf.Tensor) -> tf.Tensor:
    with tf.GradientTape() as tape:
        tape.watch(x)
        values, _ = pooled(x)
    return tape.gradient(values, x)


def first_uses() -> int:
    """Each thread makes layers and calls them, in its own order; the number of outputs that were compared."""
    rng = np.random.default_rng(1)
    shapes = (2, 9, 8, 3), (2, 6, 6, 5, 3), (1, 64, 64, 32)
    image, volume, large = arrays = [rng.integers(-9, 9, s).astype("float32") for s in shapes]
    wanted = {x.shape: reference.pool(x, 3, 2, 1) for x in arrays}
    uses = [
        *((f, mode, x) for f in (pooled, gradient) for mode in MODES[:2] for x in (image, volume)),
        (pooled, "xla", image),
        (gradient, "eager", large),  # all threads share one traced gradient for large inputs
    ]

    def work(thread: int) -> int:
        for number in range(len(uses)):
            function, mode, x = uses[(thread + number) % len(uses)]
            result, right = run(function, mode, x), wanted[x.shape]
            if function is gradient:
                ones = np.ones_like(right.values)
                expected = reference.gradient(x.shape, right.indices, ones, dtype=x.dtype)
                np.testing.assert_array_equal(result, expected)
            else:
                np.testing.assert_array_equal(result[0], right.values)
                np.testing.assert_array_equal(result[1], right.indices)
        return len(uses)

    compared = 0
    for _ in range(ROUNDS):
        assert empty_caches() >= 6
        compared += sum(at_once(work))
        assert shared_gradient.cache_info().currsize == 1
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
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": child_path()},
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
    assert int(finished(in_child("first"), 600)) == ROUNDS * THREADS * 10


@pytest.mark.parametrize(
    ("seconds", "calls", "steps"),
    [(4, THREADS, 1), pytest.param(30, 5 * THREADS, 20, marks=pytest.mark.slow)],
)
def test_calls_beside_training(seconds: int, calls: int, steps: int) -> None:
    told = json.loads(finished(in_child("calls", str(seconds)), 600 + seconds))
    assert told[0] >= calls, told
    assert told[1] >= steps, told


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


def in_keras(content: bytes) -> str:
    """The name of the model in a file that is whole."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert file.testzip() is None
        return json.loads(file.read("config.json"))["config"]["name"]


def in_h5(content: bytes) -> str:
    """The name, where all weights can be read, too."""
    with h5py.File(io.BytesIO(content)) as file:
        weights: list[np.ndarray] = []
        file.visititems(
            lambda _, item: weights.append(item[()]) if hasattr(item, "dtype") else None
        )
        assert len(weights) == 4
        return json.loads(file.attrs["model_config"])["config"]["name"]


def in_json(content: bytes) -> str:
    return json.loads(content)["model"]


NAMED = {"out.keras": in_keras, "out.h5": in_h5, "out.json": in_json}


def write_again_and_again() -> None:
    """For each line of JSON: a command, until there is a file of the name that stands before it."""
    from keras_maxpool.tools.cli import main

    print("ready", flush=True)
    for line in sys.stdin:
        stop, *command = json.loads(line)
        while not Path(stop).exists():
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                code = main(command)
            assert code == 0, command
        print("done", flush=True)


def watched(target: Path, writers: list[subprocess.Popen[str]]) -> list[str]:
    """The names that were read in turn, of whole files, while both wrote it."""
    seen: list[str] = []
    last, deadline = b"", time.monotonic() + 300
    while len(seen) <= CHANGES or set(seen) != {"a", "b"}:
        assert time.monotonic() < deadline, seen
        assert all(writer.poll() is None for writer in writers)
        content = target.read_bytes() if target.exists() else b""
        if content != last:
            seen.append(NAMED[target.name](content))
            last = content
        time.sleep(0.002)
    return seen


def test_two_processes_write_one_file(tmp_path: Path) -> None:
    """Whoever reads it meanwhile finds one of the two files, whole; a model's in either form, and a report's."""
    digests = {name: save(tmp_path / f"{name}.keras", name, seed) for seed, name in enumerate("ab")}
    writers = [in_child("write") for _ in "ab"]
    try:
        assert [writer.stdout.readline() for writer in writers] == ["ready\n"] * 2
        for name in NAMED:
            target, stop = tmp_path / name, tmp_path / f"stop {name}"
            for writer, source in zip(writers, "ab", strict=True):
                command = ["convert", str(tmp_path / f"{source}.keras"), str(target)]
                if name == "out.json":
                    command[0], command[2:] = "report", ["--json", str(target)]
                writer.stdin.write(json.dumps([str(stop), *command]) + "\n")
                writer.stdin.flush()
            seen = watched(target, writers)
            assert set(seen) == {"a", "b"}
            stop.touch()
            assert [writer.stdout.readline() for writer in writers] == ["done\n"] * 2
            stop.unlink()
    finally:
        # Also where a file was torn.
        for writer in writers:
            finished(writer, 600)
    for name in ("out.keras", "out.h5"):
        loaded = keras.saving.load_model(tmp_path / name)
        assert digest(loaded) == digests[loaded.name]
        assert type(loaded.layers[1]) is km.MaxPooling2D
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted(["a.keras", "b.keras", *NAMED])


if __name__ == "__main__":
    if sys.argv[1] == "first":
        print(first_uses())
    elif sys.argv[1] == "calls":
        print(json.dumps(calls_beside_training(float(sys.argv[2]))))
    else:
        write_again_and_again()
