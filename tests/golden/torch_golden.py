"""Reads what make_torch_golden.py writes, without PyTorch: results of PyTorch's pooling for seeded inputs."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

POOLING = Path(__file__).parent / "torch_max_pool.npz"
ADAPTIVE = Path(__file__).parent / "torch_adaptive_max_pool.npz"
FILES = POOLING, ADAPTIVE
# Each array and the shape it has.
ARRAYS = {"x": "input", "gradient": "input"} | dict.fromkeys(
    ("values", "indices", "upstream"), "output"
)


@dataclass(frozen=True, eq=False)
class Case:
    """One call of PyTorch's pooling and its results; arrays are (batch, channels, *spatial).

    `kind` is how the input was drawn; `arguments` are those of the reference and of the package alike.
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


def save(path: Path, cases: list[Case], about: dict) -> None:
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
    np.savez_compressed(path, json=np.frombuffer(text.encode("ascii"), np.uint8), **arrays)


def load(path: Path = POOLING) -> Iterator[Case]:
    """The cases, in the order of the file."""
    with np.load(path, allow_pickle=False) as file:
        entries = json.loads(file["json"].tobytes())["cases"]
        arrays = {name: file[name] for name in ARRAYS}
    start = dict.fromkeys(ARRAYS, 0)
    for entry in entries:
        shapes = {side: entry.pop(side) for side in ("input", "output")}
        name, kind, parts = entry.pop("name"), entry.pop("kind"), {}
        for array, side in ARRAYS.items():
            stop = start[array] + math.prod(shapes[side])
            parts[array] = arrays[array][start[array] : stop].reshape(shapes[side])
            start[array] = stop
        arguments = {
            key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
        }
        yield Case(name, kind, arguments, **parts)
