"""Threads and processes: what many do at once gives what one alone gives, also the first time, and files are whole."""

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
from itertools import product
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.processes import child_path
from harness.runner import MODES, run, with_gradient
from robustness.every_family import every_family

import keras_maxpool as km
from keras_maxpool.backend.tensorflow.pool import _traced_gradient as shared_gradient

THREADS = 8

layers = keras.layers


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """What each thread's work gives; all begin together."""
    ready = threading.Barrier(THREADS)

    def begin(thread: int) -> Any:
        ready.wait()
        return work(thread)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


def empty_caches() -> int:
    """Those of all modules of the package; their number."""
    modules = [module for name, module in sys.modules.items() if name.startswith("keras_maxpool")]
    found = {id(item): item for module in modules for item in vars(module).values()}
    cached = [item for item in found.values() if hasattr(item, "cache_clear")]
    for item in cached:
        item.cache_clear()
    return len(cached)


def results(x: tf.Tensor, upstream: tf.Tensor) -> Any:
    """Without a tape, and with one."""
    layer = getattr(km, f"MaxPooling{x.shape.rank - 2}D")
    pool = layer(3, strides=2, padding=1, return_indices=True)
    return *pool(x), *with_gradient(pool)(x, upstream)


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(2))
def test_first_use_from_many_threads(attempt: int) -> None:
    """Each thread makes layers and calls them, in its own order, when all caches are empty."""
    rng = np.random.default_rng(1)
    uses = []
    for mode, shape in (
        *product(MODES[:2], [(2, 9, 8, 3), (2, 6, 6, 5, 3)]),
        ("xla", (2, 9, 8, 3)),
        ("eager", (1, 64, 64, 32)),  # all threads share one traced gradient for large inputs
    ):
        x = rng.integers(-9, 9, shape).astype("float32")
        pooled = reference.pool(x, 3, 2, 1)
        upstream = np.ones_like(pooled.values)
        gradient = reference.gradient(x.shape, pooled.indices, upstream, dtype=x.dtype)
        uses.append((mode, x, upstream, [*pooled, *pooled, gradient]))

    def work(thread: int) -> None:
        for number in range(len(uses)):
            mode, x, upstream, wanted = uses[(thread + number) % len(uses)]
            for got, expected in zip(run(results, mode, x, upstream), wanted, strict=True):
                np.testing.assert_array_equal(got, expected)

    assert empty_caches() >= 6
    at_once(work)
    assert shared_gradient.cache_info().currsize == 1


def test_calls_beside_training() -> None:
    """All threads call a model while another one is trained."""
    keras.utils.set_random_seed(2)
    rng = np.random.default_rng(2)
    shapes = (12, 3), (16, 15, 2)
    model, other = every_family(*shapes), every_family(*shapes)
    other.compile("adam", "mse")
    batches = [[rng.random((4, *shape), "float32") for shape in shapes] for _ in range(3)]
    for tokens, _ in batches:
        tokens[:, -4:] = 0  # what the mask hides
    traced = tf.function(lambda inputs: model(inputs, training=False), autograph=False)
    ways = [model, traced, model.predict_on_batch]
    wanted = [[np.asarray(way(batch)) for way in ways] for batch in batches]
    end = time.monotonic() + 4

    def train() -> int:
        steps = 0
        while time.monotonic() < end:
            loss = other.train_on_batch(batches[steps % 3], np.ones((4, 1), "float32"))
            assert np.isfinite(loss)
            steps += 1
        return steps

    def work(thread: int) -> int:
        calls = 0
        while time.monotonic() < end:
            number = (thread + calls) % 3
            for way, expected in zip(ways[: 2 + thread % 2], wanted[number], strict=False):
                np.testing.assert_array_equal(way(batches[number]), expected)
            calls += 1
        return calls

    with ThreadPoolExecutor(1) as trainer:
        training = trainer.submit(train)
        assert sum(at_once(work)) >= THREADS
        assert training.result() >= 1


def name_in(content: bytes) -> str:
    """The name of the model in a file that is whole: a model's, or a report's."""
    if not content.startswith(b"PK"):
        return json.loads(content)["model"]
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert file.testzip() is None
        return json.loads(file.read("config.json"))["config"]["name"]


AGAIN_AND_AGAIN = """
import sys
from keras_maxpool.tools.cli import main
for _ in range(30):
    assert main(sys.argv[1:]) == 0
"""


@pytest.mark.parametrize("target", ["out.keras", "out.json"])
def test_two_processes_write_one_file(target: str, tmp_path: Path) -> None:
    """Whoever reads it meanwhile finds one of the two files, whole."""
    for size, name in enumerate("ab", 50):
        stem = [keras.Input((8, 8, 2)), layers.Conv2D(64, 3), layers.MaxPooling2D(2)]
        model = keras.Sequential([*stem, layers.Flatten(), layers.Dense(size)], name=name)
        model.save(tmp_path / f"{name}.keras")
    out, seen, last = tmp_path / target, [], b""
    start = ["report", "--json", str(out)] if target == "out.json" else ["convert"]
    end = [] if target == "out.json" else [str(out)]
    code = [sys.executable, "-c", AGAIN_AND_AGAIN]
    how = {"env": {**os.environ, "PYTHONPATH": child_path()}, "stdout": subprocess.DEVNULL}
    commands = [[*code, *start, f"{tmp_path}/{name}.keras", *end] for name in "ab"]
    writers = [subprocess.Popen(command, **how) for command in commands]
    try:
        while any(writer.poll() is None for writer in writers):
            content = out.read_bytes() if out.exists() else b""
            if content != last:
                seen.append(name_in(content))
                last = content
            time.sleep(0.002)
    finally:
        codes = [writer.wait(600) for writer in writers]
    assert codes == [0, 0]
    assert set(seen) == {"a", "b"}
    assert len(seen) > 6
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted(["a.keras", "b.keras", target])
