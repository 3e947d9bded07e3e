"""The gather and the scatter by flat indices against the reference."""

from __future__ import annotations

import math

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.assertions import assert_same
from harness.cases import FLOATS, INTEGERS
from harness.runner import MODES, run
from harness.runner_tensorflow import nodes

from keras_maxpool.backend.tensorflow import gather_scatter
from keras_maxpool.backend.tensorflow.context import Context, current_context
from keras_maxpool.backend.tensorflow.gather_scatter import gather, scatter

SPATIAL = (2, 3)


def gathered(volume: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
    return gather(volume, indices, current_context(volume))


def example(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Values, and places of which some repeat and some lie outside."""
    rng = np.random.default_rng(0)
    values = rng.integers(1, 5, (2, 4, 3))
    return values.astype(tf.as_dtype(dtype).as_numpy_dtype), rng.integers(-2, 8, (2, 4, 3))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_scatter_and_gather(dtype: str, mode: str) -> None:
    values, places = example(dtype)
    # The reference leaves out -1 alone.
    inside = np.where((places >= 0) & (places < math.prod(SPATIAL)), places, -1)
    volume = reference.unpool(values, inside, SPATIAL)
    assert_same(
        run(lambda v, p: scatter(v, p, SPATIAL, current_context(v)), mode, values, places), volume
    )
    assert_same(run(gathered, mode, volume, places), reference.gather(volume, inside))


def test_places_beyond_32_bits_are_outside() -> None:
    values, places = example("float32")
    far = places.astype("int64") + np.where(places < 0, 0, 2**32)
    assert (
        not scatter(tf.constant(values), tf.constant(far), SPATIAL, Context("eager")).numpy().any()
    )


@pytest.mark.parametrize(
    ("size", "dtype"),
    [
        (9, tf.int32),
        (2**31 - 2, tf.int32),
        (2**31 - 1, tf.int64),  # one more stands for what is outside
        (None, tf.int64),
    ],
)
def test_32_bits_where_they_are_enough(size: int | None, dtype: tf.DType) -> None:
    specs = tf.TensorSpec((1, size, 1)), tf.TensorSpec((1, 1, 1), tf.int64)
    (gathers,) = [node for node in nodes(gathered, *specs) if node.op == "GatherV2"]
    assert gathers.attr["Tindices"].type == dtype.as_datatype_enum


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_places_in_a_volume_that_32_bits_do_not_count(dtype: str) -> None:
    places = tf.constant([[[5], [-1]]], dtype)
    # The volume itself would take gigabytes.
    ids = gather_scatter._ids(places, (2**16, 2**15), Context("eager"), outside=-7)
    np.testing.assert_array_equal(ids, [[[5], [-7]]])


def test_an_empty_volume() -> None:
    places = tf.zeros([2, 1, 1, 3], tf.int64)
    np.testing.assert_array_equal(gathered(tf.zeros([2, 0, 3, 3]), places), np.zeros((2, 1, 1, 3)))
