"""The reference against cases worked out by hand, and PyTorch's golden files. Others compare it with live peers."""

from __future__ import annotations

import ast
import math
import sys
from fractions import Fraction
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
import reference
from golden import make_adaptive_golden, make_torch_golden, torch_golden
from reference import regions
from unit.reference_checks import assert_as_pytorch

NAN, INF = np.nan, np.inf
GOLDEN = list(torch_golden.load())


def in_1d(numbers: list, dtype: str = "float32") -> np.ndarray:
    """One sample and one channel."""
    return np.array(numbers, dtype).reshape(1, -1, 1)


def check(pooled: reference.Pooled, values: list, indices: list) -> None:
    """Compares the only sample and channel with literals."""
    np.testing.assert_array_equal(pooled.values[0, ..., 0], values)
    np.testing.assert_array_equal(pooled.indices[0, ..., 0], indices)


def test_shares_no_code() -> None:
    """It needs NumPy, the standard library and itself."""
    needed = set()
    for file in Path(reference.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                needed |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                needed.add(node.module)
    allowed = sys.stdlib_module_names | {"numpy", "reference"}
    assert {name.split(".")[0] for name in needed} <= allowed
    assert len(needed) > 5


# Geometry


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        # size, pool, stride, padding, dilation, ceil_mode -> windows, before, after
        ((8, 2, 2, "valid", 1, False), (4, 0, 0)),
        ((9, 2, 2, "valid", 1, False), (4, 0, 0)),
        ((9, 2, 2, "valid", 1, True), (5, 0, 0)),  # the last one hangs over
        ((8, 2, 3, "valid", 1, True), (3, 0, 0)),
        ((5, 1, 3, "valid", 1, True), (2, 0, 0)),  # a third would start at 6, behind the data
        ((9, 3, 1, "valid", 2, False), (5, 0, 0)),
        ((2, 3, 2, "valid", 1, True), (1, 0, 0)),  # larger than the input, and still allowed
        ((8, 3, 2, "same", 1, False), (4, 0, 1)),
        ((8, 3, 2, "same_lower", 1, False), (4, 1, 0)),
        ((7, 3, 2, "same", 1, False), (4, 1, 1)),
        ((8, 4, 1, "same", 1, False), (8, 1, 2)),
        ((8, 4, 1, "same_lower", 1, False), (8, 2, 1)),
        ((8, 2, 1, "same", 3, False), (8, 1, 2)),
        ((8, 1, 3, "same", 1, False), (3, 0, 0)),
        ((12, 1, 4, "same_lower", 1, False), (3, 0, 0)),  # the stride skips data: no negative pads
        ((8, 3, 1, "causal", 1, False), (8, 2, 0)),
        ((8, 3, 2, "causal", 2, False), (4, 4, 0)),
        ((0, 2, 2, "same", 1, False), (0, 0, 0)),
        ((5, 3, 2, (1, 1), 1, False), (3, 1, 1)),
        ((5, 3, 2, (0, 1), 1, False), (2, 0, 1)),
        ((5, 3, 2, (0, 1), 1, True), (3, 0, 1)),
        ((4, 2, 3, (1, 1), 1, True), (2, 1, 1)),  # a third would start in the padding at the end
        ((4, 2, 3, (1, 1), 1, False), (2, 1, 1)),
    ],
)
def test_geometry(axis: tuple, expected: tuple) -> None:
    assert reference.geometry(*axis) == expected


@pytest.mark.parametrize(
    "axis",
    [
        (2, 3, 1, "valid", 1, False),
        (2, 3, 1, "valid", 1, True),
        (4, 3, 1, "valid", 2, False),
        (1, 4, 1, (1, 1), 1, False),
        (4, 2, 2, "same", 1, True),
        (4, 2, 2, "same_lower", 1, True),
        (4, 2, 2, "causal", 1, True),
        (4, 2, 2, "full", 1, False),
    ],
)
def test_geometry_refuses(axis: tuple) -> None:
    with pytest.raises(ValueError, match=r"no window|no meaning|unknown padding"):
        reference.geometry(*axis)


# Cases by hand

STEPS = in_1d([3, 1, 4, 1, 5, 9, 2, 6])


