"""Training for 20 minutes, in graphs and in XLA: resident memory stays where it is after the first minute."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from either_keras import keras
from running import in_child

import keras_maxpool

MINUTES = float(os.environ.get("KERAS_MAXPOOL_SOAK_MINUTES", "20"))
PAGE = os.sysconf("SC_PAGE_SIZE")
FLAT = 2**25
"""Bytes by which the median of the last quarter may exceed that of the second minute."""


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


class Memory(keras.callbacks.Callback):
    """Notes time and memory once a second, and stops the training when the time is over."""

    def __init__(self) -> None:
        super().__init__()
        self.begin = time.monotonic()
        self.notes: list[tuple[float, int]] = []
        self.steps = 0

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.steps += 1
        passed = time.monotonic() - self.begin
        if not self.notes or passed > self.notes[-1][0] + 1:
            self.notes.append((passed, resident()))
        self.model.stop_training = passed > 60 * MINUTES


def model() -> keras.Model:
    """Every family of layers, with indices and what unpools them."""
    x = keras.Input((24, 24, 3))
    y = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    y, places = keras_maxpool.MaxPool2D(2, return_indices=True)(y)
    y = keras_maxpool.MaxPool2D(3, strides=1, padding="same")(y)
    y = keras_maxpool.MaxUnpool2D(2)(y, places)
    y = keras_maxpool.MaxPool2D(3, strides=2, padding=1, dilation_rate=2, ceil_mode=True)(y)
    y = keras_maxpool.FractionalMaxPool2D(1.4)(y)
    y = keras_maxpool.AdaptiveMaxPool2D(4)(y)
    heads = keras_maxpool.GlobalMaxPool2D()(y), keras.layers.Flatten()(y)
    return keras.Model(x, keras.layers.Dense(1)(keras.layers.Concatenate()(heads)))


def soak(jit_compile: bool) -> None:
    """Trains, then holds the last quarter's memory against the second minute's."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(256, 24, 24, 3)).astype("float32")
    memory = Memory()
    made = model()
    made.compile("sgd", "mse", jit_compile=jit_compile)
    # One `fit` of which only the clock sees the end.
    y = x.max((1, 2, 3))[:, None]
    made.fit(x, y, batch_size=16, epochs=10**9, verbose=0, callbacks=[memory])
    first = 60 * min(1.0, MINUTES / 4)
    settled = np.median([size for passed, size in memory.notes if first < passed <= 2 * first])
    last = np.median([size for passed, size in memory.notes if passed > 45 * MINUTES])
    print(f"{memory.steps} steps, {settled / 2**20:.0f} MiB, then {last / 2**20:.0f} MiB")
    assert last - settled < FLAT, memory.notes[:: max(1, len(memory.notes) // 40)]


def soak_in_graphs() -> None:
    soak(jit_compile=False)


def soak_in_xla() -> None:
    soak(jit_compile=True)


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc: run it on Linux")
@pytest.mark.parametrize("function", ["soak_in_graphs", "soak_in_xla"])
def test_memory_stays_flat(function: str) -> None:
    print(in_child(__file__, function, timeout=60 * (MINUTES + 10)))
