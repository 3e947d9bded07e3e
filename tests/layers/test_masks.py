"""Masks: what they hide never wins, in max pooling and global max pooling; the pooled mask is propagated."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from harness.assertions import assert_same
from harness.cases import FORMATS, Config, ties
from harness.keras_version import keras
from harness.runner import BACKEND, MODES, as_array, as_tensor, run

import keras_maxpool

SPATIAL = {1: (7,), 2: (3, 4), 3: (2, 3, 2)}
by_rank = pytest.mark.parametrize("rank", SPATIAL, ids="{}d".format)
by_mode = pytest.mark.parametrize("mode", MODES)


def global_layer(rank: int, *args: Any, **options: Any) -> Any:
    return getattr(keras_maxpool, f"GlobalMaxPool{rank}D")(*args, **options)


@by_mode
@pytest.mark.parametrize(
    "config",
    [
        Config((10,), 3, 1, "causal"),
        Config((11,), 3, 2, 1, 2),
        Config((7, 6), 3, 2, "same"),
        Config((4, 5, 6), 2, 2, "valid", 1, True),
    ],
    ids=str,
)
def test_the_outgoing_mask(config: Config, mode: str) -> None:
    """It says whether a window has a visible element; both results have it."""
    mask = np.random.default_rng(0).random((3, *config.spatial)) < 0.3
    mask[1] = False
    visible, _ = reference.pool(mask[..., None].astype("float32"), **config.arguments)
    cls = getattr(keras_maxpool, f"MaxPool{config.rank}D")
    for indices, count in ((False, 1), (True, 2)):
        layer = cls(**config.arguments, return_indices=indices)
        outgoing = run(lambda mask: layer.compute_mask(None, mask), mode, mask)  # noqa: B023
        outgoing = outgoing if indices else [outgoing]
        assert len(outgoing) == count
        for got in outgoing:
            assert_same(got, visible[..., 0] > 0)
    samples = as_tensor([True, False, True])
    assert cls(**config.arguments).compute_mask(None, samples) is samples


@by_rank
def test_layers_take_the_callers_mask(rank: int) -> None:
    """It has no channels in either data format, and may be a model's own input, of unknown sizes."""
    rng = np.random.default_rng(rank)
    x = ties((3, *SPATIAL[rank], 4), "float32", rng).astype("float32")
    mask = rng.random(x.shape[:-1]) < 0.5
    mask[1] = False
    wanted = reference.global_pool(x, mask)
    assert wanted.indices[1].tolist() == [-1] * 4
    for data_format, given in zip(FORMATS, (x, reference.channels_first(x)), strict=True):
        top = getattr(keras_maxpool, f"MaxPool{rank}D")(SPATIAL[rank], data_format=data_format)
        for layer in (global_layer(rank, data_format), top):
            assert_same(as_array(layer(given, mask=mask)).reshape(3, 4), wanted.values)
    inputs, symbol = keras.Input((*[None] * rank, 4)), keras.Input((None,) * rank, dtype="bool")
    outputs = global_layer(rank, return_indices=True)(inputs, mask=symbol)
    model = keras.Model([inputs, symbol], outputs)
    for got, should in zip(model.predict([x, mask], verbose=0), wanted, strict=False):
        assert_same(got, should)


# From an embedding to a recurrent layer

VOCABULARY, STEPS = 11, 24
OPTIONS: list[tuple[dict[str, Any], int]] = [
    # Windows that neither overlap nor reach before the start: as many are valid as cover the sample.
    ({"pool_size": 3, "ceil_mode": True}, 0),
    ({"pool_size": 2, "padding": "same"}, 0),
    # Windows behind the sample's end that still see its last steps are valid.
    ({"pool_size": 3, "strides": 2}, 6),
    ({"pool_size": 3, "strides": 1, "padding": "causal"}, 6),
    ({"strides": 1, "padding": ((2, 0),), "dilation_rate": 2}, 6),
]


def tokens() -> tuple[np.ndarray, list[int]]:
    """Sentences of several lengths, padded with 0 at the end."""
    lengths = [24, 17, 9, 4, 1]
    rng = np.random.default_rng(0)
    rows = [np.pad(rng.integers(1, VOCABULARY, n), (0, STEPS - n)) for n in lengths]
    return np.stack(rows), lengths


def text_model(options: dict[str, Any]) -> keras.Model:
    keras.utils.set_random_seed(0)
    pools = [cls(**options) for cls in (keras_maxpool.MaxPool1D, keras_maxpool.MaxPooling1D)]
    embedding = keras.layers.Embedding(VOCABULARY, 4, mask_zero=True)
    inputs = keras.Input((None,), dtype="int32")
    return keras.Sequential([inputs, embedding, *pools, keras.layers.LSTM(3)])