@pytest.mark.parametrize(
    ("arguments", "values", "indices"),
    [
        ((3, 2, "valid"), [4, 5, 9], [2, 4, 5]),
        ((3, 2, "same"), [4, 5, 9, 6], [2, 4, 5, 7]),
        ((3, 2, "same_lower"), [3, 4, 9, 9], [0, 2, 5, 5]),
        ((3, 1, "causal"), [3, 3, 4, 4, 5, 9, 9, 9], [0, 0, 2, 2, 4, 5, 5, 5]),
        ((2, 1, "valid", 2), [4, 1, 5, 9, 5, 9], [2, 1, 4, 5, 4, 5]),
        ((3, None, "valid", 1, True), [4, 9, 6], [2, 5, 7]),
        ((1, 4, "valid"), [3, 5], [0, 4]),
        ((2, 3, 1), [3, 4, 9], [0, 2, 5]),
        ((2, 3, 1, 1, True), [3, 4, 9], [0, 2, 5]),  # a fourth would start at the padding: dropped
        ((2, 2, ((0, 1),)), [3, 4, 9, 6], [0, 2, 5, 7]),
        ((2, 2, ((1, 0),)), [3, 4, 5, 9], [0, 2, 4, 5]),
    ],
)
def test_1d(arguments: tuple, values: list, indices: list) -> None:
    check(reference.pool(STEPS, *arguments), values, indices)


RAMP = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)


def test_2d_ramp() -> None:
    check(reference.pool(RAMP, 2), [[5, 7], [13, 15]], [[5, 7], [13, 15]])
    check(
        reference.pool(RAMP, (1, 3), 1),
        [[2, 3], [6, 7], [10, 11], [14, 15]],
        [[2, 3], [6, 7], [10, 11], [14, 15]],
    )
    check(reference.pool(RAMP, 2, 1, "valid", 2), [[10, 11], [14, 15]], [[10, 11], [14, 15]])
    # A window of three columns, starting at column 3, has one of them.
    check(reference.pool(RAMP, (4, 3), None, "valid", 1, True), [[14, 15]], [[14, 15]])
    check(reference.pool(RAMP, 3, 3, 1), [[5, 7], [13, 15]], [[5, 7], [13, 15]])


def test_2d_padding_never_wins() -> None:
    below = -1 - RAMP  # -1 at the start, -16 at the end
    check(
        reference.pool(below, 2, 2, 1),
        [[-1, -2, -4], [-5, -6, -8], [-13, -14, -16]],
        [[0, 1, 3], [4, 5, 7], [12, 13, 15]],
    )
    check(reference.pool(below, 3, 2, "same"), [[-1, -3], [-9, -11]], [[0, 2], [8, 10]])
    check(reference.pool(below, 3, 2, "same_lower"), [[-1, -2], [-5, -6]], [[0, 1], [4, 5]])


def test_3d() -> None:
    x = np.array([[[0, 1, 8], [2, 7, 4]], [[6, 5, 3], [9, 2, 1]]], np.float32).reshape(
        1, 2, 2, 3, 1
    )
    check(reference.pool(x, 2, 1), [[[9, 8]]], [[[9, 2]]])
    check(reference.pool(x, (1, 2, 3)), [[[8]], [[9]]], [[[2]], [[9]]])
    check(reference.pool(x, (2, 1, 1)), [[[6, 5, 8], [9, 7, 4]]], [[[6, 7, 2], [9, 4, 5]]])


def test_first_of_equals_wins() -> None:
    check(reference.pool(in_1d([7, 7, 1, 7, 7, 7]), 3), [7, 7], [0, 3])
    flat = np.zeros((1, 4, 4, 1), np.float32)
    check(reference.pool(flat, 2), [[0, 0], [0, 0]], [[0, 2], [8, 10]])
    check(reference.pool(flat, 3, 2, 1), [[0, 0], [0, 0]], [[0, 1], [4, 5]])
    # Row-major: the top right corner comes before the bottom left one.
    check(reference.pool(np.array([0, 5, 5, 0]).reshape(1, 2, 2, 1), 2), [[5]], [[1]])


def test_signed_zeros_are_equal() -> None:
    pooled = reference.pool(in_1d([-0.0, 0.0, 0.0, -0.0]), 2)
    check(pooled, [0, 0], [0, 2])
    assert np.signbit(pooled.values).ravel().tolist() == [True, False]


def test_nan() -> None:
    check(reference.pool(in_1d([1, NAN, 9, 2, 3, 4]), 3), [NAN, 4], [1, 5])
    check(reference.pool(in_1d([NAN, NAN, INF, NAN]), 2), [NAN, NAN], [0, 3])
    check(reference.pool(in_1d([-INF, NAN, NAN]), 3), [NAN], [1])


