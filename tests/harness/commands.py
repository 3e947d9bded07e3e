"""The command line, called in this process."""

import re
import signal

import pytest

from keras_maxpool.tools.cli import main


def complaint(arguments, capsys):
    """The line that a refused command, the first of the arguments, ends with."""
    try:
        code = main(arguments)
    except SystemExit as stop:  # by argparse
        code = stop.code
    assert code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    lines = err.splitlines()
    assert [line for line in lines if re.match("keras-maxpool[a-z ]*: ", line)] == lines[-1:]
    return lines[-1]


def check_piped(text):
    """What rich writes where no terminal reads it."""
    assert re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text) is None


def interrupt(*_, **__):
    """Ctrl-C."""
    signal.raise_signal(signal.SIGINT)


def check_stopped(arguments, capsys):
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
