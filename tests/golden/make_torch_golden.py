"""Writes torch_max_pool.npz and torch_adaptive_max_pool.npz: what PyTorch 2.13 computes for seeded random cases.

Run by hand, with PyTorch 2.13 installed: PYTHONPATH=tests python -m golden.make_torch_golden

The same versions of NumPy and PyTorch write the same bytes. Two things are kept out: a window of padding alone
(PyTorch's index for it is outside the input, and its gradient is written there), and a second NaN in a window (PyTorch
takes the last one).
"""

from __future__ import annotations

import math

import numpy as np
import reference
from golden import torch_golden

SEED = 20240613
FINITE_CASES = 400
NONFINITE_CASES = 40
ADAPTIVE_CASES = 48
LARGEST = 1200  # elements in an input: keeps the file small
FINITE_KINDS = ("distinct", "normal", "ties", "negative", "ties", "distinct", "constant", "normal")
NONFINITE_KINDS = ("infinite", "nan")
ADAPTIVE_KINDS = ("normal", "ties", "infinite", "nan")
THEIRS = {"pool_size": "kernel_size", "strides": "stride", "dilation_rate": "dilation"}


def draw_configuration(rng: np.random.Generator, rank: int) -> tuple[tuple[int, ...], dict]:
    """A shape and arguments that PyTorch accepts, with a real element in each window."""

    def per_axis(low: int, high: int) -> tuple[int, ...]:
        if rng.random() < 0.3:  # the same on all axes, as most users have it
            return (int(rng.integers(low, high + 1)),) * rank
        return tuple(int(n) for n in rng.integers(low, high + 1, rank))

    while True:
        shape = (int(rng.integers(1, 3)), int(rng.integers(1, 4)), *per_axis(1, 12))
        pool_size, strides = per_axis(1, 4), per_axis(1, 4)
        # PyTorch takes no more than half of the window, before dilation.
        padding = tuple(int(rng.integers(0, size // 2 + 1)) for size in pool_size)
        dilation = per_axis(1, 3) if rng.random() < 0.5 else (1,) * rank
        ceil_mode = bool(rng.random() < 0.5)
        pairs = [(p, p) for p in padding]
        axes = zip(shape[2:], pool_size, strides, pairs, dilation, [ceil_mode] * rank, strict=True)
        try:
            only_padding = any(reference.sees_only_padding(*axis) for axis in axes)
        except ValueError:  # the window is larger than the input
            continue
        if math.prod(shape) <= LARGEST and not only_padding:
            arguments = {"pool_size": pool_size, "strides": strides, "padding": padding}
            return shape, arguments | {"dilation_rate": dilation, "ceil_mode": ceil_mode}


def draw_input(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    """A float32 input of one kind; one that is "nan" has one NaN in each channel."""
    size = math.prod(shape)
    if kind == "normal":
        return rng.standard_normal(shape, np.float32)
    if kind == "distinct":
        x = (rng.permutation(size) - size // 2).reshape(shape) / 8
    elif kind == "negative":  # zeros from the padding would win
        x = -1 - rng.permutation(size).reshape(shape)
    elif kind == "constant":
        x = np.full(shape, rng.integers(-1, 2))
    elif kind == "infinite":  # so many -inf that some windows hold nothing else
        x = rng.choice([-np.inf, np.inf, -1], shape, p=(0.75, 0.1, 0.15))
    else:
        x = rng.integers(-2, 3, shape).astype(float)
        for channel in x.reshape(math.prod(shape[:2]), -1) if kind == "nan" else []:
            channel[rng.integers(channel.size)] = np.nan
    return x.astype(np.float32)


def ask(
    rng: np.random.Generator, layer: str, name: str, kind: str, shape: tuple, arguments: dict
) -> torch_golden.Case:
    """What a layer of PyTorch makes of an input that is drawn."""
    import torch  # not above: the tests import this module without PyTorch

    x = draw_input(rng, kind, shape)
    tensor = torch.tensor(x, requires_grad=True)
    options = {THEIRS.get(key, key): value for key, value in arguments.items()}
    values, indices = getattr(torch.nn, layer)(**options, return_indices=True)(tensor)
    # Small integers, so that sums are exact in any order; no zero, so that none goes unseen.
    upstream = rng.integers(1, 8, values.shape) * rng.choice((-1, 1), values.shape)
    upstream = upstream.astype(np.float32)
    values.backward(torch.tensor(upstream))
    arrays = values.detach().numpy(), indices.numpy().astype(np.int32), upstream
    return torch_golden.Case(name, kind, arguments, x, *arrays, tensor.grad.numpy())


def make_cases(seed: int, finite: int, nonfinite: int) -> list[torch_golden.Case]:
    """Cases of all ranks and kinds in turn, the finite ones first."""
    cases: list[torch_golden.Case] = []
    for count, kinds in ((finite, FINITE_KINDS), (nonfinite, NONFINITE_KINDS)):
        for index in range(count):
            rank, kind = 1 + index % 3, kinds[index // 3 % len(kinds)]
            name = f"{len(cases):03d}-{rank}d-{kind}"
            rng = np.random.default_rng((seed, len(cases)))
            drawn = draw_configuration(rng, rank)
            cases.append(ask(rng, f"MaxPool{rank}d", name, kind, *drawn))
    return cases


def make_adaptive(seed: int, count: int) -> list[torch_golden.Case]:
    """Cases of all ranks and kinds in turn; a third of the axes grow."""
    cases = []
    for index in range(count):
        rng = np.random.default_rng((seed, index))
        rank, kind = 1 + index % 3, ADAPTIVE_KINDS[index // 3 % len(ADAPTIVE_KINDS)]
        spatial = tuple(int(n) for n in rng.integers(1, (17, 10, 7)[rank - 1], rank))
        sizes = {"output_size": tuple(int(rng.integers(1, n + 1 + n // 2)) for n in spatial)}
        name = f"{index:02d}-{rank}d-{kind}"
        cases.append(ask(rng, f"AdaptiveMaxPool{rank}d", name, kind, (2, 2, *spatial), sizes))
    return cases


def main() -> None:
    import torch

    about = {"torch": torch.__version__, "numpy": np.__version__, "seed": SEED}
    for path, cases in (
        (torch_golden.POOLING, make_cases(SEED, FINITE_CASES, NONFINITE_CASES)),
        (torch_golden.ADAPTIVE, make_adaptive(SEED, ADAPTIVE_CASES)),
    ):
        torch_golden.save(path, cases, about)
        print(f"{len(cases)} cases, {path.stat().st_size} bytes: {path.name}")


if __name__ == "__main__":
    main()
