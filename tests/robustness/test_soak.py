"""Training for 20 minutes, in graphs and in XLA: resident memory stays where it is after the first minute."""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from harness.keras_version import keras
from harness.processes import in_child
from robustness.every_family import every_family

MINUTES = float(os.environ.get("KERAS_MAXPOOL_SOAK_MINUTES", "20"))
SHAPES = ((24, 3), (24, 24, 3), (12, 12, 12, 3))
SAMPLES, BATCH = 248, 16
"""The last batch is half as large, so that shapes change twice an epoch."""

PAGE = os.sysconf("SC_PAGE_SIZE")
FLAT = 12 * 2**20
"""Bytes by which the median of the last quarter may exceed that of the second minute: under 1 MiB a minute."""


class Memory(keras.callbacks.Callback):
    """Notes time and resident bytes once a second, and stops the training when the time is over.

    The time begins when the first epoch ends: by then all shapes are compiled, which takes XLA half a minute.
    """

    def __init__(self) -> None:
        super().__init__()
        self.begin = 0.0
        self.notes: list[tuple[float, int]] = []
        self.steps = 0

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.begin = self.begin or time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        if not self.begin:
            return
        self.steps += 1
        passed = time.monotonic() - self.begin
        if not self.notes or passed > self.notes[-1][0] + 1:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.notes.append((passed, pages * PAGE))
        self.model.stop_training = passed > 60 * MINUTES


def soak() -> None:
    """Trains, then holds the last quarter's memory against the second minute's."""
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(SAMPLES, *shape)).astype("float32") for shape in SHAPES]
    x[0][:, -5:] = 0  # what the mask hides
    memory = Memory()
    made = every_family(*SHAPES)
    made.compile("sgd", "mse", jit_compile=os.environ["JIT_COMPILE"] == "yes")
    # One `fit` of which only the clock sees the end.
    y = x[1].max((1, 2, 3))[:, None]
    made.fit(x, y, batch_size=BATCH, epochs=10**9, verbose=0, callbacks=[memory])
    first = 60 * min(1.0, MINUTES / 4)
    settled = np.median([size for passed, size in memory.notes if first < passed <= 2 * first])
    last = np.median([size for passed, size in memory.notes if passed > 45 * MINUTES])
    print(f"{memory.steps} steps, {settled / 2**20:.1f} MiB, then {last / 2**20:.1f} MiB")
    assert last - settled < FLAT, memory.notes[:: max(1, len(memory.notes) // 40)]
    assert memory.steps > 60 * MINUTES, "less than one step a second tells little"


@pytest.mark.soak
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc: run it on Linux")
@pytest.mark.parametrize("jit_compile", ["no", "yes"])
def test_memory_stays_flat(jit_compile: str) -> None:
    print(in_child(__file__, "soak", timeout=60 * (MINUTES + 10), JIT_COMPILE=jit_compile))
