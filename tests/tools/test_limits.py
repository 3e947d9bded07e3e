"""Work on a file has bounds, which end with it."""

import signal
import sys
import threading
import time

import pytest

from keras_maxpool.tools import limits
from keras_maxpool.tools.limits import limited_by_size

linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="Linux alone has the limit: run it there"
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "in.keras"
    path.write_bytes(bytes(1000))
    return path


@linux
def test_memory(file, monkeypatch):
    import resource

    def limit():
        return resource.getrlimit(resource.RLIMIT_DATA)

    with monkeypatch.context() as patch:
        patch.setattr(limits, "SPARE_BYTES", 2**28)
        before = limit()
        with limited_by_size(file):
            inside = limit()[0]
            with pytest.raises(MemoryError):
                bytes(2**29)
            assert len(bytes(2**27)) == 2**27
            with limited_by_size(file):
                assert limit()[0] <= inside, "a lower one stays"
        assert limit() == before
        assert len(bytes(2**29)) == 2**29
    found = []
    for size in (1000, 2**30):
        with file.open("r+b") as opened:
            opened.truncate(size)  # a hole
        with limited_by_size(file):
            found.append(limit()[0])
    assert found[1] - found[0] > 15 * 2**30, "a larger file may take more"


@pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="has no timers: run it on Linux or macOS"
)
def test_time(file, monkeypatch):
    monkeypatch.setattr(limits, "SPARE_SECONDS", 0.2)
    before = signal.getsignal(signal.SIGALRM)
    late = pytest.raises(TimeoutError, match="more than 0 seconds, longer than any valid file")
    with late, limited_by_size(file):
        time.sleep(30)
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


def test_in_another_thread_and_without_a_file(tmp_path):
    done = []

    def work():
        with limited_by_size(tmp_path / "none.keras"):
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