def test_infinities() -> None:
    check(reference.pool(in_1d([-INF, -INF, -INF, 1, INF, INF]), 2), [-INF, 1, INF], [0, 3, 4])
    check(reference.pool(in_1d([-INF, -INF]), 3, 1, 1), [-INF, -INF], [0, 0])  # padding never wins


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("float16", -INF), ("float64", -INF), ("int8", -128), ("uint8", 0), ("int64", -(2**63))],
)
def test_window_of_padding_alone(dtype: str, expected: float) -> None:
    # The window's two elements are 2 apart: one falls before the only real one, one behind.
    pooled = reference.pool(in_1d([5], dtype), 2, 1, 1, 2)
    check(pooled, [expected], [-1])
    assert reference.sees_only_padding(1, 2, 1, (1, 1), 2, False)
    assert not reference.sees_only_padding(2, 2, 1, (1, 1), 2, False)
    gradient = reference.gradient((1, 1, 1), pooled.indices, np.ones((1, 1, 1)))
    assert gradient.tolist() == [[[0]]]
    assert reference.gather(in_1d([5], dtype), pooled.indices).tolist() == [[[0]]]


def test_gradient_and_gather_by_hand() -> None:
    indices = reference.pool(STEPS, 3, 1).indices
    assert indices.ravel().tolist() == [2, 2, 4, 5, 5, 5]
    gradient = reference.gradient(STEPS.shape, indices, in_1d([1, 2, 4, 8, 16, 32]))
    assert gradient.ravel().tolist() == [0, 0, 3, 0, 4, 56, 0, 0]
    assert gradient.dtype == np.float64
    tangent = reference.gather(in_1d([10, 11, 12, 13, 14, 15, 16, 17]), indices)
    assert tangent.ravel().tolist() == [12, 12, 14, 15, 15, 15]


def test_samples_and_channels_are_apart() -> None:
    x = np.array([[[1, 8], [2, 7]], [[4, 5], [3, 6]]], np.float32)  # 2 samples, 2 steps, 2 channels
    values, indices = reference.pool(x, 2)
    assert values.tolist() == [[[2, 8]], [[4, 6]]]
    assert indices.tolist() == [[[1, 0]], [[0, 1]]]
    gradient = reference.gradient(x.shape, indices, np.array([[[1, 2]], [[3, 4]]]))
    assert gradient.tolist() == [[[0, 2], [1, 0]], [[3, 0], [0, 4]]]


# Properties


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_gather_is_the_transpose_of_gradient(rank: int) -> None:
    rng = np.random.default_rng(rank)
    x = rng.integers(-3, 4, (2, *(7, 5, 6)[:rank], 3)).astype(np.float32)
    values, indices = reference.pool(x, 3, 2, 1, 2)
    upstream, tangent = rng.integers(-9, 10, indices.shape), rng.integers(-9, 10, x.shape)
    gradient = reference.gradient(x.shape, indices, upstream)
    assert (gradient * tangent).sum() == (upstream * reference.gather(tangent, indices)).sum()
    np.testing.assert_array_equal(reference.gather(x, indices), values)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_channels_first_is_the_same_pooling(rank: int) -> None:
    rng = np.random.default_rng(rank)
    last = rng.integers(-3, 4, (2, *(7, 5, 6)[:rank], 3)).astype(np.float32)
    first = reference.channels_first(last)
    assert first.shape == (2, 3, *(7, 5, 6)[:rank])
    expected = reference.pool(last, 2, 1, "same")
    pooled = reference.pool(first, 2, 1, "same", data_format="channels_first")
    upstream = rng.integers(-9, 10, pooled.indices.shape)
    for received, wanted in zip(pooled, expected, strict=True):
        np.testing.assert_array_equal(received, reference.channels_first(wanted))
    np.testing.assert_array_equal(
        reference.gradient(first.shape, pooled.indices, upstream, data_format="channels_first"),
        reference.channels_first(
            reference.gradient(last.shape, expected.indices, reference.channels_last(upstream))
        ),
    )
    np.testing.assert_array_equal(
        reference.gather(first, pooled.indices, data_format="channels_first"), pooled.values
    )


