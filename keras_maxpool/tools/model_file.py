"""Reads models from files without running code from them, and writes them completely or not at all."""

import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import keras

from keras_maxpool.tools.atomic_file import draft
from keras_maxpool.tools.errors import message
from keras_maxpool.tools.file_check import (
    CONFIG,
    H5_SETTINGS,
    NotKerasError,
    check,
    is_keras_format,
    without_settings,
)

PYTHONS = (AttributeError, IndexError, KeyError, TypeError)
"""Errors that Python itself raises, about its own code, where a value is of another type."""

NO_MEMORY: tuple[type[BaseException], ...] = (MemoryError,)
if keras.config.backend() == "tensorflow":
    import tensorflow as tf

    NO_MEMORY = (MemoryError, tf.errors.ResourceExhaustedError)
TOO_MUCH: tuple[type[BaseException], ...] = (*NO_MEMORY, TimeoutError)

NOT_FOUND = re.compile(
    r"(?:Could not locate \w+ '|Could not interpret [\w ]+ identifier: (?:\{.*'config': ')?|Unknown \w+: '|of type `)"
    r"([^'`\s]+)"
)
"""How Keras says that it does not know a class or function."""

BY_OUTPUT = ("accuracy", "acc", "crossentropy", "ce")
"""Metrics that Keras replaces by one of several functions, depending on the shape of the output."""

IN_PYTHON = (
    "a class or function of your own is not in a model's file: load the model in Python, where it is defined, and use "
    "keras_maxpool.tools.convert or keras_maxpool.tools.report"
)


class FileError(Exception):
    """A file that cannot be read or written, in one line."""


def read(path: Path) -> keras.Model:
    """Returns the model in a file, not compiled. It is refused if Keras would have to run code from the file."""
    return _read(path, lambda: _load_bare(path))


def read_compiled(path: Path, note: Callable[[str], None]) -> keras.Model:
    """Returns the model in a file, compiled as it was saved; or not compiled, and a note says why."""
    return _read(path, lambda: _load_compiled(path, note))


def _read(path: Path, load: Callable[[], Any]) -> keras.Model:
    try:
        model = load()
    except Exception as error:  # the errors that broken files cause have no common class
        reason = _reason(error)
        if isinstance(error, NotKerasError) or NOT_FOUND.search(str(error)):
            reason = f"{reason}; {IN_PYTHON}"
        elif isinstance(error, PYTHONS):
            reason = f"its content is not as Keras writes it: {reason}"
        raise FileError(f"{path} does not load as a model: {reason}") from error
    if not isinstance(model, keras.Model):
        raise FileError(f"{path} holds a {type(model).__name__}, and no model")
    return model


def _reason(error: Exception) -> str:
    line = file_message(error)
    unknown = NOT_FOUND.search(line)
    return f"it names {unknown[1]!r}, which Keras does not find" if unknown else line


def _load_compiled(path: Path, note: Callable[[str], None]) -> Any:
    try:
        check(path)
        if not is_keras_format(path):
            _check_h5_settings(path)
        with _named_for_keras(path) as named:
            return keras.saving.load_model(named)
    except TOO_MUCH:
        raise
    except Exception as error:  # perhaps of the compile settings alone
        model = _load_bare(path)
        note(
            f"{path}: its compile settings do not load and are left out, with the optimizer's state: "
            f"{_reason(error)}. Before training goes on, compile the new model again"
        )
        return model


def _load_bare(path: Path) -> Any:
    check(path, settings=False)
    with _named_for_keras(path, bare=True) as named:
        return keras.saving.load_model(named, compile=False)


@contextmanager
def _named_for_keras(path: Path, bare: bool = False) -> Iterator[Path]:
    """Yields the file, or a copy under a name that Keras takes, or one without the compile settings of inner models."""
    suffix = path.suffix.lower()
    bare = bare and is_keras_format(path)
    if path.suffix == suffix and not bare:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="keras_maxpool_") as folder:
        copy = Path(folder, f"model{suffix}")
        if bare:
            copy_changed(path, copy, without_settings)
        else:
            shutil.copyfile(path, copy)
        yield copy


def copy_changed(source: Path, target: Path, change: Callable[[Any], Any]) -> None:
    """Copies a .keras file, with `change(config)` for its config."""
    with zipfile.ZipFile(source) as old_file, zipfile.ZipFile(target, "w") as new_file:
        for item in old_file.infolist():
            if item.filename == CONFIG:
                new_file.writestr(CONFIG, json.dumps(change(json.loads(old_file.read(CONFIG)))))
            else:
                with (
                    old_file.open(item) as old,
                    new_file.open(item, "w", force_zip64=True) as new,
                ):
                    shutil.copyfileobj(old, new)


def _check_h5_settings(path: Path) -> None:
    """Refuses settings of the user's own, which Keras reads from HDF5 as its own by name, or accepts until training.

    Raises:
        ValueError, TypeError: Keras's own, with the name.
    """
    with h5py.File(path) as file:
        settings = json.loads(file.attrs.get(H5_SETTINGS, "{}"))
    for key, module in (
        ("optimizer_config", keras.optimizers),
        ("loss", keras.losses),
        ("metrics", keras.metrics),
        ("weighted_metrics", keras.metrics),
    ):
        for name in _names(settings.get(key)):
            # Keras 2 has written Custom>Adam.
            if name not in BY_OUTPUT and not hasattr(module, name.rpartition(">")[2]):
                module.get(name)


def _names(setting: Any) -> Iterator[str]:
    """Yields the names in one compile setting, which may be a list or a dict of others."""
    if isinstance(setting, str):
        yield setting
    elif isinstance(setting, dict) and "class_name" in setting:
        yield setting["class_name"]
    elif isinstance(setting, (dict, list)):
        for one in setting.values() if isinstance(setting, dict) else setting:
            yield from _names(one)


def write(model: keras.Model, path: Path) -> None:
    """Saves the model so that it loads, or leaves the file unchanged."""
    try:
        with draft(path) as made:
            model.save(made)
            # Not all that Keras saves to .h5 can it load.
            keras.saving.load_model(made, compile=False)
    except Exception as error:  # nor have the errors of a model that cannot be saved
        raise FileError(f"{path} cannot be written: {file_message(error)}") from error


def file_message(error: Exception) -> str:
    """Returns what an error says of a file, in one line."""
    if isinstance(error, NO_MEMORY):
        return "it takes more memory than there is for a file of its size"
    line = message(error) or f"it makes Keras raise {type(error).__name__}"
    # HDF5's KeyError has a sentence, others the missing key.
    missing = isinstance(error, KeyError) and " " not in line
    return f"there is no entry {line!r}" if missing else line
