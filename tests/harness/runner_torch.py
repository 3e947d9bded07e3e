"""The runner of PyTorch: eager, and compiled. What it offers is described in `harness.runner`."""

from collections.abc import Callable
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np
import torch

MODES = ("eager", "compile")
UNKNOWN = None

Function = Callable[..., Any]


def in_mode(function: Function, mode: str) -> Function:
    if mode == "eager":
        return function
    # Traces as any compiler of PyTorch does, and generates no code, which takes seconds each time.
    torch.compiler.reset()
    return torch.compile(function, backend="aot_eager", dynamic=False)


def as_tensor(array: Any) -> torch.Tensor:
    array = np.asarray(array)
    if array.dtype == ml_dtypes.bfloat16:
        return torch.tensor(array.astype("float32")).to(torch.bfloat16)
    return torch.tensor(array)


def as_array(tensor: Any) -> np.ndarray:
    tensor = getattr(tensor, "value", tensor)
    if not isinstance(tensor, torch.Tensor):
        return np.asarray(tensor)
    tensor = tensor.detach()
    if tensor.dtype == torch.bfloat16:
        return tensor.float().numpy().astype(ml_dtypes.bfloat16)
    return tensor.numpy()


def with_gradient(pool: Function) -> Function:
    def function(x: torch.Tensor, upstream: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = x.detach().requires_grad_(x.is_floating_point())
        results = pool(x)
        values, *others = results if isinstance(results, tuple) else (results,)
        if not x.is_floating_point():
            return values, *others, None
        return values, *others, *torch.autograd.grad(values, x, upstream)

    return function


def second_order(pool: Function) -> Function:
    """How the gradient changes with the upstream gradient, and with the input behind a square."""

    def gradient(f: Function, x: torch.Tensor, upstream: torch.Tensor) -> torch.Tensor:
        return torch.func.vjp(f, x)[1](upstream)[0]

    def function(x: torch.Tensor, upstream: torch.Tensor, tangent: torch.Tensor) -> tuple:
        tangent = tangent + tangent
        by_upstream = torch.func.vjp(partial(gradient, pool, x), upstream)[1](tangent)[0]
        behind = torch.func.vjp(lambda x: gradient(lambda x: pool(x).square(), x, upstream), x)
        return by_upstream, behind[1](tangent)[0]

    return function


def forward_mode(pool: Function) -> Function:
    def function(x: torch.Tensor, tangent: torch.Tensor) -> tuple:
        return torch.func.jvp(pool, (x,), (tangent + tangent,))

    return function


def random_bits(seed: int, count: int) -> np.ndarray:
    from keras_maxpool.backend.torch.sequences import random_bits

    words = [torch.tensor(word) for word in (seed, 0, 0, 0)]
    return random_bits(words, count).numpy().astype(np.uint32).view(np.int32)
