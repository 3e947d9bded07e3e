"""The command line, called in this process."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from typing import Any

import pytest

from keras_maxpool.tools.cli import main


def complaint(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The line that a refused command, the first of the arguments, ends with."""
    try:
        code: Any = main(arguments)
    except SystemExit as stop:  # by argparse
        code = stop.code
    assert code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    lines = err.splitlines()
    assert [line for line in lines if re.match("keras-maxpool[a-z ]*: ", line)] == lines[-1:]
    return lines[-1]


def check_help(command: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), "--help"])
    out, err = capsys.readouterr()
    assert (stop.value.code, err) == (0, "")
    assert out.startswith("usage: keras-maxpool")
    assert [word for word in words.split() if word not in out] == []


def check_piped(text: str) -> None:
    """What rich writes where no terminal reads it."""
    assert re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text) is None


def interrupt(*_: object, **__: object) -> None:
    """Ctrl-C."""
    signal.raise_signal(signal.SIGINT)


def check_stopped(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The command ends with one line when something in it is replaced by `interrupt`."""
    # SIGINT is ignored where tests run in the background.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert main(arguments) == 130
    except KeyboardInterrupt:
        pytest.fail("it is not caught")
    finally:
        signal.signal(signal.SIGINT, before)
    out, err = capsys.readouterr()
    assert out == ""
    check_piped(err)
    assert err.endswith("\nkeras-maxpool: stopped\n")
    assert "Traceback" not in err


def after(call: Callable[..., Any]) -> Callable[..., Any]:
    """The call, and then Ctrl-C."""

    def stopped(*arguments: Any, **named: Any) -> None:
        call(*arguments, **named)
        interrupt()

    return stopped
