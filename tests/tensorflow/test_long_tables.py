"""What is too long for a table in a graph, or for the sum of segments, goes another way to the same values."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from harness.assertions import assert_same
from harness.cases import distinct
from harness.runner import MODES, in_mode, run, with_gradient
from reference import regions as reference_regions

from keras_maxpool.backend.tensorflow import adaptive_pool, shapes
from keras_maxpool.backend.tensorflow import gather_scatter as places
from keras_maxpool.backend.tensorflow.context import current_context
from keras_maxpool.ops import adaptive_max_pool, fractional_max_pool

by_mode = pytest.mark.parametrize("mode", MODES)


@by_mode
def test_adaptive_regions_without_a_table(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "MAX_STATIC", 6)
    monkeypatch.delattr(adaptive_pool, "_static_regions")
    x = distinct((2, 7, 9, 3), "float32", np.random.default_rng(0)).astype("float32")
    expected = reference_regions.pool(
        x, [reference_regions.adaptive(7, 3), reference_regions.adaptive(9, 11)]
    )
    values, indices = run(
        lambda x: adaptive_max_pool(x, (3, 11), "channels_last", return_indices=True), mode, x
    )
    assert_same(values, expected.values)
    np.testing.assert_array_equal(indices, expected.indices)


@by_mode
@pytest.mark.parametrize("pseudo_random", [False, True])
def test_fractional_bits_without_a_table(
    mode: str, pseudo_random: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawn when the graph runs, they are those that a graph holds as a constant."""
    x = distinct((2, 9, 7, 3), "float32", np.random.default_rng(1)).astype("float32")

    def pooled(x: tf.Tensor) -> tf.Tensor:
        return fractional_max_pool(x, 1.44, pseudo_random, True, "channels_last", seed=3)

    held = run(pooled, mode, x)
    monkeypatch.setattr(shapes, "MAX_STATIC", 0)
    assert_same(run(pooled, mode, x), held)


@pytest.mark.parametrize("mode", [*MODES, "graph, unknown sizes"])
@pytest.mark.parametrize(("huge", "segments"), [(5, False), (6, True), (9, True)])
def test_scatter_by_segments_or_without(
    huge: int, segments: bool, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values that meet are added, those outside are dropped, and the gradient gathers."""
    # Five places, and one for what is outside. Where sizes are unknown both ways are traced: the other one gives zeros.
    monkeypatch.setattr(places, "HUGE", huge)
    other = (tf, "scatter_nd") if segments else (tf.math, "unsorted_segment_sum")
    monkeypatch.setattr(*other, lambda *_: tf.zeros([6]))
    values = np.array([[[1.0], [2.0], [3.0], [4.0]]], "float32")
    found = np.array([[[4], [0], [4], [-1]]])
    upstream = np.arange(1, 6, dtype="float32").reshape(1, 5, 1)
    function = with_gradient(
        lambda v: places.scatter(v, tf.constant(found), [5], current_context(v))
    )
    if "unknown" in mode:
        unknown = tf.TensorSpec([None, None, None])
        function = tf.function(function, input_signature=[unknown, unknown])
    else:
        function = in_mode(function, mode)
    y, gradient = function(tf.constant(values), tf.constant(upstream))
    assert y.numpy().ravel().tolist() == [2, 0, 0, 0, 4]
    assert gradient.numpy().ravel().tolist() == [5, 1, 5, 0]