@pytest.mark.parametrize(("options", "more"), OPTIONS)
def test_each_sample_is_as_if_alone(options: dict[str, Any], more: int) -> None:
    """Or, for windows that reach beyond the sample's end, alone with little padding behind it."""
    x, lengths = tokens()
    x = np.pad(x, ((0, 0), (0, more)))
    model = text_model(options)
    for row, length, result in zip(x, lengths, as_array(model(x)), strict=True):
        alone = as_array(model(row[None, : length + more]))[0]
        np.testing.assert_allclose(result, alone, rtol=1e-5, atol=1e-6)


def functional_model() -> keras.Model:
    """With indices, and steps that are known, so that the model holds the mask."""
    inputs = keras.Input((STEPS,), dtype="int32")
    embedded = keras.layers.Embedding(VOCABULARY, 4, mask_zero=True)(inputs)
    pooled, _ = keras_maxpool.MaxPool1D(2, return_indices=True)(embedded)
    assert pooled._keras_mask.shape == (None, STEPS // 2)
    return keras.Model(inputs, keras.layers.LSTM(3)(pooled))


# Keras 3.15 finds neither a functional model's mask in an .h5 file nor the loss.
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_train_save_and_clone(suffix: str, tmp_path: Path) -> None:
    x, _ = tokens()
    model = functional_model() if suffix == ".keras" else text_model(OPTIONS[0][0])
    # PyTorch compiles a recurrent layer for minutes.
    model.compile("sgd", "mse", jit_compile=suffix == ".h5" and BACKEND != "torch")
    model.fit(x, np.zeros((len(x), 3)), verbose=0)
    model.save(tmp_path / f"model{suffix}")
    loaded = keras.models.load_model(tmp_path / f"model{suffix}", compile=suffix == ".keras")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    for other in (loaded, clone):
        np.testing.assert_array_equal(as_array(other(x)), as_array(model(x)))


WORDS = np.array([[3, 1, 0, 2], [0, 0, 0, 0], [0, 4, 0, 0]])


def test_global_pooling_of_an_embedding() -> None:
    """The vector of padding would win every maximum, and gets no gradient; no mask goes out."""
    table = np.random.default_rng(0).integers(-9, 9, (5, 3)).astype("float32")
    table[0] = 100
    embedding = keras.layers.Embedding(5, 3, mask_zero=True)
    embedding.build(None)
    embedding.set_weights([table])
    wanted = reference.global_pool(table[WORDS], WORDS != 0).values
    inputs, pool = keras.Input((None,), dtype="int32"), global_layer(1)
    functional = keras.Model(inputs, pool(embedding(inputs)))
    sequential = keras.Sequential([embedding, global_layer(1)])
    for call in (functional, sequential, lambda words: pool(embedding(words))):
        assert_same(call(WORDS), wanted)
    assert_same(sequential.predict(WORDS, verbose=0), wanted)
    # A step along the gradient of the sum, of which Keras takes the mean.
    sequential.compile(keras.optimizers.SGD(1.0), lambda factor, outputs: factor * outputs)
    sequential.train_on_batch(WORDS, np.full(wanted.shape, wanted.size, "float32"))
    rows = table - embedding.get_weights()[0]
    assert not rows[0].any()
    assert rows.sum() == 6  # 2 samples of 3 channels
    for keepdims in (False, True):
        layer, embedded = global_layer(1, keepdims=keepdims), embedding(inputs)
        assert layer.supports_masking
        assert layer.compute_mask(embedded, embedded._keras_mask) is None
        assert getattr(layer(embedded), "_keras_mask", None) is None


@by_rank
def test_a_mask_of_whole_samples(rank: int) -> None:
    """What `TimeDistributed` propagates: its own mask, one time step of it a call."""
    rng = np.random.default_rng(rank)
    x = ties((3, 2, *SPATIAL[rank], 4), "float32", rng).astype("float32")
    inputs, mask = keras.Input(x.shape[1:]), keras.Input((2,), dtype="bool")
    pools = global_layer(rank), getattr(keras_maxpool, f"MaxPool{rank}D")(SPATIAL[rank])
    pooled = [keras.layers.TimeDistributed(pool)(inputs, mask=mask) for pool in pools]
    model = keras.Model([inputs, mask], pooled)
    valid = np.array([[True, False], [True, True], [False, False]])
    wanted = x.reshape(3, 2, -1, 4).max(2) * valid[..., None]
    # Called with a known batch size, Keras 2 propagates no mask.
    for got in model.predict([x, valid], verbose=0):
        assert_same(got.reshape(wanted.shape), wanted)
