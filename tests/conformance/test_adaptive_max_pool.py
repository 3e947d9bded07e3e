"""`ops.adaptive_max_pool` against the reference and PyTorch, in every mode."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from conformance.first_maxima import TRACED, check, with_ends
from golden import make_adaptive_golden as golden
from harness.assertions import assert_same
from harness.cases import FLOATS, FORMATS, INTEGERS, distinct, ties, wild
from harness.runner import MODES, UNKNOWN, in_mode, run, with_gradient
from reference import regions

from keras_maxpool.ops import adaptive_max_pool

# Sizes that divide, that leave a rest, that grow, that stay; the whole axis at once.
TABLE: list[tuple[tuple[int, ...], Any]] = [
    ((9,), 3),
    ((10,), 4),
    ((4,), 7),
    ((7,), 1),
    ((8, 6), 2),
    ((7, 5), (3, 4)),
    ((3, 8), (5, None)),
    ((6, 5), (1, 5)),
    ((3, 4), (None, None)),
    ((4, 6, 5), 2),
    ((5, 3, 4), (2, 4, None)),
    ((3, 4, 5), 1),
]
by_mode = pytest.mark.parametrize("mode", MODES)


def assert_right(
    case: int,
    fill: Callable[..., np.ndarray] = ties,
    dtype: str = "float32",
    mode: str = "eager",
    **options: bool,
) -> None:
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
def test_eager(case: int) -> None:
    for fill in (distinct, ties, wild):
        assert_right(case, fill, all_derivatives=True)
    for dtype in INTEGERS:
        assert_right(case, ties, dtype)


@pytest.mark.parametrize("mode", TRACED)
@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_modes(dtype: str, mode: str) -> None:
    """With each row of the table once in each mode, and all derivatives of one float."""
    case, shift = [*FLOATS, *INTEGERS].index(dtype), TRACED.index(mode)
    fill = [ties, wild][(case + shift) % 2] if dtype in FLOATS else ties
    assert_right(case, fill, dtype, mode, all_derivatives=case == shift + 1)


@pytest.mark.parametrize("dtype", FLOATS)
def test_derivatives_in_other_dtypes(dtype: str) -> None:
    for fill in (ties, wild):
        assert_right(4, fill, dtype, all_derivatives=True)


@by_mode
def test_values_alone(mode: str) -> None:
    """Without indices, which nothing needs eagerly and without a tape."""
    x = wild((2, 7, 5, 3), "float32", np.random.default_rng(2)).astype("float32")
    pooled = regions.pool(x, [regions.adaptive(7, 3), regions.adaptive(5, 4)])
    assert_same(run(lambda x: adaptive_max_pool(x, (3, 4)), mode, x), pooled.values)


@by_mode
@pytest.mark.parametrize(
    ("shape", "output_size", "pooled"),
    [
        ((0, 5, 4, 3), 3, (0, 3, 3, 3)),
        ((2, 5, 4, 0), 3, (2, 3, 3, 0)),
        ((2, 0, 4, 3), (None, 3), (2, 0, 3, 3)),  # an axis that stays may be empty
    ],
    ids=["no-samples", "no-channels", "no-rows"],
)
def test_empty(
    shape: tuple[int, ...], output_size: Any, pooled: tuple[int, ...], mode: str
) -> None:
    x, upstream = np.zeros(shape, "float32"), np.zeros(pooled, "float32")
    pool = with_gradient(partial(adaptive_max_pool, output_size=output_size, return_indices=True))
    values, indices, gradient = run(pool, mode, x, upstream)
    assert values.shape == indices.shape == pooled
    assert_same(gradient, x)


@pytest.mark.parametrize("mode", ["eager", UNKNOWN])
@pytest.mark.parametrize(("size", "outputs"), [(200_003, 100_001), (92_681, 46_341)])
def test_far_bounds_are_exact(size: int, outputs: int, mode: str) -> None:
    """Products past what 32 bits hold, by far and just so, and past float32's integers."""
    x = np.arange(size, dtype="float32").reshape(1, size, 1)
    last = (np.arange(1, outputs + 1) * size + outputs - 1) // outputs - 1
    values = run(lambda x: adaptive_max_pool(x, outputs), mode or "eager", x)
    np.testing.assert_array_equal(values[0, :, 0], last)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_golden_pytorch(rank: int) -> None:
    for case in golden.load():
        if case.rank != rank:
            continue
        pool = partial(
            adaptive_max_pool,
            output_size=case.output_size,
            data_format="channels_first",
            return_indices=True,
        )
        values, indices, gradient = run(with_gradient(pool), "eager", case.x, case.upstream)
        assert_same(values, case.values)
        np.testing.assert_array_equal(indices, case.indices, str(case))
        assert_same(gradient, case.gradient)


def test_of_unknown_size_zero_is_an_error() -> None:
    """And no end of the process."""
    if UNKNOWN is None:
        pytest.skip("this backend knows all sizes: use KERAS_BACKEND=tensorflow")
    pool = in_mode(lambda x: adaptive_max_pool(x, 2), UNKNOWN)
    with pytest.raises(Exception, match="Spatial axis 0 has no elements"):
        run(pool, "eager", np.zeros((1, 0, 4, 1), "float32"))
