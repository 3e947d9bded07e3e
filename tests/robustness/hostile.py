"""Damaged and hostile model files, made from sound ones: the same for the same seed."""

from __future__ import annotations

import copy
import io
import json
import operator
import random
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import h5py
import numpy as np

VALUES = (
    *(None, True, -1, 0, 1, 3, 2**31, 2**40, 10**12, 10**30, 0.5, -0.0, 1e308, float("nan")),
    *("", "x", "os.system", [], [1], [None], [[]], {}, {"class_name": "x", "config": {}}),
)
"""What an edit puts in the place of a value in a config."""

Case = tuple[str, bytes]
"""A name, and the content of a file."""


def spoiled(whole: bytes, count: int, rng: random.Random) -> Iterator[Case]:
    """Cut at `count` places, the ends among them, and one bit changed at as many.

    Half of these are in the last kilobyte or the first, where the tables stand.
    """
    for size in sorted({0, 1, len(whole) - 1, *rng.sample(range(len(whole)), count)}):
        yield f"cut to {size} bytes", whole[:size]
    ends = [*range(min(1024, len(whole))), *range(max(0, len(whole) - 1024), len(whole))]
    places = rng.choices(ends, k=count // 2) + rng.choices(range(len(whole)), k=count - count // 2)
    for place in places:
        bit = rng.randrange(8)
        changed = bytearray(whole)
        changed[place] ^= 1 << bit
        yield f"bit {bit} of byte {place}", bytes(changed)


def edited(config: Any, count: int, rng: random.Random) -> Iterator[Case]:
    """The JSON of a tree with one entry changed or left out, at `count` places."""
    for path in rng.choices(list(_paths(config)), k=count):
        value = rng.choice((*VALUES, "left out"))
        changed = holder = copy.deepcopy(config)
        for step in path[:-1]:
            holder = holder[step]
        if value == "left out":
            del holder[path[-1]]
        else:
            holder[path[-1]] = value
        yield f"{'.'.join(map(str, path))} = {value!r}", json.dumps(changed).encode()


def _paths(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, (dict, list)):
            yield from _paths(value, (*path, key))


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


def in_h5(whole: bytes, change: Callable[[h5py.File], None]) -> bytes:
    """An HDF5 file, changed."""
    target = io.BytesIO(whole)
    with h5py.File(target, "r+") as file:
        change(file)
    return target.getvalue()


def suffix_of(whole: bytes) -> str:
    """That of a sound file."""
    return ".keras" if whole.startswith(b"PK") else ".h5"


def texts(whole: bytes) -> dict[str, bytes]:
    """The JSON in a sound file, by the names of members or attributes: the model's, and last the training's."""
    if suffix_of(whole) == ".keras":
        return {"config.json": members(whole)["config.json"]}
    with h5py.File(io.BytesIO(whole)) as file:
        return {name: file.attrs[name].encode() for name in ("model_config", "training_config")}


def with_text(whole: bytes, name: str, text: bytes) -> bytes:
    """A file with other text in the place of its JSON."""
    if name == "config.json":
        return zipped(members(whole) | {name: text})
    # NumPy's strings may hold any byte.
    return in_h5(whole, lambda file: operator.setitem(file.attrs, name, np.bytes_(text)))


def damaged(whole: bytes, count: int, seed: int) -> Iterator[Case]:
    """`count` cases of each kind, from a sound .keras or .h5 file; no checksum sees first what is inside."""
    rng, is_zip = random.Random(seed), suffix_of(whole) == ".keras"
    yield "junk", b"junk"
    yield from spoiled(whole, count, rng)
    if is_zip:
        inside = members(whole)
        for name, changed in spoiled(inside["model.weights.h5"], count, rng):
            yield f"weights: {name}", zipped(inside | {"model.weights.h5": changed})
    for place, text in texts(whole).items():
        edits = edited(json.loads(text), (4 if is_zip else 2) * count, rng)
        for name, changed in (*spoiled(text, count, rng), *edits):
            yield f"{place}: {name}", with_text(whole, place, changed)
