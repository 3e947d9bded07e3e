"""Reads data/torch_max_pool.npz, which make_torch_golden.py writes. Needs no PyTorch."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PATH = Path(__file__).parent / "torch_max_pool.npz"


@dataclass(frozen=True, eq=False)
class Case:
    """One call of PyTorch's max pooling and what it gave; arrays are (batch, channels, *spatial).

    `kind` is how the input was drawn: "distinct", "normal", "ties", "negative" or "constant"; with
    `finite` false, "infinite" (infinities of both signs) or "nan" (one NaN in each channel).
    """

    name: str
    kind: str
    pool_size: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[int, ...]
    dilation_rate: tuple[int, ...]
    ceil_mode: bool
    x: np.ndarray
    values: np.ndarray
    indices: np.ndarray
    upstream: np.ndarray
    gradient: np.ndarray

    @property
    def rank(self) -> int:
        return len(self.pool_size)

    @property
    def spatial(self) -> tuple[int, ...]:
        return self.x.shape[2:]

    @property
    def finite(self) -> bool:
        return self.kind not in ("infinite", "nan")

    @property
    def arguments(self) -> dict:
        """The configuration as keyword arguments, for the reference and for the package alike."""
        return {
            "pool_size": self.pool_size,
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            "ceil_mode": self.ceil_mode,
        }


# Each array and the shape it has.
ARRAYS = {
    "x": "input",
    "values": "output",
    "indices": "output",
    "upstream": "output",
    "gradient": "input",
}
SETTINGS = ("pool_size", "strides", "padding", "dilation_rate")


def save(cases: list[Case], about: dict, path: Path = PATH) -> None:
    """Writes one JSON string, and the arrays of all cases end to end in one array each."""
    entries = [
        {
            "name": case.name,
            "kind": case.kind,
            **{name: getattr(case, name) for name in SETTINGS},
            "ceil_mode": case.ceil_mode,
            "input": case.x.shape,
            "output": case.values.shape,
        }
        for case in cases
    ]
    arrays = {
        name: np.concatenate([getattr(case, name).ravel() for case in cases]) for name in ARRAYS
    }
    text = json.dumps({"about": about, "cases": entries})
    np.savez_compressed(path, json=np.frombuffer(text.encode("ascii"), np.uint8), **arrays)


def load(path: Path = PATH) -> Iterator[Case]:
    """The cases, in the order of the file."""
    with np.load(path, allow_pickle=False) as file:
        entries = json.loads(file["json"].tobytes())["cases"]
        arrays = {name: file[name] for name in ARRAYS}
    start = dict.fromkeys(ARRAYS, 0)
    for entry in entries:
        parts = {}
        for name, side in ARRAYS.items():
            stop = start[name] + math.prod(entry[side])
            parts[name] = arrays[name][start[name] : stop].reshape(entry[side])
            start[name] = stop
        yield Case(
            name=entry["name"],
            kind=entry["kind"],
            **{name: tuple(entry[name]) for name in SETTINGS},
            ceil_mode=entry["ceil_mode"],
            **parts,
        )
