"""The reference against PyTorch, golden files and live: values, indices, and gradients of both orders."""

import numpy as np
import pytest
import reference
from golden import torch_golden
from harness.install import needs
from reference import regions

SPATIAL = {1: (9,), 2: (6, 7), 3: (5, 4, 6)}
by_rank = pytest.mark.parametrize("rank", SPATIAL, ids="{}d".format)


@pytest.fixture
def torch():
    return needs("torch")


def check(case):
    """The reference's values, indices and gradient are those of the case."""
    if "pool_size" in case.arguments:
        pooled = reference.pool(case.x, **case.arguments, data_format="channels_first")
    else:
        axes = zip(case.x.shape[2:], case.arguments["output_size"], strict=True)
        cuts = [regions.adaptive(*axis) for axis in axes]
        pooled = map(reference.channels_first, regions.pool(reference.channels_last(case.x), cuts))
    values, indices = pooled
    gradient = reference.gradient(
        case.x.shape, indices, case.upstream, dtype=case.x.dtype, data_format="channels_first"
    )
    np.testing.assert_array_equal(values, case.values, str(case))
    np.testing.assert_array_equal(indices, case.indices, str(case))
    np.testing.assert_array_equal(gradient, case.gradient, str(case))


def test_golden():
    cases = [*torch_golden.load(torch_golden.POOLING), *torch_golden.load(torch_golden.ADAPTIVE)]
    assert len(cases) == torch_golden.CASES + torch_golden.ADAPTIVE_CASES
    for case in cases:
        check(case)


def test_live(torch):
    for layer, count in (("MaxPool", 105), ("AdaptiveMaxPool", 30)):
        for case in torch_golden.make(layer, seed=7, count=count):
            check(case)


@by_rank
def test_unpool(torch, rank):
    """PyTorch's, at indices that are all different: it adds nothing, and which of two values stays is undefined."""
    rng = np.random.default_rng(rank)
    spatial = SPATIAL[rank]
    windows = tuple(n // 2 for n in spatial)
    values = rng.normal(size=(2, 3, *windows))
    drawn = [rng.choice(np.prod(spatial), np.prod(windows), replace=False) for _ in range(6)]
    indices = np.reshape(drawn, values.shape)
    tensor = torch.tensor(values, requires_grad=True)
    unpool = getattr(torch.nn.functional, f"max_unpool{rank}d")
    volume = unpool(tensor, torch.tensor(indices), 2, output_size=spatial)
    upstream = rng.normal(size=volume.shape)
    volume.backward(torch.tensor(upstream))
    first = {"data_format": "channels_first"}
    unpooled = reference.unpool(values, indices, spatial, **first)
    np.testing.assert_array_equal(unpooled, volume.detach())
    np.testing.assert_array_equal(reference.gather(upstream, indices, **first), tensor.grad)


@by_rank
def test_global_pool(torch, rank):
    """Values and gradients of `amax`, which shares them between ties, and adaptive pooling's indices."""
    rng = np.random.default_rng(rank)
    x = rng.choice([-np.inf, -1.0, 0.0, 1.0], (4, *SPATIAL[rank], 3))
    x[0, ..., 0] = -np.inf
    x[..., 1] = rng.normal(size=x.shape[:-1])
    tensor = torch.tensor(x, requires_grad=True)
    wanted = tensor.amax(tuple(range(1, rank + 1)))
    upstream = rng.integers(1, 9, wanted.shape) * 1.0
    wanted.backward(torch.tensor(upstream))
    values, indices, shares = reference.global_pool(x)
    np.testing.assert_array_equal(values, wanted.detach())
    np.testing.assert_allclose(reference.global_gradient(shares, upstream), tensor.grad, rtol=1e-15)
    pool = getattr(torch.nn.functional, f"adaptive_max_pool{rank}d")
    _, expected = pool(tensor.movedim(-1, 1), 1, return_indices=True)
    np.testing.assert_array_equal(indices, expected.reshape(4, 3))
