"""Indices of other libraries in unpooling: read by their convention, and refused where nobody has said it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.assertions import assert_same
from harness.cases import FORMATS, Config, case, distinct
from harness.runner import MODES, in_mode, run

from keras_maxpool.arguments import INDICES_CONVENTIONS as CONVENTIONS
from keras_maxpool.ops import convert_indices, max_pool, max_unpool

by_mode = pytest.mark.parametrize("mode", MODES)
traced_slowly = pytest.mark.parametrize(
    "mode", ["eager", *(pytest.param(mode, marks=pytest.mark.slow) for mode in MODES[1:])]
)
SPATIAL = {1: (9,), 2: (7, 8), 3: (4, 5, 6)}

RNG = np.random.default_rng(0)
IMAGES = RNG.permutation(2 * 4 * 6 * 3).reshape(2, 4, 6, 3).astype("float32")


def argmax(batch: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """TensorFlow's own pooling of the images."""
    found = tf.nn.max_pool_with_argmax(IMAGES, 2, 2, "VALID", include_batch_in_index=batch)
    return found.output.numpy(), found.argmax.numpy()


@traced_slowly
@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("rank", SPATIAL)
def test_every_convention(rank: int, data_format: str, convention: str, mode: str) -> None:
    """Sizes that windows do not fill, so that the volume's own sizes matter."""
    given = case(Config(SPATIAL[rank], 2), distinct, data_format=data_format)
    options = {"data_format": data_format, "indices_convention": convention}
    indices = convert_indices(given.indices, given.x.shape, to=convention, data_format=data_format)
    indices = np.where(given.indices == given.indices.max(), -1, indices)
    kept = np.where(given.indices == given.indices.max(), -1, given.indices)
    y = run(
        lambda v, i, x: max_unpool(v, i, like=x, **options), mode, given.values, indices, given.x
    )
    assert_same(y, reference.unpool(given.values, kept, SPATIAL[rank], data_format=data_format))


@traced_slowly
@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("dtype", ["int64", "int32", "float32", "float64"])
def test_argmax_of_tensorflow(dtype: str, batch: bool, mode: str) -> None:
    values, indices = argmax(batch)
    convention = "tensorflow_batch" if batch else "tensorflow"
    function = lambda v, i: max_unpool(v, i, indices_convention=convention)  # noqa: E731
    y = run(function, mode, values, indices.astype(dtype))
    assert_same(y, reference.unpool(*reference.pool(IMAGES), (4, 6)))


@by_mode
def test_gradient(mode: str) -> None:
    values, indices = argmax()

    def function(values: tf.Tensor, indices: tf.Tensor, weights: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(values)
            y = max_unpool(values, indices, indices_convention="tensorflow")
        return tape.gradient(y, values, output_gradients=weights)

    # What the weights hold where the maxima came from; of the images that is the maxima.
    assert_same(run(function, mode, values, indices, IMAGES), values)


UNKNOWN = tf.TensorSpec([None] * 4, tf.float32), tf.TensorSpec([None] * 4, tf.int64)


@pytest.mark.parametrize("specs", [None, UNKNOWN], ids=["known", "unknown"])
@pytest.mark.parametrize("window", [(2,), (2, 2, "same"), (5, 2, (1, 2))], ids=str)
def test_unsaid_in_a_graph(window: tuple, specs: Any) -> None:
    """Of (4, 6) places TensorFlow counts three times as many."""
    function = tf.function(lambda v, i: max_unpool(v, i, *window), input_signature=specs)
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        function(*argmax())
    assert 'indices_convention="tensorflow"' in error.value.message.replace("\\", "")
    with pytest.raises(ValueError, match='indices_convention="tensorflow"'):
        max_unpool(*argmax(), *window)


def unpool(values: Any, indices: Any) -> Any:
    return max_unpool(values, indices, 3, 1, "same")


def in_data(values: np.ndarray, indices: np.ndarray) -> np.ndarray:
    data = tf.data.Dataset.from_tensors((values, indices)).map(unpool)
    return next(iter(data)).numpy()


def vectorized(values: np.ndarray, indices: np.ndarray) -> np.ndarray:
    def of_one(pair: tuple) -> tf.Tensor:
        return unpool(pair[0][None], pair[1][None])[0]

    return tf.vectorized_map(of_one, (values, indices)).numpy()


def in_a_loop(values: np.ndarray, indices: np.ndarray) -> np.ndarray:
    @tf.function
    def loop(values: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
        y = tf.zeros_like(values)
        for _ in tf.range(2):
            y = unpool(values, indices)
        return y

    return loop(tf.constant(values), tf.constant(indices)).numpy()


def saved(values: np.ndarray, indices: np.ndarray) -> np.ndarray:
    module = tf.Module()
    specs = [tf.TensorSpec(values.shape, tf.float32), tf.TensorSpec(values.shape, tf.int64)]
    module.unpool = tf.function(unpool, input_signature=specs)
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder)
        return tf.saved_model.load(folder).unpool(values, indices).numpy()


@pytest.mark.parametrize("road", [in_data, vectorized, in_a_loop, saved])
def test_the_check_goes_everywhere(road: Callable) -> None:
    values, indices = reference.pool(IMAGES, 3, 1, "same")
    expected = unpool(values, indices).numpy()
    np.testing.assert_array_equal(road(values, indices), expected)
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be below"):
        road(values, indices + 1)


def test_nothing_of_it_in_what_xla_and_the_usual_indices_need() -> None:
    """The usual ones, of windows side by side, are told from others by the comparisons that unpool them."""
    values, indices = max_pool(IMAGES, 2, return_indices=True)
    for mode, function in [("graph", max_unpool), ("xla", unpool)]:
        graph = in_mode(function, mode).get_concrete_function(values, indices).graph
        assert "Assert" not in {operation.type for operation in graph.get_operations()}


@pytest.mark.parametrize("convention", ["numpy", None, 1])
def test_unknown_convention(convention: Any) -> None:
    values, indices = argmax()
    with pytest.raises(ValueError, match="`indices_convention` is unknown; received"):
        max_unpool(values, indices, indices_convention=convention)


def test_floats_that_do_not_hold_an_index() -> None:
    values, indices = argmax()
    with pytest.raises(TypeError, match="`indices` takes int64 or int32 or float32 or float64"):
        max_unpool(values, indices.astype("float16"), indices_convention="tensorflow")
