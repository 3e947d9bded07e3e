"""Unpooling as people call it: a list, a tuple, Addons' names, PyTorch's output_size, TensorFlow's indices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.assertions import assert_same
from harness.cases import FORMATS, Config, case, distinct
from harness.keras_version import LEGACY, keras, keras_3_alone

import keras_maxpool

SPATIAL = {1: (9,), 2: (7, 8), 3: (4, 5, 6)}
ranks = pytest.mark.parametrize("rank", SPATIAL)
formats = pytest.mark.parametrize("data_format", FORMATS)


def layer(rank: int, family: str = "MaxUnpooling", *args: Any, **options: Any) -> Any:
    return getattr(keras_maxpool, f"{family}{rank}D")(*args, **options)


@ranks
@formats
@pytest.mark.parametrize("form", [list, tuple])
def test_list(rank: int, data_format: str, form: type) -> None:
    given = case(Config(SPATIAL[rank], 2), distinct, data_format=data_format)
    unpool = layer(rank, data_format=data_format)
    expected = reference.unpool(given.values, given.indices, SPATIAL[rank], data_format=data_format)
    assert_same(unpool(form((given.values, given.indices)), like=given.x).numpy(), expected)
    assert_same(unpool(form((given.values, given.indices, given.x))).numpy(), expected)
    two, three = given.values.shape, given.x.shape
    assert unpool.compute_output_shape(form((two, two, three))) == three
    assert unpool.compute_output_shape(form((two, two))) == unpool.compute_output_shape(two, two)


@pytest.mark.parametrize(
    "rank", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("form", [".keras", ".h5"])
def test_list_in_a_saved_model(rank: int, form: str, tmp_path: Path) -> None:
    """Of unknown sizes, with and without `like`; both layers are shared by two calls."""
    inputs = keras.Input((*[None] * rank, 2))
    pool, unpool = layer(rank, "MaxPool", 2, return_indices=True), layer(rank)
    pooled = pool(inputs)
    restored = [unpool([*pooled, inputs]), unpool(list(pooled))]
    assert [y.shape for y in restored] == [(None, *[None] * rank, 2)] * 2
    model = keras.Model(inputs, restored)
    model.save(tmp_path / f"model{form}")
    loaded = keras.saving.load_model(tmp_path / f"model{form}")
    x = case(Config((8, 6, 4)[:rank], 2), distinct).x[..., :2]
    expected = reference.unpool(*reference.pool(x), x.shape[1:-1])
    for either in (model, loaded):
        for y in either(x):
            np.testing.assert_array_equal(y, expected)


def test_list_that_trains() -> None:
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(4, 6, 6, 3)).astype("float32")
    inputs = keras.Input((6, 6, 3))
    values, indices = keras_maxpool.MaxPool2D(return_indices=True)(inputs)
    code = keras.layers.Conv2D(3, 1, use_bias=False)(values)
    model = keras.Model(inputs, keras_maxpool.MaxUnpool2D()([code, indices]))
    model.compile("sgd", "mse")
    loss = model.fit(x, x, epochs=3, verbose=0).history["loss"]
    assert loss[2] < loss[0]


@pytest.mark.skipif(not LEGACY, reason="Keras 3's takes one tensor: run with TF_USE_LEGACY_KERAS=1")
def test_list_in_time_distributed() -> None:
    given = case(Config((4, 6), 2), distinct)
    frames = [np.stack([a, a], 1) for a in (given.values, given.indices)]
    y = keras.layers.TimeDistributed(keras_maxpool.MaxUnpool2D())(frames)
    expected = reference.unpool(given.values, given.indices, (4, 6))
    np.testing.assert_array_equal(y, np.stack([expected, expected], 1))


@ranks
@pytest.mark.parametrize("symbolic", [False, True])
def test_mask_is_what_addons_calls_the_indices(rank: int, symbolic: bool) -> None:
    given = case(Config(SPATIAL[rank], 2), distinct)
    if symbolic:
        pair = [keras.Input(given.values.shape[1:], dtype=d) for d in ("float32", "int64")]
        model = keras.Model(pair, layer(rank, output_size=SPATIAL[rank])(pair[0], mask=pair[1]))
        y = model([given.values, given.indices])
    else:
        y = layer(rank, output_size=SPATIAL[rank])(given.values, mask=given.indices)
    assert_same(np.asarray(y), reference.unpool(given.values, given.indices, SPATIAL[rank]))


@ranks
@pytest.mark.parametrize("symbolic", [False, True])
def test_output_size_in_a_call(rank: int, symbolic: bool) -> None:
    """As PyTorch takes it, the whole shape or the spatial sizes: an error that says what does it here."""
    given = case(Config(SPATIAL[rank], 2), distinct)
    pair = given.values, given.indices
    if symbolic:
        pair = tuple(keras.Input(a.shape[1:], dtype=a.dtype.name) for a in pair)
    for size in (given.x.shape, SPATIAL[rank]):
        with pytest.raises(TypeError, match=r"`output_size` is no argument of the call.*like=x"):
            layer(rank)(*pair, output_size=size)
        with pytest.raises(TypeError, match=r"`like` takes a tensor.*output_size="):
            layer(rank)(*pair, size)


@pytest.mark.parametrize("symbolic", [False, True])
def test_no_indices(symbolic: bool) -> None:
    values = keras.Input((2, 2, 1)) if symbolic else tf.zeros((1, 2, 2, 1))
    for call in (lambda: layer(2)(values), lambda: layer(2)([values])):
        with pytest.raises(TypeError, match="`indices` takes a tensor; received indices=None"):
            call()


@ranks
@formats
@pytest.mark.parametrize("convention", ["tensorflow", "tensorflow_batch", "onnx"])
def test_convention(rank: int, data_format: str, convention: str) -> None:
    """Pooling writes what unpooling reads, and what `convert_indices` makes of PyTorch's."""
    x = case(Config(SPATIAL[rank], 2), distinct, data_format=data_format).x
    options = {"data_format": data_format, "indices_convention": convention}
    values, indices = layer(rank, "MaxPooling", 2, return_indices=True, **options)(x)
    expected, places = reference.pool(x, data_format=data_format)
    assert_same(values.numpy(), expected)
    converted = keras_maxpool.ops.convert_indices(
        places, x.shape, to=convention, data_format=data_format
    )
    assert_same(indices.numpy(), converted.numpy())
    unpool = layer(rank, **options)
    assert unpool.get_config()["indices_convention"] == convention
    y = type(unpool).from_config(unpool.get_config())([values, indices], like=x)
    assert_same(
        y.numpy(), reference.unpool(expected, places, SPATIAL[rank], data_format=data_format)
    )