@pytest.mark.parametrize("kind", ["int", "uint"])
@pytest.mark.parametrize("bits", [8, 16, 32, 64])
def test_integers(kind: str, bits: int) -> None:
    limits = np.iinfo(f"{kind}{bits}")
    # In float64 the two largest of 64 bits would be equal.
    x = in_1d([limits.min, limits.max - 1, limits.max, limits.min, limits.min], limits.dtype)
    pooled = reference.pool(x, 2, 2, ((0, 1),))
    assert pooled.values.dtype == x.dtype
    check(pooled, [limits.max - 1, limits.max, limits.min], [1, 2, 4])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_floats(dtype: str) -> None:
    if dtype == "bfloat16":
        dtype = ml_dtypes.bfloat16
    pooled = reference.pool(in_1d([-1.5, -2, -INF, -INF, 1, NAN, -3], dtype), 2, 2, ((0, 1),))
    assert pooled.values.dtype == dtype
    assert pooled.indices.dtype == np.int64
    np.testing.assert_array_equal(pooled.values.ravel().astype(np.float64), [-1.5, -INF, NAN, -3])
    assert pooled.indices.ravel().tolist() == [0, 2, 5, 6]
    upstream = np.ones(pooled.indices.shape, dtype)
    gradient = reference.gradient((1, 7, 1), pooled.indices, upstream, dtype=dtype)
    assert gradient.dtype == dtype
    assert gradient.ravel().astype(int).tolist() == [1, 0, 1, 0, 0, 1, 1]


@pytest.mark.parametrize("shape", [(0, 4, 4, 3), (2, 4, 4, 0)])
def test_nothing_to_pool(shape: tuple) -> None:
    values, indices = reference.pool(np.zeros(shape, np.float32), 2)
    assert values.shape == indices.shape == (shape[0], 2, 2, shape[-1])
    assert reference.gradient(shape, indices, values).shape == shape


# Unpooling, global pooling and regions, by hand


def test_unpool() -> None:
    values, indices = in_1d([9, 4, 7, 5]), in_1d([1, 3, 1, -1], "int64")
    volume = reference.unpool(values, indices, (5,))  # 9 and 7 meet, 5 goes nowhere
    assert volume.ravel().tolist() == [0, 16, 0, 4, 0]
    assert volume.dtype == "float32"
    assert reference.gather(in_1d([10, 20, 30, 40, 50]), indices).ravel().tolist() == [
        20,
        40,
        20,
        0,
    ]


def test_unpool_2d() -> None:
    values, indices = (
        np.array([[[[1, 5]], [[2, 6]]], [[[3, 7]], [[4, 8]]]]),
        np.zeros((2, 2, 1, 2), int),
    )
    indices[1] = [[[5, 4]], [[3, 4]]]
    volume = reference.unpool(values, indices, (2, 3))
    assert volume[0].tolist() == [[[3, 11], [0, 0], [0, 0]], [[0, 0], [0, 0], [0, 0]]]
    assert volume[1].tolist() == [[[0, 0], [0, 0], [0, 0]], [[4, 0], [0, 15], [3, 0]]]
    first = map(reference.channels_first, (values, indices))
    np.testing.assert_array_equal(
        reference.unpool(*first, (2, 3), data_format="channels_first"),
        reference.channels_first(volume),
    )


def test_unpool_adds_in_float64_and_in_whole_numbers() -> None:
    indices = np.zeros((1, 3, 1), int)
    half = reference.unpool(in_1d([2048, 1, 1], "float16"), indices, (1,))
    assert (half.item(), half.dtype) == (2050, np.float16)  # one by one, both would be rounded away
    whole = reference.unpool(in_1d([2**60, 1, 1], "int64"), indices, (1,))
    assert whole.item() == 2**60 + 2


def test_global_pool() -> None:
    x = np.array([[[3, 8], [9, 8], [9, 1]], [[-5, NAN], [-7, 6], [-INF, NAN]]])
    values, indices, shares = reference.global_pool(x)
    np.testing.assert_array_equal(values, [[9, 8], [-5, NAN]])
    assert indices.tolist() == [[1, 0], [0, 0]]
    assert shares.tolist() == [
        [[0, 0.5], [0.5, 0.5], [0.5, 0]],
        [[1, 0.5], [0, 0], [0, 0.5]],
    ]
    gradient = reference.global_gradient(shares, np.array([[2, 4], [6, 8]]))
    assert gradient.tolist() == [[[0, 2], [1, 2], [1, 0]], [[6, 4], [0, 0], [0, 4]]]
    tangent = reference.global_tangent(shares, np.arange(12).reshape(x.shape))
    assert tangent.tolist() == [[3, 2], [6, 9]]


def test_global_pool_of_what_a_mask_shows() -> None:
    x = np.array([[[9], [4], [4]], [[9], [9], [9]]], np.int8)
    mask = np.array([[False, True, True], [False, False, False]])
    values, indices, shares = reference.global_pool(x, mask)
    assert values.dtype == np.int8
    assert values.tolist() == [[4], [0]]
    assert indices.tolist() == [[1], [-1]]
    assert shares.tolist() == [[[0], [0.5], [0.5]], [[0], [0], [0]]]


