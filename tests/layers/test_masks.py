"""Masks: what they hide never wins, and the pooled mask goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.assertions import assert_same
from harness.cases import FORMATS, INTEGERS, Config
from harness.keras_version import keras, keras_3_alone
from harness.runner import MODES, run, with_gradient

import keras_maxpool
from keras_maxpool.ops import max_pool

CONFIGS = [
    Config((10,), 2),
    Config((10,), 3, 2, "same"),
    Config((10,), 3, 1, "causal"),
    Config((11,), 3, 2, 1, 2),
    Config((10,), 2, 3, "same_lower"),
    Config((9,), 2, 2, "valid", 1, True),
    Config((7, 6), 3, 2, "same"),
    Config((7, 6), 2, (1, 2), ((1, 0), (0, 1)), 2),
    Config((4, 5, 6), 2, 2, 1),
]

by_mode = pytest.mark.parametrize("mode", MODES)


def example(config: Config, dtype: str = "float32") -> tuple[np.ndarray, np.ndarray]:
    """Values that tie often and a mask with a sample that is hidden whole."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, (3, *config.spatial, 2)) - (0 if dtype.startswith("uint") else 2)
    mask = rng.random((3, *config.spatial)) < 0.4
    mask[1] = False
    return x.astype(tf.as_dtype(dtype).as_numpy_dtype), mask


