"""The known faults put to both sides, in processes of their own, since some end the process.

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
import time
from types import TracebackType

from keras_maxpool.tools.parity.compare import one_line
from keras_maxpool.tools.parity.faults import FAULTS, Finding
from keras_maxpool.tools.parity.probes import SIDES

PATIENCE = 180.0
"""Seconds for one process."""


class Children:
    """Both sides' processes, side by side; `poll` now and then, so that each is followed by the next."""

    def __init__(self) -> None:
        """Nothing runs before the `with` statement."""
        self._children: list[_Child] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Children":
        """Starts the first process of each side."""
        # TensorFlow writes files while it traces, and a process that is ended leaves them.
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="keras_maxpool_"))
        for side in SIDES:
            child = _Child(side, folder)
            self._stack.callback(child.stop)
            self._children.append(child)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends what still runs."""
        self._stack.close()

    def poll(self) -> bool:
        """Starts the next processes where they are due; whether all is done."""
        done = [child.poll() for child in self._children]
        return all(done)

    def wait(self) -> list[Finding]:
        """The outcomes of all probes, in the order of FAULTS."""
        while not self.poll():
            time.sleep(0.05)
        ours, builtin = (child.outcomes for child in self._children)
        return [Finding(*found) for found in zip(FAULTS, builtin, ours, strict=True)]


class _Child:
    """All probes for one side, by one process after the other."""

    def __init__(self, side: str, folder: str) -> None:
        self.outcomes: list[str] = []
        self._side = side
        self._folder = folder
        self._start()

    def _start(self) -> None:
        self._deadline = time.monotonic() + PATIENCE
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - stop closes it
        command = [sys.executable, "-m", "keras_maxpool.tools.parity.children", self._side]
        self._process = subprocess.Popen(
            [*command, str(len(self.outcomes))],
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), self._folder)},
        )

    def poll(self) -> bool:
        """Whether all outcomes are known."""
        if len(self.outcomes) == len(FAULTS):
            return True
        if self._process.poll() is None and time.monotonic() < self._deadline:
            return False
        late = self._process.poll() is None
        self._process.kill()
        code = self._process.wait()
        self._said.seek(0)
        said = [json.loads(line) for line in self._said]
        self.stop()
        self.outcomes += [line["outcome"] for line in said if "outcome" in line]
        rest = len(FAULTS) - len(self.outcomes)
        if rest and not said:
            self.outcomes += [f"its process did not start: {_end(code)}"] * rest
        elif rest:
            self.outcomes.append(
                f"did not end in {PATIENCE:.0f} s" if late else f"ended the process: {_end(code)}"
            )
            if rest > 1:
                self._start()
        return rest <= 1

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._said.close()


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
