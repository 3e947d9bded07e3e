"""PyTorch's transformations of pooling: against the reference's maxima, and each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
import torch
from harness.cases import CHOSEN, Config, case, ties
from harness.processes import in_child

from keras_maxpool import ops

CONFIGS = [CHOSEN[0], CHOSEN[10], CHOSEN[16]]
by_config = pytest.mark.parametrize("config", CONFIGS, ids=str)


def pooling(config: Config, **options: Any) -> Any:
    return lambda x: ops.max_pool(x, **config.arguments, **options)


def selection(config: Config, x: np.ndarray) -> np.ndarray:
    """The Jacobian of pooling, by the reference's indices: (outputs, inputs)."""
    _, indices = reference.pool(x, **config.arguments)
    jacobian = np.zeros((*indices.shape, *x.shape), x.dtype)
    for at in np.ndindex(*indices.shape):
        if indices[at] >= 0:
            element = np.unravel_index(indices[at], x.shape[1:-1])
            jacobian[(*at, at[0], *map(int, element), at[-1])] = 1
    return jacobian


@by_config
@pytest.mark.parametrize("nonfinite", ["backend", "ieee"])
@pytest.mark.parametrize("jacobian", [torch.func.jacfwd, torch.func.jacrev])
def test_jacobians_of_ties(jacobian: Any, nonfinite: str, config: Config) -> None:
    x = case(config, ties, batch=1).x
    actual = jacobian(pooling(config, nonfinite=nonfinite))(torch.tensor(x))
    np.testing.assert_array_equal(actual, selection(config, x))


@by_config
def test_hessian(config: Config) -> None:
    """That of the sum of squared maxima is 2 J'J."""
    x = case(config, ties, batch=1).x
    jacobian = selection(config, x).reshape(-1, x.size)
    loss = lambda x: pooling(config)(x).square().sum()  # noqa: E731
    actual = torch.func.hessian(loss)(torch.tensor(x)).reshape(x.size, x.size)
    np.testing.assert_array_equal(actual, 2 * jacobian.T @ jacobian)


@by_config
def test_mapped(config: Config) -> None:
    """Over an axis that is not the first, with one upstream gradient for all: of each sample on its own."""
    full = case(config, ties)
    x = np.stack([full.x, full.x[:, ::-1]], 1)[:1]
    dy = torch.tensor(full.upstream[:1])

    def gradient(x: torch.Tensor) -> torch.Tensor:
        return torch.func.vjp(pooling(config), x)[1](dy)[0]

    actual = torch.vmap(gradient, in_dims=1, out_dims=1)(torch.tensor(x))
    for i in range(2):
        _, indices = reference.pool(x[:, i], **config.arguments)
        expected = reference.gradient(x[:, i].shape, indices, full.upstream[:1], dtype=x.dtype)
        np.testing.assert_array_equal(actual[:, i], expected)


@by_config
def test_compiled_to_code(config: Config) -> None:
    """By PyTorch's own compiler; the conformance tests stop before it generates code."""
    full = case(config, ties)
    x = torch.tensor(full.x, requires_grad=True)
    torch.compiler.reset()
    pool = torch.compile(pooling(config, return_indices=True))
    values, indices = pool(x)
    np.testing.assert_array_equal(values.detach(), full.values)
    np.testing.assert_array_equal(indices, full.indices)
    (gradient,) = torch.autograd.grad(values, x, torch.tensor(full.upstream))
    np.testing.assert_array_equal(gradient, full.gradient)


def test_any_size_compiled_once() -> None:
    """Sizes that are marked as dynamic stay so."""
    pool = torch.compile(pooling(CHOSEN[10]), backend="aot_eager", dynamic=True)
    for n in (7, 9, 12):
        x = np.random.default_rng(n).normal(size=(2, n, n + 1, 3)).astype("float32")
        values, _ = reference.pool(x, **CHOSEN[10].arguments)
        np.testing.assert_array_equal(pool(torch.tensor(x)), values)


def test_channels_last_stays_so_in_memory() -> None:
    """Neither the input nor the result is copied into another order."""
    for config in (CHOSEN[10], CHOSEN[16]):
        x = torch.zeros((2, *config.spatial, 8))
        assert pooling(config)(x).is_contiguous()


def test_data_parallel() -> None:
    """`DistributedDataParallel` over two processes has the gradients of one with both their batches."""
    assert in_child(__file__, "train_in_two_processes").split() == ["equal"]


def model() -> torch.nn.Module:
    import keras

    import keras_maxpool

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Conv2D(4, 3), keras_maxpool.MaxPool2D(3, 2, 1), keras.layers.Flatten()]
    net = keras.Sequential([keras.Input((8, 8, 2)), *layers, keras.layers.Dense(3)])
    assert isinstance(net, torch.nn.Module)
    return net


def gradients(net: Any, x: torch.Tensor) -> list[torch.Tensor]:
    net(x).square().mean().backward()
    return [parameter.grad for parameter in net.parameters()]


def one_of_two(rank: int, folder: str) -> None:
    group = {"rank": rank, "world_size": 2, "init_method": f"file://{folder}/store"}
    torch.distributed.init_process_group("gloo", **group)
    x = torch.arange(4 * 8 * 8 * 2.0).reshape(4, 8, 8, 2).sin()
    net = torch.nn.parallel.DistributedDataParallel(model())
    found = gradients(net, x[2 * rank : 2 * rank + 2])
    for a, b in zip(found, gradients(model(), x), strict=True):
        torch.testing.assert_close(a, b)
    torch.distributed.destroy_process_group()


def train_in_two_processes() -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(one_of_two, (folder,), nprocs=2)
    print("equal")
