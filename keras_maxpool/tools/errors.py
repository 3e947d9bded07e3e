"""Shortens errors of Keras and TensorFlow, which hold traces and whole configs, to one line."""

import re

SHOWN = 500
"""Characters of a message that are shown."""

TERMINAL_CODES = re.compile(r"\x1b\[[0-9;]*m")

CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Characters that control a terminal, or that no file can hold: lone surrogates."""


def one_line(error: Exception) -> str:
    """Returns the error's class and message."""
    return ": ".join(filter(None, [type(error).__name__, message(error)]))


def message(error: Exception) -> str:
    """Returns the line of the error's text that says what went wrong; "" if it has none."""
    # A KeyError's text is its argument's repr.
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    text = TERMINAL_CODES.sub("", text)
    # Where functions are traced, TensorFlow puts the trace first; elsewhere Keras puts a whole config first.
    if text.startswith("in user code:"):
        text = text.rpartition(f"{type(error).__name__}: ")[2]
    text = text.rpartition("Exception encountered: ")[2]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith("Exception encountered when calling "):
        del lines[0]
    line = " ".join(lines[: 2 if lines and lines[0].endswith(":") else 1])
    # Messages quote what is in a file.
    line = CONTROLS.sub(lambda found: ascii(found[0])[1:-1], line)
    return line if len(line) <= SHOWN else line[:SHOWN] + "..."
