"""Work on a file has bounds, which end with it."""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from keras_maxpool.tools import limits
from keras_maxpool.tools.limits import limited_by_size

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux alone has the limit")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "in.keras"
    path.write_bytes(bytes(1000))
    return path


@linux
def test_memory(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    monkeypatch.setattr(limits, "SPARE_BYTES", 2**28)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with limited_by_size(file):
        inside = resource.getrlimit(resource.RLIMIT_DATA)[0]
        with pytest.raises(MemoryError):
            bytes(2**29)
        assert len(bytes(2**27)) == 2**27
        with limited_by_size(file):
            assert resource.getrlimit(resource.RLIMIT_DATA)[0] <= inside, "a lower one stays"
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert len(bytes(2**29)) == 2**29


@linux
def test_a_larger_file_may_take_more(file: Path) -> None:
    import resource

    found = []
    for size in (1000, 2**30):
        with file.open("r+b") as opened:
            opened.truncate(size)  # a hole
        with limited_by_size(file):
            found.append(resource.getrlimit(resource.RLIMIT_DATA)[0])
    assert found[1] - found[0] > 15 * 2**30


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="has no timers")
def test_time(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SPARE_SECONDS", 0.2)
    before = signal.getsignal(signal.SIGALRM)
    with (
        pytest.raises(TimeoutError, match="more than 0 seconds, longer than any valid file"),
        limited_by_size(file),
    ):
        time.sleep(30)
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_in_another_thread_and_without_a_file(tmp_path: Path) -> None:
    done = []

    def work() -> None:
        with limited_by_size(tmp_path / "none.keras"):
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
