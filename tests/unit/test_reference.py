"""The reference against numbers worked out by hand: what its peers do not have, and what everything else rests on."""

from fractions import Fraction

import numpy as np
import reference
from harness.assertions import assert_same
from reference import regions

NAN, INF = np.nan, np.inf


def in_1d(numbers, dtype="float32"):
    """One sample and one channel."""
    return np.array(numbers, dtype).reshape(1, -1, 1)


def check(pooled, values, indices):
    """Compares the only sample and channel with literals."""
    np.testing.assert_array_equal(pooled.values[0, ..., 0], values)
    np.testing.assert_array_equal(pooled.indices[0, ..., 0], indices)


def test_geometry():
    for axis, expected in [
        # size, pool, stride, padding, dilation, ceil_mode -> windows, before, after
        *(((8, 4, 1, "same", 1, False), (8, 1, 2)), ((8, 4, 1, "same_lower", 1, False), (8, 2, 1))),
        *(((8, 3, 2, "causal", 2, False), (4, 4, 0)), ((0, 2, 2, "same", 1, False), (0, 0, 0))),
        *(((5, 3, 2, (0, 1), 1, False), (2, 0, 1)), ((5, 3, 2, (0, 1), 1, True), (3, 0, 1))),
        ((12, 1, 4, "same_lower", 1, False), (3, 0, 0)),  # the stride skips data: no negative pads
        ((5, 1, 3, "valid", 1, True), (2, 0, 0)),  # a third would start at 6, behind the data
        ((4, 2, 3, (1, 1), 1, True), (2, 1, 1)),  # a third would start in the padding at the end
    ]:
        assert reference.geometry(*axis) == expected, axis


def test_windows():
    steps = in_1d([3, 1, 4, 1, 5, 9, 2, 6])
    for x, arguments, values, indices in [
        (steps, (3, 2, "same"), [4, 5, 9, 6], [2, 4, 5, 7]),
        (steps, (3, 2, "same_lower"), [3, 4, 9, 9], [0, 2, 5, 5]),
        (steps, (3, 1, "causal"), [3, 3, 4, 4, 5, 9, 9, 9], [0, 0, 2, 2, 4, 5, 5, 5]),
        (steps, (2, 2, ((1, 0),)), [3, 4, 5, 9], [0, 2, 4, 5]),
        # The first of equals, signed zeros among them.
        (in_1d([7, 7, 1, -0.0, 0.0, -0.0]), (3,), [7, 0], [0, 3]),
        # The first NaN; -inf is a value like any other, against which padding never wins.
        (in_1d([1, NAN, 9, -INF, NAN, NAN]), (3,), [NAN, NAN], [1, 4]),
        (in_1d([-INF, -INF, -INF, 1, INF, INF]), (2,), [-INF, 1, INF], [0, 3, 4]),
        (in_1d([-INF, -INF]), (3, 1, 1), [-INF, -INF], [0, 0]),
    ]:
        check(reference.pool(x, *arguments), values, indices)


RAMP = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)


def test_padding_and_ties_in_2d():
    below = -1 - RAMP  # -1 at the start, -16 at the end
    check(reference.pool(below, 3, 2, "same"), [[-1, -3], [-9, -11]], [[0, 2], [8, 10]])
    check(reference.pool(below, 3, 2, "same_lower"), [[-1, -2], [-5, -6]], [[0, 1], [4, 5]])
    check(reference.pool(0 * RAMP, 3, 2, 1), [[0, 0], [0, 0]], [[0, 1], [4, 5]])
    # Row-major: the top right corner comes before the bottom left one.
    check(reference.pool(np.array([0, 5, 5, 0]).reshape(1, 2, 2, 1), 2), [[5]], [[1]])


def test_window_of_padding_alone():
    # The window's two elements are 2 apart: one falls before the only real one, one behind.
    for dtype, expected in [("float64", -INF), ("int8", -128), ("uint8", 0), ("int64", -(2**63))]:
        pooled = reference.pool(in_1d([5], dtype), 2, 1, 1, 2)
        check(pooled, [expected], [-1])
        gradient = reference.gradient((1, 1, 1), pooled.indices, np.ones((1, 1, 1)))
        assert gradient.tolist() == [[[0]]]
        assert reference.gather(in_1d([5], dtype), pooled.indices).tolist() == [[[0]]]
    assert reference.sees_only_padding(1, 2, 1, (1, 1), 2, False)
    assert not reference.sees_only_padding(2, 2, 1, (1, 1), 2, False)


