"""Writes data/torch_max_pool.npz: what PyTorch 2.13 gives for seeded random configurations.

Run by hand, with PyTorch 2.13 installed, from the root of the repository:

    python tests/make_torch_golden.py

The same versions of NumPy and PyTorch write the same bytes. The file is read by torch_golden.py.

Two things are kept out: a window of padding alone (PyTorch's index for it is outside the input, and
its gradient is written there), and a second NaN in a window (PyTorch takes the last one).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import reference
from golden import torch_golden

SEED = 20240613
FINITE_CASES = 400
NONFINITE_CASES = 40
LARGEST = 1200  # elements in an input: keeps the file small
FINITE_KINDS = ("distinct", "normal", "ties", "negative", "ties", "distinct", "constant", "normal")
NONFINITE_KINDS = ("infinite", "nan")


def draw_configuration(rng: np.random.Generator, rank: int) -> dict:
    """A configuration that PyTorch accepts, with a real element in each window."""

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
        if math.prod(shape) > LARGEST:
            continue
        pairs = [(p, p) for p in padding]
        axes = zip(shape[2:], pool_size, strides, pairs, dilation, [ceil_mode] * rank, strict=True)
        try:
            if any(reference.sees_only_padding(*axis) for axis in axes):
                continue
        except ValueError:  # the window is larger than the input
            continue
        return {
            "shape": shape,
            "pool_size": pool_size,
            "strides": strides,
            "padding": padding,
            "dilation_rate": dilation,
            "ceil_mode": ceil_mode,
        }


def draw_input(rng: np.random.Generator, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    """A float32 input of one kind; `torch_golden.Case` lists them."""
    size = math.prod(shape)
    if kind == "normal":
        return rng.standard_normal(shape, np.float32)
    if kind == "distinct":
        return (rng.permutation(size) - size // 2).reshape(shape).astype(np.float32) / 8
    if kind == "ties":
        return rng.integers(-2, 3, shape).astype(np.float32)
    if kind == "negative":  # zeros from the padding would win
        return -1 - rng.permutation(size).reshape(shape).astype(np.float32)
    if kind == "constant":
        return np.full(shape, rng.integers(-1, 2), np.float32)
    if kind == "infinite":  # so many -inf that some windows hold nothing else
        chances = (0.75, 0.1, 0.15)
        return rng.choice(np.array([-np.inf, np.inf, -1], np.float32), shape, p=chances)
    if kind == "nan":
        x = rng.integers(-2, 3, shape).astype(np.float32)
        channels = x.reshape(math.prod(shape[:2]), -1)
        for channel in channels:
            channel[rng.integers(channel.size)] = np.nan
        return x
    raise ValueError(kind)


def run_torch(
    x: np.ndarray, upstream_for: Callable[[tuple[int, ...]], np.ndarray], arguments: dict
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """PyTorch's values and indices, `upstream_for` the values' shape, and the gradient for it."""
    import torch  # not above: the tests import this module without PyTorch

    functional = torch.nn.functional
    rank = len(arguments["pool_size"])
    function = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[rank - 1]
    tensor = torch.tensor(x, requires_grad=True)
    values, indices = function(
        tensor,
        kernel_size=arguments["pool_size"],
        stride=arguments["strides"],
        padding=arguments["padding"],
        dilation=arguments["dilation_rate"],
        ceil_mode=arguments["ceil_mode"],
        return_indices=True,
    )
    upstream = upstream_for(tuple(values.shape))
    values.backward(torch.tensor(upstream))
    return values.detach().numpy(), indices.numpy(), upstream, tensor.grad.numpy()


def make_case(seed: tuple[int, ...], name: str, rank: int, kind: str) -> torch_golden.Case:
    """Draws one case and asks PyTorch."""
    rng = np.random.default_rng(seed)
    arguments = draw_configuration(rng, rank)
    x = draw_input(rng, kind, arguments.pop("shape"))

    def upstream_for(shape: tuple[int, ...]) -> np.ndarray:
        # Small integers, so that sums are exact in any order; no zero, so that none goes unseen.
        return (rng.integers(1, 8, shape) * rng.choice((-1, 1), shape)).astype(np.float32)

    values, indices, upstream, gradient = run_torch(x, upstream_for, arguments)
    return torch_golden.Case(
        name=name,
        kind=kind,
        **arguments,
        x=x,
        values=values,
        indices=indices.astype(np.int32),
        upstream=upstream,
        gradient=gradient,
    )


def make_cases(seed: int, finite: int, nonfinite: int) -> list[torch_golden.Case]:
    """Cases of all ranks and kinds in turn, the finite ones first."""
    cases = []
    for count, kinds in ((finite, FINITE_KINDS), (nonfinite, NONFINITE_KINDS)):
        for index in range(count):
            rank, kind = 1 + index % 3, kinds[index // 3 % len(kinds)]
            name = f"{len(cases):03d}-{rank}d-{kind}"
            cases.append(make_case((seed, len(cases)), name, rank, kind))
    return cases


def main() -> None:
    import torch

    cases = make_cases(SEED, FINITE_CASES, NONFINITE_CASES)
    about = {"torch": torch.__version__, "numpy": np.__version__, "seed": SEED}
    torch_golden.PATH.parent.mkdir(exist_ok=True)
    torch_golden.save(cases, about)
    print(f"{len(cases)} cases, {torch_golden.PATH.stat().st_size} bytes: {torch_golden.PATH.name}")


if __name__ == "__main__":
    main()