def test_regions() -> None:
    x = in_1d([3, 1, 2, 5, 4])
    check(regions.pool(x, [([0, 1, 3], [2, 4, 5])]), [3, 5, 5], [0, 3, 3])
    check(
        regions.pool(in_1d([1, NAN, 7, NAN, 7, 7]), [([0, 2, 4], [4, 3, 6])]),
        [NAN, 7, 7],
        [1, 2, 4],
    )
    # Rows 0 and 0 to 2; columns 1 to 2 and 3.
    check(
        regions.pool(RAMP, [([0, 0], [1, 3]), ([1, 3], [3, 4])]),
        [[2, 3], [10, 11]],
        [[2, 3], [10, 11]],
    )


def test_cuts() -> None:
    assert regions.adaptive(5, 3) == ([0, 1, 3], [2, 4, 5])
    assert regions.adaptive(2, 3) == ([0, 0, 1], [1, 2, 2])
    assert regions.adaptive(2, None) == ([0, 1], [1, 2])
    # alpha is 5/3: 5/6, 15/6, 25/6 and 35/6, rounded up.
    assert regions.graham(5, 3, Fraction(1, 2)) == [1, 3, 5, 6]
    # u is 2/5: 2/3, 7/3, 12/3 and 17/3, rounded up, less 1.
    assert regions.pseudo_random(5, 3, [7]) == [0, 2, 3, 5]
    # Two of three are long: in the order 1, 2, 0 those of indices 1 and 0, which are the first and the last.
    assert regions.shuffled(5, 3, [30, 10, 20]) == [0, 2, 3, 5]
    assert regions.from_bounds([0, 2, 3, 5], 5, False) == ([0, 2, 3], [2, 3, 5])
    assert regions.from_bounds([0, 2, 3, 5], 5, True) == ([0, 2, 3], [3, 4, 5])
    # alpha is 5/2: floor(5/4) less itself, floor(15/4) less that, and the end.
    assert regions.pytorch(7, 3, 2, 0.5) == ([0, 2, 5], [2, 4, 7])


# The golden files


@pytest.mark.parametrize("case", GOLDEN, ids=[case.name for case in GOLDEN])
def test_golden(case: torch_golden.Case) -> None:
    assert_as_pytorch(case)


@pytest.mark.parametrize("case", make_adaptive_golden.load(), ids=str)
def test_golden_regions(case: make_adaptive_golden.Case) -> None:
    assert_as_pytorch(case)


def test_golden_file_reaches_the_corners() -> None:
    def windows(case: torch_golden.Case) -> list[tuple]:
        """Each axis's size, pool, stride, padding, dilation, windows, and length with the gaps."""
        sizes = zip(case.spatial, case.pool_size, case.strides, case.padding, strict=True)
        rest = zip(case.dilation_rate, case.values.shape[2:], strict=True)
        return [
            (*size, step, count, (size[1] - 1) * step + 1)
            for size, (step, count) in zip(sizes, rest, strict=True)
        ]

    corners = {
        "stride shorter than the window": lambda n, k, s, p, d, out, span: 1 < s < span,
        "stride longer than the window": lambda n, k, s, p, d, out, span: s > span,
        "padding": lambda n, k, s, p, d, out, span: p > 0,
        "dilation": lambda n, k, s, p, d, out, span: d > 1 and k > 1,
        "data left over": lambda n, k, s, p, d, out, span: (out - 1) * s + span < n + p,
        "hangs over": lambda n, k, s, p, d, out, span: (out - 1) * s + span > n + 2 * p,
        "larger than the padded input": lambda n, k, s, p, d, out, span: span > n + 2 * p,
        "dropped by ceil_mode": lambda n, k, s, p, d, out, span: (
            out * s >= n + p and math.ceil((n + 2 * p - span) / s) + 1 > out
        ),
    }
    for name, corner in corners.items():
        for rank in (1, 2, 3):
            hits = [
                case
                for case in GOLDEN
                if case.rank == rank
                and (case.ceil_mode or name != "dropped by ceil_mode")
                and any(corner(*window) for window in windows(case))
            ]
            assert len(hits) >= 3, (name, rank)
    assert sum(case.finite for case in GOLDEN) == make_torch_golden.FINITE_CASES
    assert sum(not case.finite for case in GOLDEN) == make_torch_golden.NONFINITE_CASES
    assert sum(len(set(case.strides)) > 1 for case in GOLDEN) > 100
