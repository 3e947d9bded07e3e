"""What PyTorch alone has: transformations, against the reference's maxima, kinds of tensors, and its rule for NaN."""

from typing import Any

import numpy as np
import pytest
import reference
import torch
from harness.assertions import assert_same
from harness.cases import CHOSEN, Config, case, ties
from harness.exported import LAYERS, assert_predicts
from harness.keras_version import keras
from harness.processes import in_child

import keras_maxpool
from keras_maxpool import ops

CONFIGS = [CHOSEN[0], CHOSEN[10], CHOSEN[16]]
by_config = pytest.mark.parametrize("config", CONFIGS, ids=str)


@by_config
def test_compiled_to_code(config: Config) -> None:
    """By PyTorch's own compiler; the conformance tests stop before it generates code."""
    given = case(config, ties)
    x = torch.tensor(given.x, requires_grad=True)
    torch.compiler.reset()
    pooling = config.pooling(return_indices=True, indices_dtype="int32")
    values, indices = torch.compile(pooling, fullgraph=True)(x)
    (gradient,) = torch.autograd.grad(values, x, torch.tensor(given.upstream))
    assert_same(values, given.values)
    assert_same(indices, given.indices.astype("int32"))
    assert_same(gradient, given.gradient)


def test_global_and_masked_pooling_and_fit_compiled_to_code() -> None:
    x = torch.randn(8, 6, 6, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(
        torch.compile(ops.global_max_pool, fullgraph=True)(x).sum(), x
    )
    assert_same(gradient, torch.autograd.grad(x.amax((1, 2)).sum(), x)[0])
    masked = lambda x: ops.max_pool(x, 2, mask=x[..., 0] > 0)  # noqa: E731
    assert_same(torch.compile(masked, fullgraph=True)(x.detach()), masked(x.detach()))
    losses = []
    for compiled in (False, True):
        keras.utils.set_random_seed(1)
        pools = keras_maxpool.MaxPool2D(2), keras_maxpool.GlobalMaxPool2D()
        model = keras.Sequential([keras.Input((6, 6, 2)), *pools, keras.layers.Dense(1)])
        model.compile("sgd", "mse", jit_compile=compiled)
        data = x.detach(), torch.ones(8, 1)
        losses.append(model.fit(*data, epochs=2, verbose=0).history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-5)


@pytest.mark.parametrize("name", ["explicit", "ieee", "3D", "global", "adaptive", "fractional"])
def test_layers_in_one_graph(name: str) -> None:
    """As Keras's pooling; layers with indices or a mask look at their caller, which breaks the graph."""
    x = keras.Input((11, 10, 3))
    model = keras.Model(x, LAYERS[name](x))
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    assert_predicts(lambda x: compiled(torch.from_numpy(x)), model, 2, 11)


def test_any_size_compiled_once() -> None:
    """Sizes that are marked as dynamic stay so."""
    pool = torch.compile(CHOSEN[10].pooling(), backend="aot_eager", dynamic=True)
    for n in (7, 9, 12):
        x = np.random.default_rng(n).normal(size=(2, n, n + 1, 3)).astype("float32")
        values, _ = reference.pool(x, **CHOSEN[10].arguments)
        np.testing.assert_array_equal(pool(torch.tensor(x)), values)


def test_channels_last_stays_so_in_memory() -> None:
    """Neither the input nor the result is copied into another order."""
    for config in (CHOSEN[10], CHOSEN[16]):
        x = torch.zeros((2, *config.spatial, 8))
        assert config.pooling()(x).is_contiguous()


# Kinds of tensors, NaN and infinities


def test_a_sparse_tensor() -> None:
    with pytest.raises(TypeError, match=r"sparse.*to_dense\(\)"):
        ops.max_pool(torch.eye(4).to_sparse()[None, ..., None])


def test_variables_and_parameters() -> None:
    x = np.arange(8, dtype="float32").reshape(1, 8, 1)
    parameter = torch.nn.Parameter(torch.tensor(x))
    for given in (keras.Variable(x), parameter):
        assert ops.max_pool(given, 4).flatten().tolist() == [3, 7]
    ops.max_pool(parameter, 4).sum().backward()
    assert parameter.grad.flatten().tolist() == [0, 0, 0, 1, 0, 0, 0, 1]


def test_the_last_nan_takes_the_gradient_only_as_backend() -> None:
    """PyTorch's own rule, which nonfinite="ieee" replaces by the contract's, the first."""
    x = torch.tensor([1, np.nan, 2, np.nan])[None, :, None].requires_grad_()
    for nonfinite, at in (("backend", 3), ("ieee", 1)):
        y, index = ops.max_pool(x, 4, return_indices=True, nonfinite=nonfinite)
        (gradient,) = torch.autograd.grad(y, x)
        assert y.isnan().all()
        assert index.item() == at
        assert gradient.flatten().tolist() == [float(i == at) for i in range(4)]


@pytest.mark.parametrize("channels", [1, 8])
def test_volumes_of_infinities(channels: int) -> None:
    """PyTorch 2.13 has the indices of other windows, in 3D with channels last in memory."""
    x = torch.full((1, 4, 4, 4, channels), -torch.inf)
    _, indices = ops.max_pool(x, 2, return_indices=True, nonfinite="ieee")
    assert indices[..., -1].flatten().tolist() == [0, 2, 8, 10, 32, 34, 40, 42]


def test_data_parallel() -> None:
    """`DistributedDataParallel` over two processes has the gradients of one with both their batches."""
    assert in_child(__file__, "train_in_two_processes").split() == ["equal"]


def model() -> torch.nn.Module:
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