def expected(config: Config, x: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
    """The reference's pooling of what is seen; a window is valid if pooling the mask says so."""
    seen, _ = reference.pool(mask[..., None].astype("float32"), **config.arguments)
    valid = seen > 0
    hidden = np.where(mask[..., None], x.astype("float64"), -np.inf)
    values, places = reference.pool(hidden, **config.arguments)
    # Nothing here is infinite but what is hidden, so that no tie can lead to it.
    values = np.where(valid, values, 0).astype(x.dtype)
    return {
        "values": values,
        "indices": np.where(valid, places, -1),
        "mask": valid[..., 0],
    }


@by_mode
@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_against_the_reference(config: Config, mode: str) -> None:
    x, mask = example(config)
    should = expected(config, x, mask)
    layer = getattr(keras_maxpool, f"MaxPool{config.rank}D")(
        **config.arguments, return_indices=True
    )
    values, indices = run(lambda x, m: layer(x, mask=m), mode, x, mask)
    assert_same(values, should["values"])
    assert_same(indices, should["indices"])
    for outgoing in layer.compute_mask(x, tf.constant(mask)):
        assert_same(outgoing.numpy(), should["mask"])
    pool = with_gradient(lambda x: max_pool(x, **config.arguments, mask=mask))
    upstream = np.arange(1.0, values.size + 1, dtype="float32").reshape(values.shape)
    _, gradient = run(pool, mode, x, upstream)
    assert_same(gradient, reference.gradient(x.shape, should["indices"], upstream, dtype=x.dtype))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", *INTEGERS])
def test_dtypes(dtype: str) -> None:
    x, mask = example(CONFIGS[6], dtype)
    should = expected(CONFIGS[6], x, mask)
    values, indices = max_pool(x, **CONFIGS[6].arguments, mask=mask, return_indices=True)
    assert_same(values.numpy(), should["values"])
    assert_same(indices.numpy(), should["indices"])


@by_mode
@pytest.mark.parametrize("dtype", ["float32", "int8", "uint32"])
@pytest.mark.parametrize("config", CONFIGS[6:], ids=str)
def test_the_smallest_value_is_seen_all_the_same(config: Config, dtype: str, mode: str) -> None:
    """What is hidden ties with it, and comes first in most windows."""
    x, mask = example(config, dtype)
    kind = tf.as_dtype(dtype)
    x[:] = -np.inf if kind.is_floating else kind.min
    shown, _ = reference.pool(mask[..., None].astype("float32"), **config.arguments)
    _, first = reference.pool(np.where(mask, 1.0, 0.0)[..., None], **config.arguments)
    pool = lambda x: max_pool(  # noqa: E731
        x, **config.arguments, mask=mask, return_indices=True, nonfinite="ieee"
    )
    values, indices = run(pool, mode, x)
    np.testing.assert_array_equal(values, np.where(shown > 0, x.flat[0], 0) + np.zeros_like(values))
    np.testing.assert_array_equal(indices, np.where(shown > 0, first, -1) + np.zeros_like(indices))


@by_mode
@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_a_minus_infinity_that_is_seen_gets_the_gradient(config: Config, mode: str) -> None:
    """Not what is hidden beside it, whose gradient nobody gets."""
    x, mask = example(config)
    _, first = reference.pool(
        np.where(mask, 1.0, 0.0)[..., None] + np.zeros_like(x), **config.arguments
    )
    shown, _ = reference.pool(mask[..., None] + np.zeros_like(x), **config.arguments)
    upstream = np.ones(first.shape, "float32")
    pool = with_gradient(lambda x: max_pool(x, **config.arguments, mask=mask, nonfinite="ieee"))
    _, gradient = run(pool, mode, np.full_like(x, -np.inf), upstream)
    places = np.where(shown > 0, first, -1)
    assert_same(gradient, reference.gradient(x.shape, places, upstream, dtype=x.dtype))


def test_each_result_has_a_mask() -> None:
    steps, samples = tf.constant([[False, True, False, False]]), tf.constant([True])
    alone, pair = keras_maxpool.MaxPool1D(2), keras_maxpool.MaxPool1D(2, return_indices=True)
    assert alone.compute_mask(None, steps).numpy().tolist() == [[True, False]]
    assert [mask.numpy().tolist() for mask in pair.compute_mask(None, steps)] == [
        [[True, False]],
        [[True, False]],
    ]
    assert alone.compute_mask(None, samples) is samples


@pytest.mark.parametrize("data_format", FORMATS)
def test_ieee_and_data_format(data_format: str) -> None:
    """A NaN that is hidden is not there; the mask has no channels in either format."""
    config = CONFIGS[6]
    x, mask = example(config)
    x[~mask] = np.nan
    should = expected(config, np.where(np.isnan(x), 0, x), mask)
    if data_format == "channels_first":
        x = reference.channels_first(x)
    layer = keras_maxpool.MaxPool2D(
        **config.arguments, data_format=data_format, nonfinite="ieee", return_indices=True
    )
    values, indices = (y.numpy() for y in layer(x, mask=mask))
    if data_format == "channels_first":
        values, indices = reference.channels_last(values), reference.channels_last(indices)
    assert_same(values, should["values"])
    assert_same(indices, should["indices"])


# From an embedding to a recurrent layer

VOCABULARY, STEPS = 11, 24
# Windows that neither overlap nor reach before the start: as many are valid as cover the sample.
SIDE_BY_SIDE: dict[str, dict[str, Any]] = {
    "ceil_mode": {"pool_size": 2, "ceil_mode": True},
    "same": {"pool_size": 2, "padding": "same"},
    "thirds": {"pool_size": 3, "ceil_mode": True},
}
# Windows behind the sample's end that still see its last steps are valid.
OTHERS: dict[str, dict[str, Any]] = {
    "overlapping": {"pool_size": 3, "strides": 2},
    "causal": {"pool_size": 3, "strides": 1, "padding": "causal"},
    "dilated": {"pool_size": 2, "strides": 1, "padding": ((2, 0),), "dilation_rate": 2},
}


def tokens() -> tuple[np.ndarray, list[int]]:
    """Sentences of several lengths, padded with 0 at the end."""
    lengths = [24, 17, 9, 4, 1]
    rng = np.random.default_rng(0)
    rows = [np.pad(rng.integers(1, VOCABULARY, n), (0, STEPS - n)) for n in lengths]
    return np.stack(rows), lengths


def text_model(masking: str, options: dict[str, Any]) -> keras.Model:
    keras.utils.set_random_seed(0)
    embedding = keras.layers.Embedding(VOCABULARY, 4, mask_zero=masking == "Embedding")
    return keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            embedding,
            *([keras.layers.Masking()] if masking == "Masking" else []),
            keras_maxpool.MaxPool1D(**options),
            keras_maxpool.MaxPooling1D(**options),
            keras.layers.LSTM(3),
        ]
    )


