"""`ops.adaptive_max_pool` and `ops.fractional_max_pool` against the reference over their regions, in every mode."""

import math
from functools import partial
from itertools import product

import numpy as np
import pytest
from conformance.first_maxima import TRACED, check, with_ends
from harness.assertions import assert_all_same, assert_same
from harness.cases import FLOATS, FORMATS, INTEGERS, distinct, ties, wild
from harness.keras_version import keras
from harness.runner import BACKEND, MODES, UNKNOWN, random_bits, run, with_gradient
from reference import regions

from keras_maxpool.compat import keras as keras_used
from keras_maxpool.ops import adaptive_max_pool, fractional_max_pool

# Sizes that divide, that leave a rest, that grow, that stay; the whole axis at once.
ADAPTIVE = [
    *(((9,), 3), ((10,), 4), ((4,), 7), ((7,), 1), ((8, 6), 2), ((7, 5), (3, 4))),
    *(((3, 8), (5, None)), ((6, 5), (1, 5)), ((3, 4), (None, None))),
    *(((4, 6, 5), 2), ((5, 3, 4), (2, 4, None)), ((3, 4, 5), 1)),
]
# Ratios below and above 2, integers, and one per axis.
FRACTIONAL = [
    *(((10,), 1.44), ((9, 7), 1.5), ((8, 6), 2), ((11, 6), (3.3, 1))),
    ((7, 6, 5), (1.2, 2.5, 1.7)),
]
KINDS = [(False, False), (True, True), (False, True), (True, False)]
"""Whether pseudo-random, and whether overlapping."""

SIX = np.random.default_rng(0).integers(-9, 9, (2, 12, 9, 3)).astype("float32")
by_mode = pytest.mark.parametrize("mode", MODES)


def fractional_cuts(spatial, outputs, seed, pseudo_random, overlapping):
    """The regions of a seed, from the backend's random numbers by Graham's rules: nothing of the package's."""
    counts = [1] * len(spatial) if pseudo_random else outputs
    of_axes = np.split(random_bits(seed, sum(counts)), np.cumsum(counts)[:-1])
    sequence = regions.pseudo_random if pseudo_random else regions.shuffled
    return [
        regions.from_bounds(sequence(n, m, bits.tolist()), n, overlapping)
        for n, m, bits in zip(spatial, outputs, of_axes, strict=True)
    ]


def by_case(table):
    return pytest.mark.parametrize("case", range(len(table)), ids=[str(row) for row in table])


def assert_right(case, kind=None, fill=ties, dtype="float32", mode="eager", **options):
    """A row of the adaptive table, or of the fractional one if there is a kind, in its data format."""
    spatial, size = (FRACTIONAL if kind else ADAPTIVE)[case]
    sizes = size if isinstance(size, tuple) else (size,) * len(spatial)
    axes = list(zip(spatial, sizes, strict=True))
    if kind:
        outputs = [math.floor(n / ratio) for n, ratio in axes]
        cuts = fractional_cuts(spatial, outputs, 5, *kind)
        op = lambda x, **how: fractional_max_pool(x, size, *kind, seed=5, **how)  # noqa: E731
    else:
        cuts = [regions.adaptive(*axis) for axis in axes]
        op = partial(adaptive_max_pool, output_size=size)
    x = fill((2, *spatial, 3), dtype, np.random.default_rng(sum(spatial))).astype(dtype)
    x = with_ends(x) if dtype in INTEGERS else x
    data_format = FORMATS[case % 2]
    pool = partial(op, data_format=data_format, return_indices=True)
    check(pool, x, regions.pool(x, cuts), mode, data_format, **options)


@by_case(ADAPTIVE)
def test_adaptive(case):
    for fill, dtype in product((distinct, ties, wild), FLOATS if case == 4 else FLOATS[2:3]):
        assert_right(case, None, fill, dtype, all_derivatives=True)
    for dtype in INTEGERS:
        assert_right(case, dtype=dtype)


@by_case(FRACTIONAL)
def test_fractional(case):
    for kind in KINDS:
        assert_right(case, kind)
    assert_right(case, KINDS[1], all_derivatives=True)
    for dtype in [*FLOATS, *INTEGERS]:
        assert_right(case, KINDS[0], dtype=dtype)