def test_argmax_of_tensorflow() -> None:
    x = case(Config((7, 8), 3, 2, "same"), distinct).x
    found = tf.nn.max_pool_with_argmax(x, 3, 2, "SAME")
    pool = keras_maxpool.MaxPool2D(
        3, 2, "same", return_indices=True, indices_convention="tensorflow"
    )
    for ours, theirs in zip(pool(x), found, strict=True):
        assert_same(ours.numpy(), theirs.numpy())
    unpool = keras_maxpool.MaxUnpool2D(3, 2, "same", indices_convention="tensorflow")
    expected = reference.unpool(*reference.pool(x, 3, 2, "same"), (7, 8))
    for indices in (found.argmax, tf.cast(found.argmax, tf.float32)):
        assert_same(unpool([found.output, indices], like=x).numpy(), expected)


@pytest.mark.parametrize("name", ["MaxPooling", "MaxUnpooling"])
def test_unknown_convention(name: str) -> None:
    with pytest.raises(ValueError, match="`indices_convention` is unknown; received"):
        layer(2, name, indices_convention="caffe")


@keras_3_alone
@ranks
def test_tensors_by_name(rank: int) -> None:
    """As an .h5 of Keras 2 names those after the first; Keras 3 passes the names on."""
    inputs = keras.Input((*SPATIAL[rank], 3), name="image")
    values, _ = layer(rank, "MaxPool", 2, return_indices=True, name="pool")(inputs)
    code = keras.layers.Activation("linear")(values)
    y = layer(rank)(code, indices=["pool", 0, 1], like=["image", 0, 0])
    given = case(Config(SPATIAL[rank], 2), distinct)
    expected = reference.unpool(given.values, given.indices, SPATIAL[rank])
    np.testing.assert_array_equal(keras.Model(inputs, y)(given.x), expected)
    with pytest.raises(ValueError, match=r"received \['other', 0, 1\].*TF_USE_LEGACY_KERAS=1"):
        layer(rank)(code, indices=["other", 0, 1])


@keras_3_alone
def test_16_bits_do_not_hold_an_index() -> None:
    """Keras 3 casts floats to the layer's dtype before the layer sees them."""
    pair = [tf.zeros((1, 2, 2, 1)), tf.zeros((1, 2, 2, 1))]
    unpool = keras_maxpool.MaxUnpool2D(indices_convention="tensorflow", dtype="mixed_float16")
    with pytest.raises(TypeError, match=r"`indices` takes .* or float64; received float16"):
        unpool(pair)
