"""keras-maxpool convert: a model's file in, a model's file out.

`read`, `convert` and `write` work; `render` and `refuse` show; `main` is the command.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.table import Table

from keras_maxpool.tools.convert.models import CannotConvertError, Conversion, convert

SHOWN = 500
"""Characters of an error's first line: Keras's may hold a whole config."""


class FileError(Exception):
    """A file that cannot be read or written, in one line."""


def read(path: Path, note: Callable[[str], None]) -> keras.Model:
    """The model in a file, which is refused if Keras would have to run code from it."""
    try:
        model = _load(path, note)
    except Exception as error:  # what a broken file makes Keras raise has no common class
        raise FileError(f"{path} does not load as a model: {_one_line(error)}") from error
    if not isinstance(model, keras.Model):
        raise FileError(f"{path} holds a {type(model).__name__}, and no model")
    return model


def _load(path: Path, note: Callable[[str], None]) -> Any:
    try:
        return keras.saving.load_model(path)
    except Exception as error:
        if path.suffix != ".h5":
            raise
        # Keras cannot read the short names of losses and metrics, such as "mse", that it writes to .h5 itself.
        model = keras.saving.load_model(path, compile=False)
        note(f"{path}: its compile settings do not load and are left behind: {_one_line(error)}")
        return model


def write(model: keras.Model, path: Path) -> None:
    """Saves the model in a form that loads, or leaves the file alone."""
    try:
        with tempfile.TemporaryDirectory(prefix=".keras_maxpool_", dir=path.parent) as folder:
            draft = Path(folder, path.name)
            model.save(draft)
            # Not all that Keras saves to .h5 can it load.
            keras.saving.load_model(draft, compile=False)
            os.replace(draft, path)
    except Exception as error:  # nor has what a model that cannot be saved makes it raise
        raise FileError(f"{path} cannot be written: {_one_line(error)}") from error


def render(done: Conversion, to: str, console: Console) -> None:
    """Shows each layer and what became of it."""
    if done.swapped or done.kept:
        table = Table("layer", "class", "now of", "note")
        home = "keras.layers" if to == "builtin" else "keras_maxpool"
        for path, kind in done.swapped.items():
            masked = "a mask reaches it: predictions change" if path in done.masked else ""
            table.add_row(path, kind, home, masked)
        for path, reason in done.kept.items():
            table.add_row(path, "", "", f"stays as it is: {reason}")
        for column in table.columns:
            column.overflow = "fold"
        console.print(table)
    console.print(f"layers swapped: {len(done.swapped)}")


def refuse(error: CannotConvertError, console: Console) -> None:
    """Shows each layer that cannot be converted, and why."""
    table = Table("layer", "why it cannot be converted")
    for path, reason in error.reasons.items():
        table.add_row(path, reason)
    console.print(table)


def main(source: Path, target: Path, to: str) -> int:
    """Converts source into target; 0, or 1 if some layer cannot be converted, or 2 for a bad file."""
    # A layer's name may look like markup.
    shown = Console(markup=False, highlight=False, emoji=False)
    progress = Console(stderr=True, markup=False, highlight=False, emoji=False, soft_wrap=True)
    try:
        progress.print(f"reading {source}")
        model = read(source, progress.print)
        progress.print(f"converting {model.name}")
        try:
            done = convert(model, to)
        except CannotConvertError as error:
            refuse(error, shown)
            progress.print(f"keras-maxpool: {target} is not written")
            return 1
        except ValueError as error:
            raise FileError(f"{source} cannot be converted: {_one_line(error)}") from error
        progress.print(f"writing {target}")
        write(done.model, target)
    except FileError as error:
        progress.print(f"keras-maxpool: {error}")
        return 2
    render(done, to, shown)
    return 0


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."
