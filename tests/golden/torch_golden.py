"""Writes what PyTorch 2.13 computes for seeded random cases to torch_max_pool.npz and torch_adaptive_max_pool.npz,
and reads them without PyTorch.

Written by hand, with PyTorch 2.13 installed: PYTHONPATH=tests python -m golden.torch_golden

The same versions of NumPy and PyTorch write the same bytes. Two things are kept out: a window of padding alone
(PyTorch's index for it is outside the input, and its gradient is written there), and a second NaN in a window (PyTorch
takes the last one).
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from harness import cases

POOLING = Path(__file__).parent / "torch_max_pool.npz"
ADAPTIVE = Path(__file__).parent / "torch_adaptive_max_pool.npz"
# Each array and the shape it has.
ARRAYS = {"x": "input", "gradient": "input"} | dict.fromkeys(
    ("values", "indices", "upstream"), "output"
)
SEED = 20240613
CASES, ADAPTIVE_CASES = 440, 48
KINDS = ("distinct", "ties", "normal", "infinite", "nan")
THEIRS = {"pool_size": "kernel_size", "strides": "stride", "dilation_rate": "dilation"}


@dataclass(frozen=True, eq=False)
class Case:
    """One call of PyTorch's pooling, with the package's names of arguments; arrays are (batch, channels, *spatial)."""

    name: str
    arguments: dict
    x: np.ndarray
    values: np.ndarray
    indices: np.ndarray
    upstream: np.ndarray
    gradient: np.ndarray

    def __str__(self) -> str:
        return self.name


def draw_input(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    """A float32 input of one kind, with channels first; one that is "nan" has one NaN in each channel."""
    if kind == "normal":
        return rng.standard_normal(shape, np.float32)
    if kind == "infinite":  # so many -inf that some windows hold nothing else
        return rng.choice([-np.inf, np.inf, -1], shape, p=(0.75, 0.1, 0.15)).astype(np.float32)
    batch, channels, *spatial = shape
    fill = cases.distinct if kind == "distinct" else cases.ties
    x = np.moveaxis(fill((batch, *spatial, channels), "float32", rng), -1, 1).astype(np.float32)
    for sample, channel in np.ndindex(batch, channels) if kind == "nan" else []:
        x[(sample, channel, *(rng.integers(size) for size in spatial))] = np.nan
    return x


def configurations(rng: np.random.Generator, rank: int) -> Iterator[dict]:
    """Sizes, and arguments that PyTorch accepts: symmetric pads of at most half a window, which sees an element."""
    while True:
        for config in cases.draw(rank, 100, rng):
            fits = not config.sees_only_padding and all(
                pads == "valid" or (pads[0] == pads[1] <= pool // 2)
                for _, pool, _, pads, _, _ in config.axes
            )
            if fits:
                _, pool, strides, pads, gaps, _ = zip(*config.axes, strict=True)
                yield {
                    "spatial": config.spatial,
                    "pool_size": pool,
                    "strides": strides,
                    "padding": tuple(0 if pad == "valid" else pad[0] for pad in pads),
                    "dilation_rate": gaps,
                    "ceil_mode": config.ceil_mode,
                }


def regions(rng: np.random.Generator, rank: int) -> Iterator[dict]:
    """Sizes before and after; a third of the axes grow."""
    while True:
        spatial = tuple(int(n) for n in rng.integers(1, (17, 10, 7)[rank - 1], rank))
        sizes = tuple(int(rng.integers(1, n + 1 + n // 2)) for n in spatial)
        yield {"spatial": spatial, "output_size": sizes}


def make(layer: str, seed: int, count: int) -> list[Case]:
    """What a layer of PyTorch makes of inputs of all ranks and kinds in turn."""
    import torch  # not above: the tests import this module without PyTorch

    rng = np.random.default_rng(seed)
    draw = configurations if layer == "MaxPool" else regions
    drawn = {rank: draw(rng, rank) for rank in (1, 2, 3)}
    made = []
    for index in range(count):
        rank, kind = 1 + index % 3, KINDS[index // 3 % len(KINDS)]
        arguments = next(drawn[rank])
        x = draw_input(rng, kind, (2, 2, *arguments.pop("spatial")))
        tensor = torch.tensor(x, requires_grad=True)
        options = {THEIRS.get(key, key): value for key, value in arguments.items()}
        pool = getattr(torch.nn, f"{layer}{rank}d")(**options, return_indices=True)
        values, indices = pool(tensor)
        # Small integers, so that sums are exact in any order; no zero, so that none goes unseen.
        upstream = rng.integers(1, 8, values.shape) * rng.choice((-1, 1), values.shape)
        upstream = upstream.astype(np.float32)
        values.backward(torch.tensor(upstream))
        arrays = values.detach().numpy(), indices.numpy().astype(np.int32), upstream
        name = f"{index:03d}-{rank}d-{kind}"
        made.append(Case(name, arguments, x, *arrays, tensor.grad.numpy()))
    return made


def save(path: Path, cases: list[Case], about: dict) -> None:
    """Writes one JSON string, and the arrays of all cases end to end in one array each."""
    entries = [
        {"name": case.name, "kind": case.name.split("-")[-1], **case.arguments}
        | {"input": case.x.shape, "output": case.values.shape}
        for case in cases
    ]
    arrays = {
        name: np.concatenate([getattr(case, name).ravel() for case in cases]) for name in ARRAYS
    }
    text = json.dumps({"about": about, "cases": entries})
    np.savez_compressed(path, json=np.frombuffer(text.encode("ascii"), np.uint8), **arrays)


def load(path: Path) -> Iterator[Case]:
    """The cases, in the order of the file."""
    with np.load(path, allow_pickle=False) as file:
        entries = json.loads(file["json"].tobytes())["cases"]
        arrays = {name: file[name] for name in ARRAYS}
    start = dict.fromkeys(ARRAYS, 0)
    for entry in entries:
        shapes = {side: entry.pop(side) for side in ("input", "output")}
        name, _, parts = entry.pop("name"), entry.pop("kind"), {}
        for array, side in ARRAYS.items():
            stop = start[array] + math.prod(shapes[side])
            parts[array] = arrays[array][start[array] : stop].reshape(shapes[side])
            start[array] = stop
        arguments = {
            key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
        }
        yield Case(name, arguments, **parts)


def main() -> None:
    import torch

    about = {"torch": torch.__version__, "numpy": np.__version__, "seed": SEED}
    for path, found in (
        (POOLING, make("MaxPool", SEED, CASES)),
        (ADAPTIVE, make("AdaptiveMaxPool", SEED, ADAPTIVE_CASES)),
    ):
        save(path, found, about)
        print(f"{len(found)} cases, {path.stat().st_size} bytes: {path.name}")


if __name__ == "__main__":
    main()