def test_dtypes():
    for name in ("uint8", "int64", "uint64"):
        limits = np.iinfo(name)
        # In float64 the two largest of 64 bits would be equal.
        x = in_1d([limits.min, limits.max - 1, limits.max, limits.min, limits.min], name)
        values, indices = reference.pool(x, 2, 2, ((0, 1),))
        assert_same(values, in_1d([limits.max - 1, limits.max, limits.min], name))
        assert indices.ravel().tolist() == [1, 2, 4]
    values, _ = reference.pool(
        in_1d([-1.5, -2, -INF, -INF, 1, NAN, -3], "bfloat16"), 2, 2, ((0, 1),)
    )
    assert_same(values, in_1d([-1.5, -INF, NAN, -3], "bfloat16"))


def test_unpool():
    values, indices = in_1d([9, 4, 7, 5]), in_1d([1, 3, 1, -1], "int64")
    volume = reference.unpool(values, indices, (5,))  # 9 and 7 meet, 5 goes nowhere
    assert volume.ravel().tolist() == [0, 16, 0, 4, 0]
    assert volume.dtype == "float32"
    gathered = reference.gather(in_1d([10, 20, 30, 40, 50]), indices)
    assert gathered.ravel().tolist() == [20, 40, 20, 0]
    # Sums are in float64, where 1 by 1 both would be rounded away, or in integers.
    indices = np.zeros((1, 3, 1), int)
    half = reference.unpool(in_1d([2048, 1, 1], "float16"), indices, (1,))
    assert (half.item(), half.dtype) == (2050, np.float16)
    assert reference.unpool(in_1d([2**60, 1, 1], "int64"), indices, (1,)).item() == 2**60 + 2


def test_global_pool():
    x = np.array([[[3, 8], [9, 8], [9, 1]], [[-5, NAN], [-7, 6], [-INF, NAN]]])
    values, indices, shares = reference.global_pool(x)
    np.testing.assert_array_equal(values, [[9, 8], [-5, NAN]])
    assert indices.tolist() == [[1, 0], [0, 0]]
    assert shares.tolist() == [[[0, 0.5], [0.5, 0.5], [0.5, 0]], [[1, 0.5], [0, 0], [0, 0.5]]]
    gradient = reference.global_gradient(shares, np.array([[2, 4], [6, 8]]))
    assert gradient.tolist() == [[[0, 2], [1, 2], [1, 0]], [[6, 4], [0, 0], [0, 4]]]
    tangent = reference.global_tangent(shares, np.arange(12).reshape(x.shape))
    assert tangent.tolist() == [[3, 2], [6, 9]]
    # Of what a mask shows: without anything, 0 at -1.
    mask = np.array([[False, True, True], [False, False, False]])
    values, indices, shares = reference.global_pool(x.astype("float32"), mask)
    assert values.dtype == np.float32
    assert values.tolist() == [[9, 8], [0, 0]]
    assert indices.tolist() == [[1, 1], [-1, -1]]
    assert shares.tolist() == [[[0, 0], [0.5, 1], [0.5, 0]], [[0, 0]] * 3]


def test_regions():
    check(regions.pool(in_1d([3, 1, 2, 5, 4]), [([0, 1, 3], [2, 4, 5])]), [3, 5, 5], [0, 3, 3])
    nans = in_1d([1, NAN, 7, NAN, 7, 7])
    check(regions.pool(nans, [([0, 2, 4], [4, 3, 6])]), [NAN, 7, 7], [1, 2, 4])
    # Rows 0 and 0 to 2; columns 1 to 2 and 3.
    expected = [[2, 3], [10, 11]]
    check(regions.pool(RAMP, [([0, 0], [1, 3]), ([1, 3], [3, 4])]), expected, expected)


def test_cuts():
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
