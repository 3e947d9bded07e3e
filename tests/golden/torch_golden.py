"""Reads torch_max_pool.npz, which make_torch_golden.py writes. Needs no PyTorch."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PATH = Path(__file__).parent / "torch_max_pool.npz"
# Each array and the shape it has.
ARRAYS = {
    "x": "input",
    "values": "output",
    "indices": "output",
    "upstream": "output",
    "gradient": "input",
}
SETTINGS = ("pool_size", "strides", "padding", "dilation_rate")


@dataclass(frozen=True, eq=False)
class Case:
    """One call of PyTorch's max pooling and its results; arrays are (batch, channels, *spatial).

    `kind` is how the input was drawn: "distinct", "normal", "ties", "negative" or "constant"; with
    `finite` false, "infinite" (infinities of both signs) or "nan" (one NaN in each channel).
    `arguments` are those of the reference and of the package alike.
    """

    name: str
    kind: str
    arguments: dict
    x: np.ndarray
    values: np.ndarray
    indices: np.ndarray
    upstream: np.ndarray
    gradient: np.ndarray

    def __str__(self) -> str:
        return self.name

    @property
    def rank(self) -> int:
        return self.x.ndim - 2

    @property
    def finite(self) -> bool:
        return self.kind not in ("infinite", "nan")


def save(cases: list[Case], about: dict) -> None:
    """Writes one JSON string, and the arrays of all cases end to end in one array each."""
    entries = [
        {"name": case.name, "kind": case.kind, **case.arguments}
        | {"input": case.x.shape, "output": case.values.shape}
        for case in cases
    ]
    arrays = {
        name: np.concatenate([getattr(case, name).ravel() for case in cases]) for name in ARRAYS
    }
    text = json.dumps({"about": about, "cases": entries})
    np.savez_compressed(PATH, json=np.frombuffer(text.encode("ascii"), np.uint8), **arrays)


def load() -> Iterator[Case]:
    """The cases, in the order of the file."""
    with np.load(PATH, allow_pickle=False) as file:
        entries = json.loads(file["json"].tobytes())["cases"]
        arrays = {name: file[name] for name in ARRAYS}
    start = dict.fromkeys(ARRAYS, 0)
    for entry in entries:
        parts = {}
        for name, side in ARRAYS.items():
            stop = start[name] + math.prod(entry[side])
            parts[name] = arrays[name][start[name] : stop].reshape(entry[side])
            start[name] = stop
        arguments = {name: tuple(entry[name]) for name in SETTINGS}
        arguments["ceil_mode"] = entry["ceil_mode"]
        yield Case(entry["name"], entry["kind"], arguments, **parts)
