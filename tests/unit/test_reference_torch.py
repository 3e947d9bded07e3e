"""The reference against PyTorch, live: values, indices, and gradients of both orders."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from conformance import torch_fractional
from golden import make_adaptive_golden, make_torch_golden
from harness.install import needs
from reference import regions
from unit.reference_checks import assert_as_pytorch

SPATIAL = {1: (9,), 2: (6, 7), 3: (5, 4, 6)}
by_rank = pytest.mark.parametrize("rank", SPATIAL, ids="{}d".format)


@pytest.fixture
def torch() -> object:
    return needs("torch")


def test_torch(torch: object) -> None:
    for case in make_torch_golden.make_cases(seed=7, finite=90, nonfinite=18):
        assert_as_pytorch(case)


@pytest.mark.parametrize(
    "dtype", ["float16", "float64", "uint8", "int8", "int16", "int32", "int64"]
)
def test_torch_dtypes(torch: object, dtype: str) -> None:
    x = np.random.default_rng(0).integers(0, 5, (2, 3, 9, 7)).astype(dtype)
    values, indices = torch.nn.functional.max_pool2d(torch.tensor(x), 3, 2, 1, return_indices=True)
    pooled = reference.pool(x, 3, 2, 1, data_format="channels_first")
    assert pooled.values.dtype == values.numpy().dtype
    np.testing.assert_array_equal(pooled.values, values)
    np.testing.assert_array_equal(pooled.indices, indices)


def test_torch_takes_the_last_nan(torch: object) -> None:
    """The one difference that is meant: should PyTorch change, the notes on NaN have to."""
    x = np.array([[[1, np.nan, 3, np.nan]]], np.float32)
    values, indices = torch.nn.functional.max_pool1d(torch.tensor(x), 4, return_indices=True)
    pooled = reference.pool(x, 4, data_format="channels_first")
    np.testing.assert_array_equal(pooled.values, values)
    assert (pooled.indices.item(), indices.item()) == (1, 3)


@pytest.mark.parametrize("rank", [2, 3], ids="{}d".format)
def test_fractional(rank: int) -> None:
    for case in torch_fractional.cases(rank):
        values, places = regions.pool(case.x, case.cuts)
        gradient = reference.gradient(case.x.shape, places, case.upstream)
        for got, wanted in zip((values, places, gradient), case.results, strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_adaptive(torch: object) -> None:
    for case in make_adaptive_golden.make(seed=7, count=24):
        assert_as_pytorch(case)


# Second-order gradients


@by_rank
@pytest.mark.parametrize(
    "options",
    [
        {"kernel_size": 3, "stride": 2, "padding": 1},
        {"kernel_size": 2, "stride": 1, "dilation": 2},
        {"kernel_size": 2, "ceil_mode": True},
        {"output_size": 3},
    ],
    ids=["overlapping", "dilated", "ceil_mode", "adaptive"],
)
def test_gather_is_the_second_derivative(torch: object, options: dict, rank: int) -> None:
    """Of PyTorch's pooling, at PyTorch's places: what its gradient passes back to the upstream one."""
    rng = np.random.default_rng(rank)
    kind = "adaptive_max_pool" if "output_size" in options else "max_pool"
    pool = getattr(torch.nn.functional, f"{kind}{rank}d")
    x = torch.tensor(rng.integers(-2, 3, (2, 3, *SPATIAL[rank])) * 1.0, requires_grad=True)
    values, indices = pool(x, **options, return_indices=True)
    upstream = torch.tensor(rng.integers(-9, 10, values.shape) * 1.0, requires_grad=True)
    tangent = rng.integers(-9, 10, x.shape) * 1.0
    (gradient,) = torch.autograd.grad(values, x, upstream, create_graph=True)
    (second,) = torch.autograd.grad(gradient, upstream, torch.tensor(tangent))
    gathered = reference.gather(tangent, indices.numpy(), data_format="channels_first")
    np.testing.assert_array_equal(gathered, second)


# Unpooling


@by_rank
def test_unpool(torch: object, rank: int) -> None:
    """PyTorch's, at places that are all different: it adds nothing, and which of two values stays is undefined."""
    rng = np.random.default_rng(rank)
    spatial = SPATIAL[rank]
    windows = tuple(n // 2 for n in spatial)
    values = rng.normal(size=(2, 3, *windows))
    drawn = [rng.choice(np.prod(spatial), np.prod(windows), replace=False) for _ in range(6)]
    places = np.reshape(drawn, values.shape)
    tensor = torch.tensor(values, requires_grad=True)
    unpool = getattr(torch.nn.functional, f"max_unpool{rank}d")
    volume = unpool(tensor, torch.tensor(places), 2, output_size=spatial)
    upstream = rng.normal(size=volume.shape)
    volume.backward(torch.tensor(upstream))
    first = {"data_format": "channels_first"}
    np.testing.assert_array_equal(
        reference.unpool(values, places, spatial, **first), volume.detach()
    )
    np.testing.assert_array_equal(reference.gather(upstream, places, **first), tensor.grad)


@pytest.mark.parametrize("dtype", ["float64", "int64", "uint8"])
def test_unpool_adds(torch: object, dtype: str) -> None:
    """As PyTorch's `scatter_add_`, where several values meet at one place."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, 100, (2, 3, 40)).astype(dtype)
    places = rng.integers(0, 12, values.shape)
    volume = torch.zeros(2, 3, 12, dtype=getattr(torch, dtype))
    volume.scatter_add_(2, torch.tensor(places), torch.tensor(values))
    unpooled = reference.unpool(values, places, (12,), data_format="channels_first")
    assert unpooled.dtype == dtype
    np.testing.assert_array_equal(unpooled, volume)


# Global pooling


@by_rank
@pytest.mark.parametrize("masked", [False, True], ids=["all", "masked"])
def test_global_pool(torch: object, masked: bool, rank: int) -> None:
    """Values and gradients of `amax`, which shares them between ties, and adaptive pooling's places."""
    rng = np.random.default_rng(rank)
    x = rng.choice([-np.inf, -1.0, 0.0, 1.0], (4, *SPATIAL[rank], 3))
    x[0, ..., 0] = -np.inf
    x[..., 1] = rng.normal(size=x.shape[:-1])
    mask = rng.random(x.shape[:-1]) < 0.5 if masked else None
    hidden = x if mask is None else np.where(mask[..., None], x, -np.inf)
    if masked:  # where nothing above what hides them would be left
        x[0, ..., 0], hidden[0, ..., 0] = 1, np.where(mask[0], 1, -np.inf)
    tensor = torch.tensor(hidden, requires_grad=True)
    wanted = tensor.amax(tuple(range(1, rank + 1)))
    upstream = rng.integers(1, 9, wanted.shape) * 1.0
    wanted.backward(torch.tensor(upstream))
    values, places, shares = reference.global_pool(x, mask)
    np.testing.assert_array_equal(values, wanted.detach())
    np.testing.assert_allclose(reference.global_gradient(shares, upstream), tensor.grad, rtol=1e-15)
    pool = getattr(torch.nn.functional, f"adaptive_max_pool{rank}d")
    first = torch.tensor(np.ascontiguousarray(reference.channels_first(hidden)))
    _, indices = pool(first, 1, return_indices=True)
    np.testing.assert_array_equal(places, indices.reshape(4, 3))


@by_rank
def test_global_pool_of_nan(torch: object, rank: int) -> None:
    """Its value and place, one in each sample and channel: of several PyTorch takes the last."""
    rng = np.random.default_rng(rank)
    x = rng.normal(size=(2, *SPATIAL[rank], 3))
    flat = x.reshape(2, -1, 3)
    for sample, channel in np.ndindex(2, 3):
        flat[sample, rng.integers(flat.shape[1]), channel] = np.nan
    pool = getattr(torch.nn.functional, f"adaptive_max_pool{rank}d")
    first = torch.tensor(np.ascontiguousarray(reference.channels_first(x)))
    wanted, indices = pool(first, 1, return_indices=True)
    values, places, shares = reference.global_pool(x)
    np.testing.assert_array_equal(values, wanted.reshape(2, 3))
    np.testing.assert_array_equal(places, indices.reshape(2, 3))
    np.testing.assert_array_equal(shares, np.isnan(x))


def test_global_tangent(torch: object) -> None:
    """Forward mode, through `amax` and its ties."""
    rng = np.random.default_rng(0)
    x, tangent = rng.integers(0, 3, (2, 5, 4, 3)) * 1.0, rng.integers(-9, 10, (2, 5, 4, 3)) * 1.0
    _, wanted = torch.func.jvp(
        lambda x: x.amax((1, 2)), (torch.tensor(x),), (torch.tensor(tangent),)
    )
    got = reference.global_tangent(reference.global_pool(x).shares, tangent)
    np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)
