"""`ops.fractional_max_pool` against the reference over the regions that Graham's rules make, in every mode."""

import math
from functools import partial

import numpy as np
import pytest
from conformance.first_maxima import TRACED, check, with_ends
from conformance.regions_running import fractional_cuts
from harness.assertions import assert_all_same
from harness.cases import FLOATS, FORMATS, INTEGERS, ties
from harness.keras_version import keras
from harness.runner import MODES, random_bits, run, with_gradient
from reference import regions

from keras_maxpool.compat import keras as keras_used
from keras_maxpool.ops import fractional_max_pool

# Ratios below and above 2, integers, and one per axis.
TABLE = [
    ((10,), 1.44),
    ((9, 7), 1.5),
    ((8, 6), 2),
    ((11, 6), (3.3, 1)),
    ((7, 6, 5), (1.2, 2.5, 1.7)),
]
KINDS = [(False, False), (True, True), (False, True), (True, False)]
"""Whether pseudo-random, and whether overlapping."""

SIX = np.random.default_rng(0).integers(-9, 9, (2, 12, 9, 3)).astype("float32")


def assert_right(case, kind, dtype="float32", mode="eager", **options):
    """A row of the table, in its data format."""
    spatial, ratio = TABLE[case]
    ratios = ratio if isinstance(ratio, tuple) else (ratio,) * len(spatial)
    outputs = [math.floor(size / r) for size, r in zip(spatial, ratios, strict=True)]
    data_format = FORMATS[case % 2]
    drawn = {"data_format": data_format, "seed": 5, "return_indices": True}
    pool = lambda x: fractional_max_pool(x, ratio, *kind, **drawn)  # noqa: E731
    x = ties((2, *spatial, 3), dtype, np.random.default_rng(sum(spatial))).astype(dtype)
    x = with_ends(x) if dtype in INTEGERS else x
    pooled = regions.pool(x, fractional_cuts(spatial, outputs, 5, *kind))
    check(pool, x, pooled, mode, data_format, **options)


@pytest.mark.parametrize("case", range(len(TABLE)), ids=[str(case) for case in TABLE])
def test_eager(case):
    for kind in KINDS:
        assert_right(case, kind)
    assert_right(case, KINDS[1], all_derivatives=True)
    for dtype in [*FLOATS, *INTEGERS]:
        assert_right(case, KINDS[0], dtype)


@pytest.mark.parametrize("mode", TRACED)
@pytest.mark.parametrize("case", range(len(TABLE)), ids=[str(case) for case in TABLE])
def test_modes(case, mode):
    """A graph for all sizes draws the regions that one draws which knows them."""
    assert_right(case, KINDS[(case + TRACED.index(mode)) % 4], mode=mode)


@pytest.mark.parametrize("mode", MODES)
def test_empty(mode):
    pool = partial(fractional_max_pool, pooling_ratio=1.5, seed=0, return_indices=True)
    for n, channels in [(0, 3), (2, 0)]:
        shape = n, 3, 2, channels
        x, upstream = np.zeros((n, 5, 4, channels), "float32"), np.zeros(shape, "float32")
        results = run(with_gradient(pool), mode, x, upstream)
        assert_all_same(results, upstream, np.zeros(shape, "int64"), x)


def test_an_integer_as_a_seed_is_the_same_for_ever():
    """And on every backend."""
    bits = [-60841913, 232131072, -1643682478, -2066582124, 713621471, 1599440409]
    assert random_bits(7, 6).tolist() == bits
    first, again, other = (fractional_max_pool(SIX, 1.44, seed=seed) for seed in (6, 6, 7))
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
