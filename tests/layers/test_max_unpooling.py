"""Unpooling layers as people call them: a list, Addons' names, PyTorch's sizes, TensorFlow's indices."""

from pathlib import Path

import numpy as np
import pytest
import reference
from harness.assertions import assert_same
from harness.cases import FORMATS, Config, case, distinct
from harness.keras_version import keras, keras_3_alone
from harness.layers import layer
from harness.runner import as_array

from keras_maxpool import MaxPool2D, MaxUnpool2D, ops

SPATIAL = {1: (9,), 2: (7, 8), 3: (4, 5, 6)}


@pytest.mark.parametrize("rank", SPATIAL)
@pytest.mark.parametrize("data_format", FORMATS)
def test_every_way_to_call(rank: int, data_format: str) -> None:
    """In turn, in a list or a tuple, and with Addons' name of the indices."""
    given = case(Config(SPATIAL[rank], 2), distinct, data_format=data_format)
    pair, x = (given.values, given.indices), given.x
    expected = reference.unpool(*pair, SPATIAL[rank], data_format=data_format)
    unpool = layer("MaxUnpooling", rank, data_format=data_format)
    sized = layer("MaxUnpooling", rank, data_format=data_format, output_size=[*SPATIAL[rank]])
    assert sized.get_config()["output_size"] == SPATIAL[rank]
    of_lists = unpool(list(pair), like=x), unpool(pair, like=x), unpool([*pair, x])
    for y in (*of_lists, unpool(*pair, like=x), sized(*pair), sized(pair[0], mask=pair[1])):
        assert_same(y, expected)
    shapes = [array.shape for array in (*pair, x)]
    for shape in (unpool.compute_output_shape(*shapes), unpool.compute_output_shape(shapes)):
        assert shape == x.shape
    inferred = unpool.compute_output_shape(*shapes[:2])
    assert unpool.compute_output_shape(tuple(shapes[:2])) == inferred != x.shape
    symbols = [keras.Input(a.shape[1:], dtype=a.dtype.name) for a in pair]
    model = keras.Model(symbols, sized(symbols[0], mask=symbols[1]))
    assert_same(model(list(pair)), expected)


def test_a_list_in_a_saved_model(tmp_path: Path) -> None:
    """Of unknown sizes, with and without `like`; both layers are shared by two calls."""
    inputs = keras.Input((None, None, 2))
    pool, unpool = MaxPool2D(2, return_indices=True), MaxUnpool2D()
    pooled = pool(inputs)
    restored = [unpool([*pooled, inputs]), unpool(list(pooled))]
    assert [y.shape for y in restored] == [(None, None, None, 2)] * 2
    models = [keras.Model(inputs, restored)]
    for path in (tmp_path / "model.keras", tmp_path / "model.h5"):
        models[0].save(path)
        models.append(keras.saving.load_model(path))
    x = case(Config((8, 6), 2), distinct).x[..., :2]
    expected = reference.unpool(*reference.pool(x), x.shape[1:-1])
    for model in models:
        for y in (*model(x), *model.predict(x, verbose=0)):
            np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("symbolic", [False, True])
def test_bad_calls(symbolic: bool) -> None:
    shape = (1, 2, 2, 3)
    pair = [np.zeros(shape, dtype) for dtype in ("float32", "int64")]
    if symbolic:
        pair = [keras.Input(batch_shape=shape, dtype=x.dtype.name) for x in pair]
    unpool, sized = MaxUnpool2D(), MaxUnpool2D(output_size=4)
    for pool, arguments, options, error, message in [
        (unpool, pair[:1], {}, TypeError, "`indices` takes a tensor; received indices=None"),
        (unpool, [pair[:1]], {}, TypeError, "`indices` takes a tensor; received indices=None"),
        # As PyTorch takes it, the whole shape or the spatial sizes.
        (unpool, pair, {"output_size": shape}, TypeError, r"`output_size` is no argument.*like=x"),
        (unpool, [*pair, (4, 4)], {}, TypeError, r"`like` takes a tensor.*output_size="),
        (unpool, pair[:1] * 2, {}, TypeError, "`indices` takes int64 or int32; received float32"),
        (unpool, [x[0] for x in pair], {}, ValueError, "MaxUnpool1D fits"),
        (sized, [*pair, pair[0]], {}, ValueError, "`output_size` and `like` both set"),
    ]:
        with pytest.raises(error, match=message):
            pool(*arguments, **options)


@pytest.mark.parametrize("convention", ["tensorflow", "tensorflow_batch", "onnx"])
@pytest.mark.parametrize("data_format", FORMATS)
def test_conventions(data_format: str, convention: str) -> None:
    """Pooling writes what unpooling reads, also as floats, and what `convert_indices` makes of PyTorch's."""
    x = case(Config(SPATIAL[2], 2), distinct, data_format=data_format).x
    options = {"data_format": data_format, "indices_convention": convention}
    values, indices = MaxPool2D(2, return_indices=True, **options)(x)
    expected, torchs = reference.pool(x, data_format=data_format)
    converted = ops.convert_indices(torchs, x.shape, to=convention, data_format=data_format)
    assert_same(values, expected)
    assert_same(indices, converted)
    wanted = reference.unpool(expected, torchs, SPATIAL[2], data_format=data_format)
    for given in (indices, as_array(indices).astype("float32")):
        assert_same(MaxUnpool2D(**options)([values, given], like=x), wanted)


@keras_3_alone
def test_16_bits_do_not_hold_an_index() -> None:
    """Keras 3 casts floats to the layer's dtype before the layer sees them."""
    pair = [np.zeros((1, 2, 2, 1), "float32")] * 2
    unpool = MaxUnpool2D(indices_convention="tensorflow", dtype="mixed_float16")
    with pytest.raises(TypeError, match=r"`indices` takes .* or float64; received float16"):
        unpool(pair)


@keras_3_alone
def test_tensors_by_name() -> None:
    """As an .h5 of Keras 2 names those after the first; Keras 3 propagates the names."""
    inputs = keras.Input((*SPATIAL[2], 3), name="image")
    pool = MaxPool2D(return_indices=True, name="pool")
    code = keras.layers.Activation("linear")(pool(inputs)[0])
    y = MaxUnpool2D()(code, indices=["pool", 0, 1], like=["image", 0, 0])
    given = case(Config(SPATIAL[2], 2), distinct)
    expected = reference.unpool(given.values, given.indices, SPATIAL[2])
    np.testing.assert_array_equal(keras.Model(inputs, y)(given.x), expected)
    with pytest.raises(ValueError, match=r"received \['other', 0, 1\].*TF_USE_LEGACY_KERAS=1"):
        MaxUnpool2D()(code, indices=["other", 0, 1])
