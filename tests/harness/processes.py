"""Code in a process of its own."""

import os
import subprocess
import sys

Process = subprocess.CompletedProcess[str]


def child_path(*folders: str) -> str:
    """A PYTHONPATH on which a child process finds what this one does, the tests' modules included."""
    return os.pathsep.join(filter(None, [*folders, *sys.path]))


def run_code(code: str, timeout: float = 300, **environment: str) -> Process:
    """A fresh process that has run Python's `code`, and all that it said."""
    return subprocess.run(
        [sys.executable, "-c", code],
        # A child of a process that has taken all of a GPU's memory; fatal errors show at every level.
        env={
            **os.environ,
            "PYTHONPATH": child_path(),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "TF_FORCE_GPU_ALLOW_GROWTH": "true",
            **environment,
        },
        input="",
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def in_child(module: str, function: str, timeout: float = 300, **environment: str) -> str:
    """What a function of a test module prints in a fresh process; shows its errors if it has any."""
    name = os.path.splitext(os.path.basename(module))[0]
    code = f"import {name}; {name}.{function}()"
    path = child_path(os.path.dirname(module))
    child = run_code(code, timeout, **{"PYTHONPATH": path, **environment})
    assert child.returncode == 0, child.stderr[-4000:]
    return child.stdout
