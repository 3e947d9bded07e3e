"""keras-maxpool parity: every layer of this package compared with the built-in one.

`cases` says what is compared, `run` and `compare` do it, `processes` tests the known faults of the built-in, `report`
shows it all.
"""

import os
from pathlib import Path

import keras
from rich.console import Console

from keras_maxpool.tools import console
from keras_maxpool.tools.parity import files, report
from keras_maxpool.tools.parity import run as parity_run
from keras_maxpool.tools.parity.modes import BACKEND
from keras_maxpool.tools.parity.outcome import Outcome, Result
from keras_maxpool.tools.parity.processes import probing
from keras_maxpool.tools.quiet import quiet_import, start_xla


def run(*, quick: bool, advance: console.Advance) -> Outcome:
    """Compares every layer with the built-in one."""
    steps = parity_run.steps(quick=quick)
    results: list[Result] = []
    with probing() as wait:
        for done, step in enumerate(steps):
            advance(f"{step.group}: {step.name}", done, len(steps) + 1)
            results += step.run()
        advance("known faults of the built-in", len(steps), len(steps) + 1)
        findings = wait()
    advance("", len(steps) + 1, len(steps) + 1)
    return Outcome(results, findings)


def main(*, quick: bool, junit_file: Path | None, json_file: Path | None) -> int:
    """Runs the comparison, its progress on stderr and its tables on stdout; returns 1 if something differs."""
    # The processes for the known faults share a GPU with this one; each is read when the GPU is first used.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if BACKEND == "tensorflow":
        start_xla()
    with quiet_import():  # To serialize, Keras imports TensorFlow on the other backends, too.
        keras.saving.serialize_keras_object(keras.layers.MaxPooling1D())
    with console.progress() as advance:
        outcome = run(quick=quick, advance=advance)
    report.render(outcome, Console())
    if junit_file:
        junit_file.write_bytes(files.to_junit(outcome))
    if json_file:
        json_file.write_text(files.to_json(outcome) + "\n", "utf-8")
    return 0 if outcome.ok else 1
