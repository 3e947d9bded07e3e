"""How much memory and time work on a file may take, by the file's size: a small file can ask for any amount of either.

Only where the system can limit a process: memory on Linux, time in the main thread of Unix systems.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SPARE_BYTES, BYTES_A_BYTE = 4 * 2**30, 16
"""Memory for the work on any file, and for each byte of it."""

SPARE_SECONDS, SECONDS_A_BYTE = 120.0, 1e-4
"""Time for the work on any file, and for each byte of it."""


@contextmanager
def limited_by_size(path: Path) -> Iterator[None]:
    """Raises a MemoryError, or what TensorFlow says then, or a TimeoutError in work that takes too much."""
    size = path.stat().st_size
    with (
        _memory(SPARE_BYTES + BYTES_A_BYTE * size),
        _time(SPARE_SECONDS + SECONDS_A_BYTE * size),
    ):
        yield


@contextmanager
def _memory(more: int) -> Iterator[None]:
    if not sys.platform.startswith("linux"):
        yield
        return
    import resource

    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    # Not the address space: a thread reserves far more of that than it uses.
    used = int(fields["VmData"].split()[0]) * 1024
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = used + more
    if resource.RLIM_INFINITY != soft < wanted:
        wanted = soft
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


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
            f"it takes more than {seconds:.0f} seconds, as no sound file of its size"
        )

    before = signal.signal(signal.SIGALRM, stop)
    # Again each second: whoever catches the first one goes on working.
    signal.setitimer(signal.ITIMER_REAL, seconds, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
