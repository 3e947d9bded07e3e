"""The known faults tested on both sides, in processes of their own, since some end the process.

This file run as a program is such a process: it writes a line of JSON before and after each probe, so that a probe
which ends the process is known, and another process takes on the rest.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from keras_maxpool.tools.errors import one_line
from keras_maxpool.tools.parity.faults import FAULTS, SIDES, Finding

PATIENCE = 180.0
"""Seconds for one process."""


@contextlib.contextmanager
def probing() -> Iterator[Callable[[], list[Finding]]]:
    """Runs all probes of both sides beside the caller; yields a function that waits for them, and returns the findings.

    Whatever still runs at the end of the `with` statement is ended.
    """
    stopped = threading.Event()
    # TensorFlow writes files while it traces, and a process that is ended leaves them.
    with (
        tempfile.TemporaryDirectory(prefix="keras_maxpool_") as folder,
        ThreadPoolExecutor() as pool,
    ):
        sides = [pool.submit(_outcomes, side, folder, stopped) for side in SIDES]

        def wait() -> list[Finding]:
            ours, builtin = (side.result() for side in sides)
            return [Finding(*found) for found in zip(FAULTS, builtin, ours, strict=True)]

        try:
            yield wait
        finally:
            stopped.set()


def _outcomes(side: str, folder: str, stopped: threading.Event) -> list[str]:
    """Returns what each probe of one side did, in one process after the other."""
    outcomes: list[str] = []
    while len(outcomes) < len(FAULTS) and not stopped.is_set():
        said, late, code = _run(side, len(outcomes), folder, stopped)
        outcomes += [line["outcome"] for line in said if "outcome" in line]
        rest = len(FAULTS) - len(outcomes)
        if not said:
            outcomes += [f"its process did not start: {_end(code)}"] * rest
        elif rest:
            ended = f"ended the process: {_end(code)}"
            outcomes.append(f"did not end in {PATIENCE:.0f} s" if late else ended)
    return outcomes


def _run(
    side: str, first: int, folder: str, stopped: threading.Event
) -> tuple[list[dict[str, str]], bool, int]:
    """Runs one process, from one fault on; returns what it wrote, whether it took too long, and its exit code."""
    command = [sys.executable, "-m", "keras_maxpool.tools.parity.processes", side, str(first)]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), folder)},
        )
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            if stopped.wait(0.05):
                break
        late = process.poll() is None
        process.kill()
        code = process.wait()
        output.seek(0)
        return [json.loads(line) for line in output], late, code


def _end(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):  # a signal without a name
            return signal.Signals(-code).name
    return f"exit code {code}"


def _probe(side: str, first: int) -> None:
    with contextlib.suppress(ImportError):  # Windows
        import resource

        # An aborted TensorFlow leaves a large core file where the system lets it.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for fault in FAULTS[first:]:
        print(json.dumps({"probe": fault.name}), flush=True)
        try:
            outcome = fault.probe(SIDES[side])
        except Exception as error:  # as much an outcome as any
            outcome = f"raised {one_line(error)}"
        print(json.dumps({"outcome": outcome}), flush=True)


if __name__ == "__main__":
    _probe(sys.argv[1], int(sys.argv[2]))
