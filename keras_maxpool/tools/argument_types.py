"""What the command line's arguments are parsed into: integers, patterns and files, or an error that argparse shows."""

import argparse
import errno
import os
import re
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

SUFFIXES = (".keras", ".h5", ".hdf5")

TARGETS = ("keras_maxpool", "builtin")
"""Whose layers a model can be given."""


def integer(low: int, high: int | None = None) -> Callable[[str], int]:
    """Returns a parser of integers from low to high, both included."""
    wanted = f"an integer from {low}" + (" up" if high is None else f" to {high}")

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = low - 1
        if number < low or (high is not None and number > high):
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
        return number

    return parse


def regular_expression(text: str) -> str:
    """Returns a regular expression as it is."""
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from None
    return text


def output_file(text: str) -> Path:
    """Returns the path of a file that can be written when the work is done."""
    path = Path(text)
    try:
        if path.is_dir() or not path.parent.is_dir():
            raise argparse.ArgumentTypeError(f"{text!r} is not a file in a folder that exists")
        # The file itself is not opened: another process may be writing it, and a pipe would wait for a reader.
        try:
            path.stat()
        except FileNotFoundError:
            tempfile.TemporaryFile(dir=path.resolve().parent).close()
        else:
            if not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be written: {error.strerror}") from None
    return path


def png_file(text: str) -> Path:
    """Returns the path of a PNG file to write."""
    path = output_file(text)
    if path.suffix.lower() != ".png":
        raise argparse.ArgumentTypeError(f"{text!r} does not end in .png")
    return path


def model_to_write(text: str) -> Path:
    """Returns the path of a file that Keras can write."""
    _check_suffix(text)
    path = output_file(text)
    if path.exists() and not path.is_file():
        raise argparse.ArgumentTypeError(f"{text!r} is not a file")
    return path


def model_to_read(text: str) -> Path:
    """Returns the path of a file that exists, and may hold a model."""
    _check_suffix(text)
    path = Path(text)
    try:
        # Path.exists and Path.is_file hide some errors, and raise others.
        if not stat.S_ISREG(path.stat().st_mode):
            raise argparse.ArgumentTypeError(f"{text!r} is not a file")
    except FileNotFoundError:
        raise argparse.ArgumentTypeError(f"{text!r} does not exist") from None
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be read: {error.strerror}") from None
    return path


def _check_suffix(text: str) -> None:
    if Path(text).suffix.lower() not in SUFFIXES:
        raise argparse.ArgumentTypeError(f"{text!r} does not end in .keras, .h5 or .hdf5")
