"""Checks a model's file before Keras reads it: no code, no paths out of the file, no decompression bomb.

The newest Keras checks much of this itself; 3.7 runs a Lambda from .h5 and imports any module that a config names.
"""

import io
import json
import math
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import h5py

from keras_maxpool.tools.errors import CONTROLS

EXPANSION = 100
"""How many times its size a file may unpack to, on top of LEAST: weights as Keras writes them are not compressed."""

LEAST = 2**28
"""Bytes that any file may unpack to."""

MOST_CONFIG = 2**26
"""Bytes of a config."""

PACKAGES = ("keras", "keras_maxpool", "keras_cv", "keras_hub", "keras_nlp")
"""Packages whose classes a file may name: those that Keras 3.15 imports by itself, and ours."""

FUNCTIONS = tuple(
    f"keras.{module}"
    for module in ("activations", "constraints", "initializers", "losses", "metrics", "ops")
)
"""Where functions may come from, beside Keras's own by name alone."""

CODE = ("Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")
"""Classes that run code from their config or from another file."""

LOOKUPS = ("StringLookup", "IntegerLookup", "TextVectorization")
"""Layers that read a vocabulary from a file if their config holds a path."""

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
H5_CONFIG, H5_SETTINGS = "model_config", "training_config"

SETTINGS = "compile_config"
"""The key of a .keras file's compile settings, in the entry of each model that was compiled."""


class NotKerasError(ValueError):
    """A file names a class or function that comes from elsewhere."""


def is_keras_format(path: Path) -> bool:
    """Returns whether a file's name says that it is a .keras file, and no HDF5 file."""
    return path.suffix.lower() == ".keras"


def check(path: Path, settings: bool = True) -> None:
    """Refuses a .keras or .h5 file that is malicious, or visibly damaged.

    Args:
        path: the file.
        settings: False leaves the compile settings unchecked, for callers who do not load them.

    Raises:
        ValueError: what is wrong with it, to be appended to the path.
        OSError: it cannot be read.
    """
    limit = EXPANSION * path.stat().st_size + LEAST
    if is_keras_format(path):
        _check_zip(path, limit, settings)
        return
    with h5py.File(path) as file:
        for name in (H5_CONFIG, H5_SETTINGS) if settings else (H5_CONFIG,):
            if name in file.attrs:
                check_config(file.attrs[name])
        _check_h5(file, limit)


def _check_zip(path: Path, limit: int, settings: bool) -> None:
    if not zipfile.is_zipfile(path):
        raise ValueError(
            "it is no zip file, as .keras files are: it is cut short, or something else"
        )
    with zipfile.ZipFile(path) as file:
        items = file.infolist()
        names = {item.filename for item in items}
        if len(names) < len(items):
            raise ValueError("it holds two files of one name")
        for item in items:
            if _leads_out(item):
                raise ValueError(f"it holds {item.filename!r}, a path out of the file")
        unpacked = sum(item.file_size for item in items)
        if unpacked > limit:
            raise ValueError(f"it would unpack to {unpacked} bytes, and {limit} is the most")
        if CONFIG not in names:
            raise ValueError(f"it holds no {CONFIG}")
        if file.getinfo(CONFIG).file_size > MOST_CONFIG:
            raise ValueError(f"its {CONFIG} is longer than {MOST_CONFIG} bytes")
        check_config(file.read(CONFIG), settings)
        if WEIGHTS in names:
            with file.open(WEIGHTS) as packed:
                # Seeking backwards in compressed data would decompress it again.
                stored = file.getinfo(WEIGHTS).compress_type == zipfile.ZIP_STORED
                with h5py.File(packed if stored else io.BytesIO(packed.read())) as weights:
                    _check_h5(weights, limit)


def _leads_out(item: zipfile.ZipInfo) -> bool:
    name = item.filename
    anchored = PurePosixPath(name).anchor or PureWindowsPath(name).anchor
    return bool(anchored or ".." in PureWindowsPath(name).parts) or stat.S_ISLNK(
        item.external_attr >> 16
    )


def _check_h5(file: h5py.File, limit: int) -> None:
    """Follows hard links alone, each object once: links may form a ring."""
    waiting, checked, declared = [file["/"]], set(), 0
    while waiting:
        group = waiting.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{group.name!r} in it holds {name!r}, a link to other data")
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in checked:
                continue
            checked.add(address)
            if isinstance(item, h5py.Group):
                waiting.append(item)
            elif isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise ValueError(f"{item.name!r} in it is stored in another file")
                declared += math.prod(item.shape or ()) * item.dtype.itemsize
    if declared > limit:
        raise ValueError(f"its weights would be {declared} bytes, and {limit} is the most")


def check_config(text: str | bytes, settings: bool = True) -> None:
    """Refuses a config, as JSON, with code in it, or that names a class or function from elsewhere.

    Args:
        text: the config.
        settings: False skips the compile settings in it.
    """
    if len(text) > MOST_CONFIG:
        raise ValueError(f"its config is longer than {MOST_CONFIG} bytes")
    try:
        tree = json.loads(text)
        if not settings:
            tree = without_settings(tree)
    except RecursionError:
        raise ValueError("its config is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"its config is no JSON: {error}") from None
    for entry in _entries(tree):
        _check_name(entry.get("name"))
        if "class_name" in entry:
            _check_entry(entry)


def without_settings(tree: Any) -> Any:
    """Returns a config without the compile settings in it, at any depth."""
    if isinstance(tree, dict):
        return {key: without_settings(value) for key, value in tree.items() if key != SETTINGS}
    if isinstance(tree, list):
        return [without_settings(value) for value in tree]
    return tree


def _entries(tree: Any) -> Iterator[dict[str, Any]]:
    """Yields every object in a config, at any depth."""
    waiting = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            waiting.extend(item.values())
            yield item
        elif isinstance(item, list):
            waiting.extend(item)


def _check_name(name: Any) -> None:
    """Refuses a name that would control a terminal."""
    if isinstance(name, str) and CONTROLS.search(name):
        raise ValueError(f"it holds the name {name!a}, with control characters in it")


def _check_entry(entry: dict[str, Any]) -> None:
    kind, module, config = entry["class_name"], entry.get("module"), entry.get("config")
    # Before 3.15 Keras looks in the module for either name.
    names = [str(name).rpartition(">")[2] for name in (kind, entry.get("registered_name")) if name]
    for name in names:
        if name in CODE:
            raise ValueError(f"it holds a {name}, which runs code from a file")
    if kind in LOOKUPS and isinstance(config, dict) and isinstance(config.get("vocabulary"), str):
        raise ValueError(f"its {kind} would read the file {config['vocabulary']!r}")
    if module is None:
        return
    package = str(module).partition(".")[0]
    if kind == "function":
        allowed = module == "builtins" or str(module).startswith(FUNCTIONS)
    elif kind == "__typespec__":
        allowed = package == "tensorflow"
    else:
        # A lower-case name is a function, such as one that fetches files.
        allowed = package in PACKAGES and all(name[:1].isupper() for name in names)
    if not allowed:
        shown = config if kind == "function" else kind
        raise NotKerasError(
            f"it names {module}.{shown}, which is no part of {' or '.join(PACKAGES[:2])}"
        )
