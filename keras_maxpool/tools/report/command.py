"""keras-maxpool report: a model's file in, a table out, and a page or figures on the disk if asked for."""

import json
from pathlib import Path

from rich.console import Console

from keras_maxpool.tools import console as consoles
from keras_maxpool.tools.atomic_file import draft
from keras_maxpool.tools.limits import limited_by_size
from keras_maxpool.tools.model_file import FileError, file_message, read
from keras_maxpool.tools.observe import silent_about_masks
from keras_maxpool.tools.report.html import page
from keras_maxpool.tools.report.model import Report, report
from keras_maxpool.tools.report.text import show


def main(source: Path, html_file: Path | None, json_file: Path | None) -> int:
    """Reports on the model in a file; returns 0, or 2 for a file that cannot be read or written."""
    progress = consoles.notes()
    try:
        with limited_by_size(source), silent_about_masks():
            done = _reported(source, progress)
        if html_file:
            _write(html_file, page(done))
        if json_file:
            _write(json_file, json.dumps(done.as_dict(), indent=2, allow_nan=False) + "\n")
    except FileError as error:
        progress.print(f"keras-maxpool: {error}")
        return 2
    show(done, Console(**consoles.PLAIN))
    for file in filter(None, (html_file, json_file)):
        progress.print(f"wrote {file}")
    return 0


def _reported(source: Path, progress: Console) -> Report:
    progress.print(f"reading {source}")
    model = read(source)
    progress.print(f"following {model.name}")
    try:
        return report(model)
    except Exception as error:  # Keras loads layers with senseless arguments
        raise FileError(f"{source} cannot be reported on: {file_message(error)}") from error


def _write(path: Path, text: str) -> None:
    try:
        with draft(path) as made:
            made.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror}") from error
