"""`ops.adaptive_max_pool` against the reference and PyTorch, in every mode."""

from functools import partial
from itertools import product

import numpy as np
import pytest
from conformance.first_maxima import TRACED, check, with_ends
from golden import torch_golden
from harness.assertions import assert_same
from harness.cases import FLOATS, FORMATS, INTEGERS, distinct, ties, wild
from harness.runner import MODES, UNKNOWN, run, with_gradient
from reference import regions

from keras_maxpool.ops import adaptive_max_pool

# Sizes that divide, that leave a rest, that grow, that stay; the whole axis at once.
TABLE = [
    *(((9,), 3), ((10,), 4), ((4,), 7), ((7,), 1), ((8, 6), 2), ((7, 5), (3, 4))),
    *(((3, 8), (5, None)), ((6, 5), (1, 5)), ((3, 4), (None, None))),
    *(((4, 6, 5), 2), ((5, 3, 4), (2, 4, None)), ((3, 4, 5), 1)),
]
by_mode = pytest.mark.parametrize("mode", MODES)


def assert_right(case, fill=ties, dtype="float32", mode="eager", **options):
    """A row of the table, in its data format."""
    spatial, output_size = TABLE[case]
    data_format = FORMATS[case % 2]
    x = fill((2, *spatial, 3), dtype, np.random.default_rng(sum(spatial))).astype(dtype)
    sizes = output_size if isinstance(output_size, tuple) else (output_size,) * len(spatial)
    cuts = [regions.adaptive(*axis) for axis in zip(spatial, sizes, strict=True)]
    pool = partial(
        adaptive_max_pool, output_size=output_size, data_format=data_format, return_indices=True
    )
    x = with_ends(x) if dtype in INTEGERS else x
    check(pool, x, regions.pool(x, cuts), mode, data_format, **options)


@pytest.mark.parametrize("case", range(len(TABLE)), ids=[str(case) for case in TABLE])
def test_eager(case):
    for fill, dtype in product((distinct, ties, wild), FLOATS if case == 4 else FLOATS[2:3]):
        assert_right(case, fill, dtype, all_derivatives=True)
    for dtype in INTEGERS:
        assert_right(case, ties, dtype)


@pytest.mark.parametrize("mode", TRACED)
@pytest.mark.parametrize(("case", "dtype"), enumerate([*FLOATS, *INTEGERS]))
def test_modes(case, dtype, mode):
    """With each row of the table once in each mode, and all derivatives of one float."""
    shift = TRACED.index(mode)
    fill = [ties, wild][(case + shift) % 2] if dtype in FLOATS else ties
    assert_right(case, fill, dtype, mode, all_derivatives=case == shift + 1)


@by_mode
def test_values_alone(mode):
    """Without indices, which nothing needs eagerly and without a tape."""
    x = wild((2, 7, 5, 3), "float32", np.random.default_rng(2)).astype("float32")
    pooled = regions.pool(x, [regions.adaptive(7, 3), regions.adaptive(5, 4)])
    assert_same(run(lambda x: adaptive_max_pool(x, (3, 4)), mode, x), pooled.values)


@by_mode
@pytest.mark.parametrize(
    ("shape", "output_size", "pooled"),
    [
        pytest.param((0, 5, 4, 3), 3, (0, 3, 3, 3), id="no samples"),
        pytest.param((2, 5, 4, 0), 3, (2, 3, 3, 0), id="no channels"),
        pytest.param((2, 0, 4, 3), (None, 3), (2, 0, 3, 3), id="no rows, and they stay"),
    ],
)
def test_empty(shape, output_size, pooled, mode):
    x, upstream = np.zeros(shape, "float32"), np.zeros(pooled, "float32")
    pool = with_gradient(partial(adaptive_max_pool, output_size=output_size, return_indices=True))
    values, indices, gradient = run(pool, mode, x, upstream)
    assert values.shape == indices.shape == pooled
    assert_same(gradient, x)


@pytest.mark.parametrize("mode", ["eager", UNKNOWN])
@pytest.mark.parametrize(("size", "outputs"), [(200_003, 100_001), (92_681, 46_341)])
def test_far_bounds_are_exact(size, outputs, mode):
    """Products past what 32 bits hold, by far and just so, and past float32's integers."""
    x = np.arange(size, dtype="float32").reshape(1, size, 1)
    last = (np.arange(1, outputs + 1) * size + outputs - 1) // outputs - 1
    values = run(lambda x: adaptive_max_pool(x, outputs), mode or "eager", x)
    np.testing.assert_array_equal(values[0, :, 0], last)


def test_golden_pytorch():
    options = {"data_format": "channels_first", "return_indices": True}
    for case in torch_golden.load(torch_golden.ADAPTIVE):
        pool = partial(adaptive_max_pool, **case.arguments, **options)
        values, indices, gradient = run(with_gradient(pool), "eager", case.x, case.upstream)
        assert_same(values, case.values)
        np.testing.assert_array_equal(indices, case.indices, str(case))
        assert_same(gradient, case.gradient)


@pytest.mark.skipif(
    UNKNOWN is None, reason="this backend knows all sizes: set KERAS_BACKEND=tensorflow"
)
def test_of_unknown_size_zero_is_an_error():
    """And no end of the process."""
    with pytest.raises(Exception, match="Spatial axis 0 has no elements"):
        run(lambda x: adaptive_max_pool(x, 2), UNKNOWN, np.zeros((1, 0, 4, 1), "float32"))
