"""The gather and the scatter by flat indices against the reference, and what is too long for a table in a graph."""

import math

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.assertions import assert_all_same, assert_same
from harness.cases import FLOATS, INTEGERS, distinct
from harness.runner import MODES, run, run_all, with_gradient
from harness.runner_tensorflow import nodes
from reference import regions as reference_regions

from keras_maxpool.backend.tensorflow import adaptive_pool, gather_scatter, shapes
from keras_maxpool.backend.tensorflow.context import Context, current_context
from keras_maxpool.backend.tensorflow.gather_scatter import gather, scatter
from keras_maxpool.ops import adaptive_max_pool, fractional_max_pool

SPATIAL = (2, 3)
by_mode = pytest.mark.parametrize("mode", MODES)


def gathered(volume, indices):
    return gather(volume, indices, current_context(volume))


def scattered(values, indices):
    return scatter(values, indices, SPATIAL, current_context(values))


def example():
    """Values, and indices of which some repeat and some lie outside."""
    rng = np.random.default_rng(0)
    return rng.integers(1, 5, (2, 4, 3)), rng.integers(-2, 8, (2, 4, 3))


@by_mode
def test_scatter_and_gather(mode):
    """Of every dtype."""
    values, indices = example()
    # The reference leaves out -1 alone.
    inside = np.where((indices >= 0) & (indices < math.prod(SPATIAL)), indices, -1)
    several = [values.astype(tf.as_dtype(name).as_numpy_dtype) for name in (*FLOATS, *INTEGERS)]
    volumes = [reference.unpool(v, inside, SPATIAL) for v in several]
    spread = run_all(mode, *((scattered, v, indices) for v in several))
    back = run_all(mode, *((gathered, v, indices) for v in volumes))
    for one, volume, other in zip(spread, volumes, back, strict=True):
        assert_same(one, volume)
        assert_same(other, reference.gather(volume, inside))


def test_indices_beyond_32_bits_are_outside():
    values, indices = example()
    far = indices + np.where(indices < 0, 0, 2**32)
    volume = scatter(tf.constant(values), tf.constant(far), SPATIAL, Context("eager"))
    assert not volume.numpy().any()


def test_indices_in_a_volume_that_32_bits_do_not_count():
    for dtype in (tf.int32, tf.int64):
        indices = tf.constant([[[5], [-1]]], dtype)
        # The volume itself would take gigabytes.
        ids = gather_scatter._ids(indices, (2**16, 2**15), Context("eager"), outside=-7)
        np.testing.assert_array_equal(ids, [[[5], [-7]]])


def test_32_bits_where_they_are_enough():
    # One more stands for what is outside.
    for size, dtype in [(9, "int32"), (2**31 - 2, "int32"), (2**31 - 1, "int64"), (None, "int64")]:
        specs = tf.TensorSpec((1, size, 1)), tf.TensorSpec((1, 1, 1), tf.int64)
        (gathers,) = [node for node in nodes(gathered, *specs) if node.op == "GatherV2"]
        assert tf.as_dtype(gathers.attr["Tindices"].type) == dtype, size


def test_an_empty_volume():
    y = gathered(tf.zeros([2, 0, 3, 3]), tf.zeros([2, 1, 1, 3], tf.int64))
    assert_same(y, np.zeros((2, 1, 1, 3), "float32"))


@pytest.mark.parametrize("mode", [*MODES, "unknown"])
@pytest.mark.parametrize(("huge", "segments"), [(5, False), (6, True), (9, True)])
def test_scatter_by_segments_or_without(huge, segments, mode, monkeypatch):
    """Values that meet are added, those outside are dropped, and the gradient gathers."""
    # Five elements, and one for what is outside. Where sizes are unknown both ways are traced: the other one is zeros.
    monkeypatch.setattr(gather_scatter, "HUGE", huge)
    other = (tf, "scatter_nd") if segments else (tf.math, "unsorted_segment_sum")
    monkeypatch.setattr(*other, lambda *_: tf.zeros([6]))
    values = np.array([[[1.0], [2.0], [3.0], [4.0]]], "float32")
    indices = tf.constant([[[4], [0], [4], [-1]]])
    upstream = np.arange(1, 6, dtype="float32").reshape(1, 5, 1)
    function = with_gradient(lambda v: scatter(v, indices, [5], current_context(v)))
    y, gradient = run(function, mode, values, upstream)
    assert y.ravel().tolist() == [2, 0, 0, 0, 4]
    assert gradient.ravel().tolist() == [5, 1, 5, 0]


@by_mode
def test_adaptive_regions_without_a_table(mode, monkeypatch):
    monkeypatch.setattr(shapes, "MAX_STATIC", 6)
    monkeypatch.delattr(adaptive_pool, "_static_regions")
    x = distinct((2, 7, 9, 3), "float32", np.random.default_rng(0)).astype("float32")
    cuts = [reference_regions.adaptive(7, 3), reference_regions.adaptive(9, 11)]
    pool = lambda x: adaptive_max_pool(x, (3, 11), "channels_last", return_indices=True)  # noqa: E731
    assert_all_same(run(pool, mode, x), *reference_regions.pool(x, cuts))


@by_mode
def test_fractional_bits_without_a_table(mode, monkeypatch):
    """Drawn when the graph runs, they are those that a graph holds as a constant."""
    x = distinct((2, 9, 7, 3), "float32", np.random.default_rng(1)).astype("float32")

    def pooled(x):
        kinds = (False, True)
        return [fractional_max_pool(x, 1.44, k, True, "channels_last", seed=3) for k in kinds]

    held = run(pooled, mode, x)
    monkeypatch.setattr(shapes, "MAX_STATIC", 0)
    assert_all_same(run(pooled, mode, x), *held)
