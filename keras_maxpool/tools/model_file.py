"""Models in files: read without running code from them, written whole or not at all."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from keras_maxpool.tools.file_check import CONTROLS, check
from keras_maxpool.tools.whole_file import draft

SHOWN = 500
"""Characters of an error's first line: Keras's may hold a whole config."""


PYTHONS = (AttributeError, IndexError, KeyError, TypeError)
"""Errors that Python itself raises, in words that tell of Keras's code, where a value is of another type."""


class FileError(Exception):
    """A file that cannot be read or written, in one line."""


def read(path: Path, note: Callable[[str], None]) -> keras.Model:
    """The model in a file, which is refused if Keras would have to run code from it."""
    try:
        check(path)
        model = _load(path, note)
    except Exception as error:  # what a broken file makes Keras raise has no common class
        damage = "its content is not as Keras writes it: " if isinstance(error, PYTHONS) else ""
        raise FileError(f"{path} does not load as a model: {damage}{one_line(error)}") from error
    if not isinstance(model, keras.Model):
        raise FileError(f"{path} holds a {type(model).__name__}, and no model")
    return model


def _load(path: Path, note: Callable[[str], None]) -> Any:
    try:
        return keras.saving.load_model(path)
    except Exception as error:
        if path.suffix != ".h5" or isinstance(error, (MemoryError, TimeoutError)):
            raise
        # Keras cannot read the short names of losses and metrics, such as "mse", that it writes to .h5 itself.
        model = keras.saving.load_model(path, compile=False)
        note(f"{path}: its compile settings do not load and are left behind: {one_line(error)}")
        return model


def write(model: keras.Model, path: Path) -> None:
    """Saves the model in a form that loads, or leaves the file alone."""
    try:
        with draft(path) as made:
            model.save(made)
            # Not all that Keras saves to .h5 can it load.
            keras.saving.load_model(made, compile=False)
    except Exception as error:  # nor has what a model that cannot be saved makes it raise
        raise FileError(f"{path} cannot be written: {one_line(error)}") from error


def one_line(error: Exception) -> str:
    """What an error says went wrong, in one line, cut where it is very long."""
    # Keras puts a whole config before what went wrong, and a line that says where it was.
    _, _, text = str(error).rpartition("Exception encountered: ")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith("Exception encountered when calling "):
        del lines[0]
    line = lines[0] if lines else f"it makes Keras raise {type(error).__name__}"
    if isinstance(error, (MemoryError, tf.errors.ResourceExhaustedError)):
        line = "it takes more memory than there is for a file of its size"
    if line.endswith(":") and len(lines) > 1:
        line = f"{line} {lines[1]}"
    if isinstance(error, KeyError) and error.args:  # whose text is its argument's repr
        # HDF5's says what is wrong, others are the key that is missing.
        words = " " in str(error.args[0])
        line = str(error.args[0]) if words else f"there is no entry {line}"
    # Keras quotes what it finds.
    line = CONTROLS.sub(lambda found: ascii(found[0])[1:-1], line)
    return line if len(line) <= SHOWN else line[:SHOWN] + "..."
