"""The command line, called in this process."""

import re

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
