"""keras-maxpool convert: a model's file in, a model's file out.

`render` and `refuse` show what was done; `main` is the command.
"""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from keras_maxpool.tools import console as consoles
from keras_maxpool.tools.convert.models import CannotConvertError, Conversion, convert
from keras_maxpool.tools.limits import limited_by_size
from keras_maxpool.tools.model_file import FileError, file_message, read_compiled, write
from keras_maxpool.tools.observe import silent_about_masks


def render(done: Conversion, to: str, console: Console) -> None:
    """Shows each layer, and whether it was replaced."""
    if done.swapped or done.kept:
        home = "keras.layers" if to == "builtin" else "keras_maxpool"
        table = _table(console, (*done.swapped, *done.kept), f"now of {home}", "note")
        for path, kind in done.swapped.items():
            note = "a mask reaches it: predictions change" if path in done.masked else ""
            if path in done.stale:
                note = "a mask reaches it that does not fit: it is ignored, and predictions stay"
            table.add_row(_name(path, console), kind, note)
        for path, reason in done.kept.items():
            table.add_row(_name(path, console), "", f"stays as it is: {reason}")
        console.print(table)
    console.print(f"layers swapped: {len(done.swapped)}")


def refuse(error: CannotConvertError, console: Console) -> None:
    """Shows each layer that cannot be converted, and why."""
    table = _table(console, tuple(error.reasons), "why it cannot be converted")
    for path, reason in error.reasons.items():
        table.add_row(_name(path, console), reason)
    console.print(table)


def _table(console: Console, paths: Sequence[str], *headings: str) -> Table:
    """Returns a table whose first column holds these layers' names unbroken."""
    table = Table()
    table.add_column("layer", min_width=max(len(_name(path, console)) for path in paths))
    for heading in headings:
        table.add_column(heading)
    return table


def _name(path: str, console: Console) -> str:
    return consoles.shortened(path, console.width // 3)


def main(source: Path, target: Path, to: str) -> int:
    """Converts source into target; returns 0, or 1 if some layer cannot be converted, or 2 for a bad file."""
    shown, progress = Console(**consoles.PLAIN), consoles.notes()
    try:
        with limited_by_size(source), silent_about_masks():
            done = _converted(source, target, to, progress)
    except CannotConvertError as error:
        refuse(error, shown)
        progress.print(f"keras-maxpool: {target} is not written")
        return 1
    except FileError as error:
        progress.print(f"keras-maxpool: {error}")
        return 2
    render(done, to, shown)
    return 0


def _converted(source: Path, target: Path, to: str, progress: Console) -> Conversion:
    progress.print(f"reading {source}")
    model = read_compiled(source, progress.print)
    progress.print(f"converting {model.name}")
    try:
        done = convert(model, to)
    except CannotConvertError:
        raise
    except Exception as error:  # Keras loads layers with senseless arguments
        raise FileError(f"{source} cannot be converted: {file_message(error)}") from error
    progress.print(f"writing {target}")
    write(done.model, target)
    if target.suffix.lower() != ".keras" and done.model.compiled:
        progress.print(
            f"note: Keras reads no optimizer's state from {target}: to train on, compile the model again, or write a "
            ".keras file"
        )
    return done
