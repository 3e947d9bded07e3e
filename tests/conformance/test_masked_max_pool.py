"""`ops.max_pool` with a mask against the reference, in every mode: what is hidden never wins."""

from itertools import product

import numpy as np
import pytest
import reference
from conformance.first_maxima import TRACED, check
from harness.cases import FLOATS, FORMATS, INTEGERS, Config, ties, wild

from keras_maxpool.ops import max_pool

CONFIGS = [
    Config((10,), 2),
    Config((10,), 3, 2, "same"),
    Config((10,), 3, 1, "causal"),
    Config((11,), 3, 2, 1, 2),
    Config((10,), 2, 3, "same_lower"),
    Config((9,), 2, 2, "valid", 1, True),
    Config((7, 6), 3, 2, "same"),
    Config((7, 6), 2, (1, 2), ((1, 0), (0, 1)), 2),
    Config((4, 5, 6), 2, 2, 1),
]


def lowest(shape, dtype, _):
    """With which all that is hidden ties, and comes first in most windows."""
    return np.full(shape, -np.inf if dtype in FLOATS else np.iinfo(dtype).min)


def assert_right(
    config,
    fill,
    dtype,
    mode="eager",
    data_format="channels_last",
    nonfinite="ieee",
    of_samples=False,
    **options,
):
    rng = np.random.default_rng(0)
    x = fill((3, *config.spatial, 2), dtype, rng).astype(dtype)
    mask = rng.random((3, *config.spatial)) < 0.4
    mask[1] = False
    given = mask
    if of_samples:
        given = mask.reshape(3, -1).any(1)
        mask = np.broadcast_to(given.reshape(3, *[1] * config.rank), mask.shape)
    # Numbers as positive ranks, NaN the highest of them; what is hidden has 0.
    _, inverse = np.unique(x if dtype in INTEGERS else x.astype("float64"), return_inverse=True)
    ranks = np.where(mask[..., None], inverse.reshape(x.shape) + 1, 0)
    best, indices = reference.pool(ranks, **config.arguments)
    indices = np.where(best > 0, indices, -1)
    pooled = reference.Pooled(reference.gather(x, indices), indices)

    def pool(x, mask):
        arguments = config.arguments | {"data_format": data_format, "nonfinite": nonfinite}
        return max_pool(x, **arguments, mask=mask, return_indices=True)

    check(pool, x, pooled, mode, data_format, masks=[given], **options)


@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_eager(config):
    for data_format, fill in zip(FORMATS * 2, (ties, lowest, wild, ties), strict=True):
        assert_right(config, fill, "float32", data_format=data_format)
    assert_right(config, ties, "float32", nonfinite="backend", all_derivatives=True)
    assert_right(config, ties, "float32", data_format=FORMATS[1], of_samples=True)


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_dtypes(dtype):
    for fill, config in product((ties, lowest), CONFIGS[6:]):
        assert_right(config, fill, dtype)


@pytest.mark.parametrize(("i", "mode"), zip(range(12), TRACED * 6, strict=False))
def test_modes(i, mode):
    """Configurations, dtypes, fills and data formats in turn."""
    config, dtype = CONFIGS[i % 9], [*FLOATS, *INTEGERS][i]
    assert_right(config, [ties, lowest][i // 3 % 2], dtype, mode, FORMATS[i % 2])
    if i in (0, 1):
        assert_right(CONFIGS[6], wild, "float32", mode)
    if i in (1, 2):
        assert_right(CONFIGS[7], ties, "float32", mode, nonfinite="backend", of_samples=True)
