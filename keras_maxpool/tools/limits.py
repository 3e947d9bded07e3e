"""Limits the memory and time that work on a file may take, by its size: a small file can ask for any amount of either.

Where the system can limit a process: memory on Linux, time in the main thread on Unix.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SPARE_BYTES, BYTES_PER_BYTE = 4 * 2**30, 16
"""Bytes of memory for any file, and for each byte of it."""

SPARE_SECONDS, SECONDS_PER_BYTE = 120.0, 1e-4
"""Seconds for any file, and for each byte of it."""


@contextmanager
def limited_by_size(path: Path) -> Iterator[None]:
    """Raises a MemoryError, or TensorFlow's equal, or a TimeoutError in work that takes too much."""
    try:
        size = path.stat().st_size
    except OSError:  # the reader will say so
        size = 0
    with (
        _memory(SPARE_BYTES + BYTES_PER_BYTE * size),
        _time(SPARE_SECONDS + SECONDS_PER_BYTE * size),
    ):
        yield


@contextmanager
def _memory(more: int) -> Iterator[None]:
    used = _used_memory()
    if used is None:
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    set_already = [limit for limit in before if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min([used + more, *set_already]), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _used_memory() -> int | None:
    """Returns this process's bytes as RLIMIT_DATA counts them, or None where there is no such limit.

    Not the address space: a thread reserves far more of that than it uses.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmData:")), None)


@contextmanager
def _time(seconds: float) -> Iterator[None]:
    if (
        not hasattr(signal, "setitimer")
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return

    def stop(*_: object) -> None:
        raise TimeoutError(
            f"it takes more than {seconds:.0f} seconds, longer than any valid file of its size"
        )

    before = signal.signal(signal.SIGALRM, stop)
    # Again each second, in case the first one is caught.
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