@pytest.mark.parametrize(
    ("options", "more"),
    [*((o, 0) for o in SIDE_BY_SIDE.values()), *((o, 6) for o in OTHERS.values())],
    ids=[*SIDE_BY_SIDE, *OTHERS],
)
@pytest.mark.parametrize("masking", ["Embedding", "Masking"])
def test_each_sample_is_as_if_alone(masking: str, options: dict[str, Any], more: int) -> None:
    """Or, for windows that reach beyond the sample's end, alone with little padding behind it."""
    x, lengths = tokens()
    x = np.pad(x, ((0, 0), (0, more)))
    model = text_model(masking, options)
    if masking == "Masking":
        # What the mask is made of: a token 0 embedded as zeros.
        table = model.layers[0].get_weights()[0]
        table[0] = 0
        model.layers[0].set_weights([table])
    together = model(x).numpy()
    for row, length, result in zip(x, lengths, together, strict=True):
        alone = model(row[None, : length + more]).numpy()[0]
        np.testing.assert_allclose(result, alone, rtol=1e-5, atol=1e-6)


def test_the_built_in_does_not() -> None:
    """It pools what is hidden, and gives no mask on: a swap changes such a model."""
    x, _ = tokens()
    embedded = keras.layers.Embedding(VOCABULARY, 4, mask_zero=True)(x)
    assert getattr(keras.layers.MaxPooling1D()(embedded), "_keras_mask", None) is None
    ours = keras_maxpool.MaxPooling1D()(embedded)
    np.testing.assert_array_equal(ours._keras_mask, (x > 0).reshape(5, -1, 2).any(-1))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_train_save_and_load(jit_compile: bool, suffix: str, tmp_path: Any) -> None:
    x, _ = tokens()
    model = text_model("Embedding", SIDE_BY_SIDE["ceil_mode"])
    model.compile("sgd", "mse", jit_compile=jit_compile)
    model.fit(x, np.zeros((len(x), 3)), verbose=0)
    model.save(tmp_path / f"model{suffix}")
    # Keras 3.15 does not find the loss of an .h5 file.
    loaded = keras.models.load_model(tmp_path / f"model{suffix}", compile=suffix == ".keras")
    np.testing.assert_array_equal(loaded(x), model(x))


def test_functional_models_hold_the_mask(tmp_path: Any) -> None:
    x, _ = tokens()
    inputs = keras.Input((STEPS,), dtype="int32")
    embedded = keras.layers.Embedding(VOCABULARY, 4, mask_zero=True)(inputs)
    pooled, indices = keras_maxpool.MaxPool1D(2, return_indices=True)(embedded)
    assert pooled._keras_mask.shape == (None, STEPS // 2)
    outputs = [keras.layers.LSTM(3)(pooled), indices]
    model = keras.Model(inputs, outputs)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    model.save(tmp_path / "model.keras")
    for other in (copy, keras.models.load_model(tmp_path / "model.keras")):
        for ours, theirs in zip(model(x), other(x), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("shape", [(1, 4), (1, 4, 4, 1), (2, 4, 4)], ids=str)
def test_bad_shapes(shape: tuple[int, ...]) -> None:
    x = np.zeros((1, 4, 4, 1), "float32")
    message = r"`mask` must have the shape \(batch, \*spatial\), which is \(1, 4, 4\)"
    with pytest.raises(ValueError, match=message):
        keras_maxpool.MaxPool2D()(x, mask=np.ones(shape, bool))
    with pytest.raises(ValueError, match=message):
        keras_maxpool.MaxPool2D()(
            keras.Input((4, 4, 1), batch_size=1),
            mask=keras.Input(shape[1:], batch_size=shape[0], dtype="bool"),
        )


def test_masks_are_booleans() -> None:
    with pytest.raises(TypeError, match="`mask` takes booleans; received a mask of dtype float32"):
        max_pool(np.zeros((1, 4, 1), "float32"), mask=np.ones((1, 4), "float32"))


@keras_3_alone  # Keras 2 propagates no mask where it knows the batch size
def test_a_mask_of_whole_samples() -> None:
    """What `TimeDistributed` propagates: its own mask, one time step of it a call."""
    x = np.arange(1, 17, dtype="float32").reshape(2, 2, 4, 1)
    mask = np.array([[True, False], [True, True]])
    pooled = keras.layers.TimeDistributed(keras_maxpool.MaxPool1D())(x, mask=mask)
    assert pooled.numpy().ravel().tolist() == [2, 4, 0, 0, 10, 12, 14, 16]
