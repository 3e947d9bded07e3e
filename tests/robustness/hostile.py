"""Damaged and hostile model files, made from sound ones: the same for the same seed."""

from __future__ import annotations

import copy
import io
import json
import random
import traceback
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

import keras_maxpool

VALUES = (
    *(None, True, -1, 0, 1, 3, 2**31, 2**40, 10**12, 10**30, 0.5, -0.0, 1e308, float("nan")),
    *("", "x", "os.system", [], [1], [None], [[]], {}, {"class_name": "x", "config": {}}),
)
"""What an edit puts in the place of a value in a config."""

Case = tuple[str, bytes]
"""A name, and the content of a file."""


def truncated(whole: bytes, count: int, rng: random.Random) -> Iterator[Case]:
    """Cut at `count` places, the ends among them."""
    for size in sorted({0, 1, len(whole) - 1, *rng.sample(range(len(whole)), count)}):
        yield f"cut to {size} bytes", whole[:size]


def flipped(whole: bytes, count: int, rng: random.Random) -> Iterator[Case]:
    """One bit changed, at `count` places; half of them in the last kilobyte or the first, where the tables stand."""
    ends = [*range(min(1024, len(whole))), *range(max(0, len(whole) - 1024), len(whole))]
    places = rng.choices(ends, k=count // 2) + rng.choices(range(len(whole)), k=count - count // 2)
    for place in places:
        bit = rng.randrange(8)
        changed = bytearray(whole)
        changed[place] ^= 1 << bit
        yield f"bit {bit} of byte {place}", bytes(changed)


def damaged_text(whole: bytes, count: int, rng: random.Random) -> Iterator[Case]:
    """JSON that was cut or has a bit changed, in what is sound otherwise: no checksum sees it first."""
    yield from truncated(whole, count, rng)
    yield from flipped(whole, count, rng)


def edited(config: Any, count: int, rng: random.Random) -> Iterator[tuple[str, Any]]:
    """A JSON tree with one entry changed or left out, at `count` places."""
    paths = list(_paths(config))
    for path in rng.choices(paths, k=count):
        value = rng.choice((*VALUES, "left out"))
        changed = copy.deepcopy(config)
        holder = changed
        for step in path[:-1]:
            holder = holder[step]
        if value == "left out":
            del holder[path[-1]]
        else:
            holder[path[-1]] = value
        yield f"{'.'.join(map(str, path))} = {value!r}", changed


def _paths(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        if isinstance(value, (dict, list)):
            yield from _paths(value, (*path, key))
        else:
            yield (*path, key)


def members(whole: bytes) -> dict[str, bytes]:
    """What a .keras file holds."""
    with zipfile.ZipFile(io.BytesIO(whole)) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A .keras file that holds this."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return target.getvalue()


def with_config(whole: bytes, config: Any, name: str = "config.json") -> bytes:
    """A .keras file with another config."""
    return zipped(members(whole) | {name: json.dumps(config).encode()})


def in_h5(whole: bytes, change: Callable[[h5py.File], None]) -> bytes:
    """An HDF5 file, changed."""
    target = io.BytesIO(whole)
    with h5py.File(target, "r+") as file:
        change(file)
    return target.getvalue()


def with_attribute(whole: bytes, name: str, text: bytes) -> bytes:
    """An .h5 file with another config, as JSON, in one of its attributes."""

    def change(file: h5py.File) -> None:
        file.attrs[name] = np.bytes_(text)  # which may hold any byte

    return in_h5(whole, change)


def damaged(path: Path, count: int, seed: int) -> Iterator[Case]:
    """`count` cases of each kind, from a sound .keras or .h5 file."""
    rng, whole = random.Random(seed), path.read_bytes()
    yield "junk", b"junk"
    yield from truncated(whole, count, rng)
    yield from flipped(whole, count, rng)
    if path.suffix == ".keras":
        inside = members(whole)
        weights = inside["model.weights.h5"]
        for kind in (truncated, flipped):
            for name, changed in kind(weights, count, rng):
                yield f"weights: {name}", zipped(inside | {"model.weights.h5": changed})
        for name, text in damaged_text(inside["config.json"], count, rng):
            yield f"config: {name}", zipped(inside | {"config.json": text})
        for name, config in edited(json.loads(inside["config.json"]), 4 * count, rng):
            yield f"config: {name}", with_config(whole, config)
    else:
        with h5py.File(io.BytesIO(whole)) as file:
            texts = {name: file.attrs[name].encode() for name in CONFIGS}
        for attribute, text in texts.items():
            for name, changed in damaged_text(text, count, rng):
                yield f"{attribute}: {name}", with_attribute(whole, attribute, changed)
            for name, config in edited(json.loads(text), 2 * count, rng):
                changed = json.dumps(config).encode()
                yield f"{attribute}: {name}", with_attribute(whole, attribute, changed)


CONFIGS = ("model_config", "training_config")


def raised_by_us(error: BaseException | None) -> Iterator[str]:
    """The messages of those errors behind this one that the package raised itself."""
    package = Path(keras_maxpool.__file__).parent
    while error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        ours = frames and Path(frames[-1].filename).is_relative_to(package)
        if ours and not isinstance(error, TimeoutError):  # which is that of a bound
            yield f"{type(error).__name__}: {error}"
        error = error.__cause__ or error.__context__
