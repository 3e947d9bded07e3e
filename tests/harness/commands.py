"""How a command refuses bad input."""

from __future__ import annotations

import pytest

from keras_maxpool.tools.cli import main


def complaint(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The line that a refused command, the first of the arguments, ends with."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    lines = err.splitlines()
    assert [line for line in lines if line.startswith("keras-maxpool: ")] == lines[-1:]
    return lines[-1]
