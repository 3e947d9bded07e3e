"""Unpooling layers: both spellings, bad input, saving, and a SegNet-like model beside PyTorch's."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.assertions import assert_same
from harness.cases import FORMATS, Config, case, distinct
from harness.install import needs
from harness.keras_version import keras

import keras_maxpool

SPATIAL = {1: (9,), 2: (7, 8), 3: (4, 5, 6)}
ranks = pytest.mark.parametrize("rank", SPATIAL)


def layer(rank: int, *args: Any, spelling: str = "MaxUnpooling", **options: Any) -> Any:
    return getattr(keras_maxpool, f"{spelling}{rank}D")(*args, **options)


@ranks
def test_both_spellings_are_one(rank: int) -> None:
    cls = getattr(keras_maxpool, f"MaxUnpooling{rank}D")
    assert getattr(keras_maxpool, f"MaxUnpool{rank}D") is cls
    for name in (f"MaxUnpool{rank}D", f"MaxUnpooling{rank}D"):
        assert keras.saving.get_registered_object(f"keras_maxpool>{name}") is cls
    assert keras.saving.get_registered_name(cls) == f"keras_maxpool>MaxUnpooling{rank}D"


@ranks
@pytest.mark.parametrize("data_format", FORMATS)
def test_values(rank: int, data_format: str) -> None:
    given = case(Config(SPATIAL[rank], 2), distinct, data_format=data_format)
    unpool = layer(rank, data_format=data_format)
    y = unpool(given.values, given.indices, like=given.x)
    pooled = given.values, given.indices
    assert_same(y.numpy(), reference.unpool(*pooled, SPATIAL[rank], data_format=data_format))
    shapes = given.values.shape, given.indices.shape, given.x.shape
    assert unpool.compute_output_shape(*shapes) == y.shape


@ranks
def test_inferred_and_given_sizes(rank: int) -> None:
    shape = (2, *[3] * rank, 4)
    assert layer(rank, 3, 2).compute_output_shape(shape) == (2, *[7] * rank, 4)
    assert layer(rank, 3, 2, 1).compute_output_shape(shape) == (2, *[5] * rank, 4)
    assert layer(rank, 3, 2, "same").compute_output_shape(shape) == (2, *[6] * rank, 4)
    assert layer(rank, output_size=7).compute_output_shape(shape) == (2, *[7] * rank, 4)
    unknown = (None, *[None] * rank, 4)
    assert layer(rank).compute_output_shape(unknown) == unknown


@ranks
def test_config(rank: int) -> None:
    sizes = (7, 8, 9)[:rank]
    one = layer(rank, 3, 2, 1, "channels_first", "mine", output_size=list(sizes), dtype="float16")
    config = one.get_config()
    assert config["name"] == "mine"
    assert config["pool_size"] == (3,) * rank
    assert config["strides"] == (2,) * rank
    assert config["padding"] == ((1, 1),) * rank
    assert config["data_format"] == "channels_first"
    assert config["output_size"] == sizes
    for other in (type(one).from_config(config), copy.deepcopy(one)):
        assert other.get_config() == config


@ranks
def test_symbolic_with_unknown_sizes(rank: int) -> None:
    inputs = keras.Input((*[None] * rank, 2))
    pooled = getattr(keras_maxpool, f"MaxPool{rank}D")(2, return_indices=True)(inputs)
    assert [p.shape for p in pooled] == [(None, *[None] * rank, 2)] * 2
    assert [p.dtype for p in pooled] == ["float32", "int64"]
    model = keras.Model(inputs, layer(rank)(*pooled, like=inputs))
    assert model.output_shape == (None, *[None] * rank, 2)
    x = case(Config(SPATIAL[rank], 2), distinct).x[..., :2]
    expected = reference.unpool(*reference.pool(x), SPATIAL[rank])
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"pool_size": 0}, ValueError, "`pool_size` must be positive"),
        ({"strides": True}, TypeError, "`strides` takes integers, not booleans"),
        ({"padding": "full"}, ValueError, "`padding` is unknown"),
        ({"data_format": "NCHW"}, ValueError, "`data_format` is unknown"),
        ({"output_size": -1}, ValueError, "`output_size` must be positive"),
        (
            {"dilation_rate": 2},
            ValueError,
            "MaxUnpooling2D does not know the argument 'dilation_rate'",
        ),
    ],
)
def test_bad_arguments(options: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        layer(2, **options)


@pytest.mark.parametrize(
    ("shapes", "dtype", "error", "message"),
    [
        ([(1, 2, 2), (1, 2, 2)], "int64", ValueError, "MaxUnpool1D fits"),
        (
            [(1, 2, 2, 3), (1, 2, 1, 3)],
            "int64",
            ValueError,
            "`indices` must have the shape of the val",
        ),
        ([(1, 2, 2, 3), (1, 2, 2, 3)], "float32", TypeError, "`indices` takes int64 or int32"),
        ([(1, 2, 2, 3), (1, 2, 2, 3), (1, 4, 4)], "int64", ValueError, "`like` must have the rank"),
    ],
)
@pytest.mark.parametrize("symbolic", [False, True])
def test_bad_inputs(symbolic: bool, shapes: list, dtype: str, error: type, message: str) -> None:
    dtypes = ["float32", dtype, "float32"]
    tensors = [
        keras.Input(batch_shape=shape, dtype=kind) if symbolic else tf.zeros(shape, kind)
        for shape, kind in zip(shapes, dtypes, strict=False)
    ]
    with pytest.raises(error, match=message):
        layer(2)(*tensors)


# SegNet (Badrinarayanan et al. 2017): the decoder unpools with the encoder's indices

SIZES, CHANNELS, CLASSES = (37, 53), (4, 6, 8, 8), 3


def segnet() -> keras.Model:
    keras.utils.set_random_seed(1)
    inputs = x = keras.Input((*SIZES, 3))
    levels = []
    for i, filters in enumerate(CHANNELS):
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"down{i}")(x)
        # Odd sizes lose a row or column here, and get it back from `like`.
        before = x
        x, indices = keras_maxpool.MaxPool2D(2, return_indices=True)(x)
        levels.append((before, indices))
    for i, (before, indices) in reversed(list(enumerate(levels))):
        x = keras_maxpool.MaxUnpool2D(2)(x, indices, like=before)
        filters = CHANNELS[i - 1] if i else CLASSES
        x = keras.layers.Conv2D(
            filters, 3, padding="same", activation="relu" if i else None, name=f"up{i}"
        )(x)
    return keras.Model(inputs, x)


def images() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, *SIZES, 3)).astype("float32")
    return x, (x.sum(-1) > 0).astype("int32")


def train(model: keras.Model, **options: Any) -> list[float]:
    model.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        **options,
    )
    return model.fit(*images(), batch_size=4, epochs=8, shuffle=False, verbose=0).history["loss"]


@pytest.mark.slow
def test_segnet_trains_saves_and_loads(tmp_path: Any) -> None:
    x, _ = images()
    model = segnet()
    in_graph = train(model)
    assert in_graph[-1] < 0.8 * in_graph[0]
    in_xla = train(segnet(), jit_compile=True)
    np.testing.assert_allclose(in_xla, in_graph, rtol=2e-2)
    expected = model.predict(x, verbose=0)
    assert expected.shape == (6, *SIZES, CLASSES)
    for suffix in (".keras", ".h5"):
        model.save(tmp_path / f"model{suffix}")
        loaded = keras.models.load_model(tmp_path / f"model{suffix}")
        np.testing.assert_array_equal(loaded.predict(x, verbose=0), expected)


def test_segnet_equals_pytorch() -> None:
    torch = needs("torch")
    functional = torch.nn.functional
    x, _ = images()
    model = segnet()

    def convolve(y: Any, name: str) -> Any:
        kernel, bias = (torch.from_numpy(w) for w in model.get_layer(name).get_weights())
        return functional.conv2d(y, kernel.permute(3, 2, 0, 1), bias, padding=1)

    y = torch.from_numpy(x).permute(0, 3, 1, 2)
    levels = []
    for i in range(len(CHANNELS)):
        y = torch.relu(convolve(y, f"down{i}"))
        size = y.shape[2:]
        y, indices = functional.max_pool2d(y, 2, return_indices=True)
        levels.append((indices, size))
    for i in reversed(range(len(CHANNELS))):
        indices, size = levels[i]
        y = functional.max_unpool2d(y, indices, 2, output_size=size)
        y = convolve(y, f"up{i}")
        y = torch.relu(y) if i else y
    expected = y.permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-5)