@pytest.mark.parametrize("mode", TRACED)
@pytest.mark.parametrize(("case", "dtype"), enumerate([*FLOATS, *INTEGERS]))
def test_adaptive_modes(case, dtype, mode):
    """With each row of the table once in each mode, and all derivatives of one float."""
    shift = TRACED.index(mode)
    fill = [ties, wild][(case + shift) % 2] if dtype in FLOATS else ties
    assert_right(case, None, fill, dtype, mode, all_derivatives=case == shift + 1)


# JAX refuses unknown sizes there.
TRACED_HERE = [mode for mode in TRACED if BACKEND == "tensorflow" or mode != UNKNOWN]


@pytest.mark.parametrize("mode", TRACED_HERE)
@by_case(FRACTIONAL)
def test_fractional_modes(case, mode):
    """A graph for all sizes draws the regions that one draws which knows them."""
    assert_right(case, KINDS[(case + TRACED_HERE.index(mode)) % 4], mode=mode)


@by_mode
def test_values_alone(mode):
    """Without indices, which nothing needs eagerly and without a tape."""
    x = wild((2, 7, 5, 3), "float32", np.random.default_rng(2)).astype("float32")
    pooled = regions.pool(x, [regions.adaptive(7, 3), regions.adaptive(5, 4)])
    assert_same(run(lambda x: adaptive_max_pool(x, (3, 4)), mode, x), pooled.values)


@by_mode
def test_empty(mode):
    fractional = partial(fractional_max_pool, pooling_ratio=1.5, seed=0)
    for op, shape, pooled in [
        (partial(adaptive_max_pool, output_size=3), (0, 5, 4, 3), (0, 3, 3, 3)),
        (partial(adaptive_max_pool, output_size=3), (2, 5, 4, 0), (2, 3, 3, 0)),
        (partial(adaptive_max_pool, output_size=(None, 3)), (2, 0, 4, 3), (2, 0, 3, 3)),
        *((fractional, (0, 5, 4, 3), (0, 3, 2, 3)), (fractional, (2, 5, 4, 0), (2, 3, 2, 0))),
    ]:
        x, upstream = np.zeros(shape, "float32"), np.zeros(pooled, "float32")
        results = run(with_gradient(partial(op, return_indices=True)), mode, x, upstream)
        assert_all_same(results, upstream, np.zeros(pooled, "int64"), x)


@pytest.mark.parametrize("mode", ["eager", UNKNOWN])
@pytest.mark.parametrize(("size", "outputs"), [(200_003, 100_001), (92_681, 46_341)])
def test_far_bounds_are_exact(size, outputs, mode):
    """Products past what 32 bits hold, by far and just so, and past float32's integers."""
    x = np.arange(size, dtype="float32").reshape(1, size, 1)
    last = (np.arange(1, outputs + 1) * size + outputs - 1) // outputs - 1
    values = run(lambda x: adaptive_max_pool(x, outputs), mode or "eager", x)
    np.testing.assert_array_equal(values[0, :, 0], last)


def test_an_integer_as_a_seed_is_the_same_for_ever():
    """And on every backend."""
    bits = [-60841913, 232131072, -1643682478, -2066582124, 713621471, 1599440409]
    assert random_bits(7, 6).tolist() == bits
    first, again, other = (
        fractional_max_pool(SIX, 1.44, seed=seed) for seed in (6, np.int64(6), 7)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_generator_goes_on():
    one, other = (keras_used.random.SeedGenerator(6) for _ in range(2))
    calls = [np.asarray(fractional_max_pool(SIX, 1.44, seed=one)) for _ in range(3)]
    assert len({call.tobytes() for call in calls}) > 1
    for call in calls:
        np.testing.assert_array_equal(fractional_max_pool(SIX, 1.44, seed=other), call)
    before = np.asarray(one.state).tolist()
    fractional_max_pool(SIX[:0], 1.44, seed=one)  # a batch without samples, like any other
    assert np.asarray(one.state).tolist() != before


def test_no_seed_is_keras_own_generator():
    rounds = []
    for _ in range(2):
        keras.backend.clear_session()  # Keras 3.7 keeps its generator otherwise
        keras.utils.set_random_seed(1)
        rounds.append([np.asarray(fractional_max_pool(SIX, 1.44)) for _ in range(3)])
    assert len({call.tobytes() for call in rounds[0]}) > 1
    np.testing.assert_array_equal(*rounds)
