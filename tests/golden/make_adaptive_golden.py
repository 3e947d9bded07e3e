"""Writes torch_adaptive_max_pool.npz: what PyTorch's adaptive max pooling computes for seeded random inputs.

Run by hand, with PyTorch 2.13 installed: PYTHONPATH=tests python -m golden.make_adaptive_golden

The tests read the file through `load`, without PyTorch. A second NaN in a region is kept out: PyTorch takes the last.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

PATH = Path(__file__).parent / "torch_adaptive_max_pool.npz"
SEED = 20260611
CASES = 48
KINDS = ("normal", "ties", "infinite", "nan")


class Case(NamedTuple):
    """One call; arrays are (batch, channels, *spatial)."""

    x: np.ndarray
    upstream: np.ndarray
    values: np.ndarray
    indices: np.ndarray
    gradient: np.ndarray

    @property
    def rank(self) -> int:
        return self.x.ndim - 2

    @property
    def output_size(self) -> tuple[int, ...]:
        return self.values.shape[2:]

    def __str__(self) -> str:
        """The id in a test's name."""
        sizes = "x".join(map(str, self.x.shape[2:])), "x".join(map(str, self.output_size))
        return f"{self.rank}d-{sizes[0]}-to-{sizes[1]}"


def draw(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    """A float32 input of one kind."""
    if kind == "normal":
        return rng.standard_normal(shape, np.float32)
    if kind == "infinite":
        return rng.choice(np.array([-np.inf, -np.inf, np.inf, -1], np.float32), shape)
    x = rng.integers(-1, 2, shape).astype(np.float32)
    if kind == "nan":
        for channel in x.reshape(math.prod(shape[:2]), -1):
            channel[rng.integers(channel.size)] = np.nan
    return x


def make(seed: int, count: int) -> list[Case]:
    """Cases of all ranks and kinds in turn; a third of the axes grow. Upstream gradients are small integers."""
    import torch  # not above: the tests import this module without PyTorch

    cases = []
    for index in range(count):
        rng = np.random.default_rng((seed, index))
        rank, kind = 1 + index % 3, KINDS[index // 3 % len(KINDS)]
        spatial = tuple(int(n) for n in rng.integers(1, (17, 10, 7)[rank - 1], rank))
        output_size = tuple(int(rng.integers(1, n + 1 + n // 2)) for n in spatial)
        x = draw(rng, kind, (2, 2, *spatial))
        tensor = torch.tensor(x, requires_grad=True)
        layer = getattr(torch.nn, f"AdaptiveMaxPool{rank}d")(output_size, return_indices=True)
        values, indices = layer(tensor)
        upstream = rng.integers(1, 8, values.shape).astype(np.float32)
        values.backward(torch.tensor(upstream))
        results = values.detach().numpy(), indices.numpy(), tensor.grad.numpy()
        cases.append(Case(x, upstream, *results))
    return cases


def save(cases: list[Case]) -> None:
    """Every array under the case's number and its own name."""
    arrays = {
        f"{index:02d}_{name}": array.astype(np.int32) if name == "indices" else array
        for index, case in enumerate(cases)
        for name, array in case._asdict().items()
    }
    np.savez_compressed(PATH, **arrays)


def load() -> list[Case]:
    """The cases in the file."""
    with np.load(PATH, allow_pickle=False) as file:
        count = len(file.files) // len(Case._fields)
        return [Case(*(file[f"{i:02d}_{name}"] for name in Case._fields)) for i in range(count)]


if __name__ == "__main__":
    save(make(SEED, CASES))
    print(f"{CASES} cases, {PATH.stat().st_size} bytes: {PATH.name}")
