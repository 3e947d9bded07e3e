"""The global layers: exactly `keras.layers.GlobalMaxPooling1D`, `2D` and `3D`, and what those do not have."""

from __future__ import annotations

import copy
import inspect
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tensorflow as tf
from harness.assertions import assert_same
from harness.cases import FLOATS, FORMATS, INTEGERS, ties
from harness.keras_version import LEGACY, keras, keras_3_alone
from harness.runner import MODES, in_mode, run, with_gradient

import keras_maxpool

RANKS = (1, 2, 3)
SPELLINGS = ("GlobalMaxPooling", "GlobalMaxPool")
SPATIAL = {1: (7,), 2: (3, 4), 3: (2, 3, 2)}

by_rank = pytest.mark.parametrize("rank", RANKS, ids="{}d".format)
by_spelling = pytest.mark.parametrize("spelling", SPELLINGS)
by_format = pytest.mark.parametrize("data_format", FORMATS)
by_keepdims = pytest.mark.parametrize("keepdims", [False, True], ids=["flat", "keepdims"])
by_mode = pytest.mark.parametrize("mode", MODES)


def layer_class(rank: int) -> type[keras.layers.Layer]:
    return getattr(keras_maxpool, f"GlobalMaxPooling{rank}D")


def pair(rank: int, **options: Any) -> tuple[keras.layers.Layer, keras.layers.Layer]:
    """Our layer and the built-in, by the two spellings in turn, of the same options."""
    name = f"{SPELLINGS[rank % 2]}{rank}D"
    return getattr(keras_maxpool, name)(**options), getattr(keras.layers, name)(**options)


def example(rank: int, dtype: str = "float32") -> np.ndarray:
    """Full of ties, and as large on every axis as to fit both data formats."""
    to = tf.as_dtype(dtype).as_numpy_dtype
    return ties((3, *SPATIAL[rank], 4), dtype, np.random.default_rng(rank)).astype(to)


# The built-in's values, gradients and shapes


@by_rank
@by_format
@by_keepdims
@by_mode
def test_as_the_builtin(mode: str, keepdims: bool, data_format: str, rank: int) -> None:
    """Bit for bit, the split of gradients between ties included."""
    x = example(rank)
    ours, builtin = pair(rank, data_format=data_format, keepdims=keepdims)
    upstream = np.random.default_rng(0).normal(size=builtin(x).shape).astype("float32")
    values, gradient = run(with_gradient(ours), mode, x, upstream)
    builtin_values, builtin_gradient = run(with_gradient(builtin), mode, x, upstream)
    assert_same(values, builtin_values)
    assert_same(gradient, builtin_gradient)
    assert len(np.unique(np.abs(gradient))) > 3  # some ties, of several counts


@pytest.mark.parametrize("dtype", FLOATS)
@by_mode
def test_floats_as_the_builtin(mode: str, dtype: str) -> None:
    x = example(2, dtype)
    ours, builtin = pair(2, dtype=dtype)
    upstream = np.random.default_rng(0).normal(size=(3, 4)).astype(x.dtype)
    for given, wanted in zip(
        run(with_gradient(ours), mode, x, upstream),
        run(with_gradient(builtin), mode, x, upstream),
        strict=True,
    ):
        assert_same(given, wanted)


@pytest.mark.parametrize("dtype", INTEGERS)
@by_mode
def test_integers_as_the_builtin(mode: str, dtype: str) -> None:
    x = example(1, dtype)
    ours, builtin = (run(layer, mode, x) for layer in pair(1))
    assert_same(ours, builtin)


@pytest.mark.parametrize("mode", ["graph", "xla"])
@pytest.mark.parametrize("shape", [(0, 5, 2), (3, 5, 0)], ids=str)
def test_empty_as_the_builtin(shape: tuple, mode: str) -> None:
    """But eagerly, where the built-in refuses what it takes in a graph."""
    x = np.zeros(shape, "float32")
    upstream = np.zeros((shape[0], shape[-1]), "float32")
    ours, builtin = (run(with_gradient(layer), mode, x, upstream) for layer in pair(1))
    for given, wanted in zip(ours, builtin, strict=True):
        assert_same(given, wanted)
    eagerly = run(with_gradient(layer_class(1)()), "eager", x, upstream)
    assert [part.shape for part in eagerly] == [part.shape for part in builtin]


@by_rank
@by_format
@by_keepdims
@pytest.mark.parametrize("return_indices", [False, True], ids=["values", "indices"])
def test_shapes(return_indices: bool, keepdims: bool, data_format: str, rank: int) -> None:
    """Computed, symbolic, and of graphs: the built-in's, once, or for each of two outputs."""
    ours, builtin = pair(rank, data_format=data_format, keepdims=keepdims)
    both = layer_class(rank)(data_format, keepdims, return_indices=True)
    for shape in [(2, *SPATIAL[rank], 3), (None, *SPATIAL[rank], 3), (None,) * (rank + 1) + (3,)]:
        if data_format == "channels_first":
            shape = (shape[0], 3, *shape[1:-1])
        wanted = builtin.compute_output_shape(shape)
        symbolic = keras.Input(batch_shape=shape)
        spec = tf.TensorSpec(shape)
        if not return_indices:
            assert ours.compute_output_shape(shape) == wanted
            assert ours.compute_output_shape(list(shape)) == wanted
            assert (ours(symbolic).shape, ours(symbolic).dtype) == (wanted, "float32")
            graph = tf.function(lambda x: ours(x)).get_concrete_function(spec)
            assert graph.output_shapes.as_list() == list(wanted)
            continue
        assert both.compute_output_shape(shape) == (wanted, wanted)
        specs = [] if LEGACY else [both.compute_output_spec(symbolic)]  # Keras 2 infers by calling
        for pooled in (both(symbolic), *specs):
            assert [output.shape for output in pooled] == [wanted, wanted]
            assert [output.dtype for output in pooled] == ["float32", "int64"]
        graph = tf.function(lambda x: both(x)).get_concrete_function(spec)
        assert [shape.as_list() for shape in graph.output_shapes] == [list(wanted)] * 2


@by_rank
def test_casts_as_the_builtin_does(rank: int) -> None:
    """A float input becomes the layer's dtype; whole numbers stay what they are."""
    x = example(rank, "float64")
    for ours, builtin in (pair(rank), pair(rank, dtype="mixed_bfloat16")):
        for given in (x, tf.constant(x), tf.constant(x, "int32")):
            assert_same(ours(given).numpy(), builtin(given).numpy())


# What the layers say of themselves


@by_rank
@by_format
@by_keepdims
def test_config(keepdims: bool, data_format: str, rank: int) -> None:
    options = {"data_format": data_format, "keepdims": keepdims, "dtype": "float16", "name": "top"}
    ours, builtin = (layer.get_config() for layer in pair(rank, **options))
    assert {key: ours[key] for key in builtin} == builtin
    assert ours.keys() - builtin.keys() == {"return_indices", "nonfinite"}
    assert layer_class(rank).from_config(builtin).get_config() == ours
    assert layer_class(rank).from_config(ours).get_config() == ours


@keras_3_alone  # in 1D, Keras 2 has another default of data_format
@by_rank
@by_spelling
def test_signature(spelling: str, rank: int) -> None:
    """By place the built-in's arguments, in its order, with its defaults; by name the rest."""
    ours, builtin = (
        list(inspect.signature(getattr(package, f"{spelling}{rank}D")).parameters.values())
        for package in (keras_maxpool, keras.layers)
    )
    by_place = [p for p in builtin if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert [(p.name, p.kind, p.default) for p in ours[: len(by_place)]] == [
        (p.name, p.kind, p.default) for p in by_place
    ]
    assert {p.kind for p in ours[len(by_place) : -1]} == {inspect.Parameter.KEYWORD_ONLY}
    assert (ours[-1].name, ours[-1].kind) == (builtin[-1].name, builtin[-1].kind)
    config = getattr(keras_maxpool, f"{spelling}{rank}D")("channels_first", True).get_config()
    assert (config["data_format"], config["keepdims"]) == ("channels_first", True)


@by_rank
def test_default_name_and_switches(rank: int) -> None:
    keras.backend.clear_session()
    ours = layer_class(rank)()
    keras.backend.clear_session()
    builtin = getattr(keras.layers, f"GlobalMaxPool{rank}D")()
    assert ours.name == builtin.name == f"global_max_pooling{rank}d"
    assert ours.built
    assert ours.count_params() == 0
    ours = layer_class(rank)(name="here", trainable=False, dtype="mixed_bfloat16")
    assert (ours.name, ours.trainable, ours.compute_dtype) == ("here", False, "bfloat16")


@pytest.mark.parametrize("rank", RANKS[LEGACY:])  # Keras 2 does not look at it in 1D
def test_image_data_format_of_keras(rank: int) -> None:
    keras.backend.set_image_data_format("channels_first")
    try:
        ours, builtin = pair(rank)
    finally:
        keras.backend.set_image_data_format("channels_last")
    assert ours.data_format == builtin.data_format == "channels_first"


@by_rank
def test_two_spellings_of_one_class(rank: int) -> None:
    short, long = (f"{spelling}{rank}D" for spelling in reversed(SPELLINGS))
    assert getattr(keras_maxpool, short) is getattr(keras_maxpool, long)
    assert {short, long} <= set(keras_maxpool.__all__)
    assert keras.saving.get_registered_name(layer_class(rank)) == f"keras_maxpool>{long}"
    for name in (short, long):
        found = keras.saving.get_registered_object(f"keras_maxpool>{name}")
        assert found is layer_class(rank)
        assert keras.saving.get_registered_object(name) is None  # the built-in's


# Places


@by_rank
@by_format
@by_keepdims
@by_mode
def test_return_indices(mode: str, keepdims: bool, data_format: str, rank: int) -> None:
    """NumPy's argmax, the first of equals, over the spatial axes as one."""
    x = example(rank)
    layer = layer_class(rank)(data_format, keepdims, return_indices=True)
    values, places = run(layer, mode, x)
    flat = x.reshape(3, -1, 4) if data_format == "channels_last" else x.reshape(3, x.shape[1], -1)
    axis = 1 if data_format == "channels_last" else 2
    assert values.shape == places.shape == layer.compute_output_shape(x.shape)[0]
    assert_same(values.reshape(3, -1), flat.max(axis))
    assert_same(places.reshape(3, -1), flat.argmax(axis))


@by_mode
def test_nonfinite(mode: str) -> None:
    """NaN hides in XLA, but for "ieee"."""
    x = np.array([[[1], [np.nan], [2]]], "float32")
    ieee = layer_class(1)(nonfinite="ieee", return_indices=True)
    values, places = run(ieee, mode, x)
    assert np.isnan(values.item())
    assert places.item() == 1
    ours, builtin = (run(layer, mode, x) for layer in pair(1))
    assert_same(ours, builtin)
    assert np.isnan(ours.item()) == (mode != "xla")


# Masks


def masked_maxima(x: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """NumPy's, over what a mask (batch, places) leaves of (batch, places, channels); 0 where it leaves nothing."""
    nothing = np.zeros((1, x.shape[-1]), x.dtype)
    left = [sample[kept] if kept.any() else nothing for sample, kept in zip(x, mask, strict=True)]
    return np.stack([rows.max(0) for rows in left])


def mask_for(x: np.ndarray) -> np.ndarray:
    """Of half the places, of none in the second sample."""
    mask = np.random.default_rng(0).random(x.shape[:-1]) < 0.5
    mask[1] = False
    return mask


@by_rank
@by_format
@by_mode
def test_explicit_mask(mode: str, data_format: str, rank: int) -> None:
    x = example(rank)
    mask = mask_for(x)
    flat = x.reshape(3, -1, 4)
    wanted = masked_maxima(flat, mask.reshape(3, -1))
    assert not wanted[1].any()
    given = np.moveaxis(x, -1, 1) if data_format == "channels_first" else x
    layer = layer_class(rank)(data_format)
    assert_same(run(lambda x, mask: layer(x, mask=mask), mode, given, mask), wanted)


@by_rank
def test_symbolic_mask(rank: int) -> None:
    """As a model's own input, with all sizes unknown."""
    x = example(rank)
    inputs = keras.Input((*[None] * rank, 4))
    mask = keras.Input((None,) * rank, dtype="bool")
    layer = layer_class(rank)(return_indices=True)
    model = keras.Model([inputs, mask], layer(inputs, mask=mask))
    given = mask_for(x)
    values, places = model.predict([x, given], verbose=0)
    assert_same(values, masked_maxima(x.reshape(3, -1, 4), given.reshape(3, -1)))
    assert places[1].tolist() == [-1] * 4
    with pytest.raises(ValueError, match="`mask` must have the shape"):
        layer(inputs, mask=keras.Input((None,) * (rank + 1), dtype="bool"))
    with pytest.raises(TypeError, match="`mask` takes booleans"):
        layer(inputs, mask=keras.Input((None,) * rank))


WORDS = np.array([[3, 1, 0, 2], [0, 0, 0, 0], [0, 4, 0, 0]])


@pytest.mark.parametrize("how", ["eager", "functional", "sequential", "predict"])
def test_mask_of_an_embedding(how: str) -> None:
    """Padding's own vector would win every maximum."""
    table = np.random.default_rng(0).integers(-9, 9, (5, 3)).astype("float32")
    table[0] = 100
    embedding = keras.layers.Embedding(5, 3, mask_zero=True)
    embedding.build(None)
    embedding.set_weights([table])
    pool = layer_class(1)()
    if how == "eager":
        pooled = pool(embedding(WORDS)).numpy()
    elif how == "functional":
        inputs = keras.Input((None,), dtype="int32")
        pooled = keras.Model(inputs, pool(embedding(inputs)))(WORDS).numpy()
    elif how == "sequential":
        pooled = keras.Sequential([embedding, pool])(WORDS).numpy()
    else:
        model = keras.Sequential([embedding, pool])
        pooled = model.predict(WORDS, verbose=0)
    assert_same(pooled, masked_maxima(table[WORDS], WORDS != 0))


@by_rank
def test_mask_of_masking(rank: int) -> None:
    """Places whose every channel is 0; what is left is negative."""
    x = -1 - example(rank) ** 2
    mask = mask_for(x)
    x[~mask] = 0
    model = keras.Sequential([keras.layers.Masking(), layer_class(rank)()])
    wanted = masked_maxima(x.reshape(3, -1, 4), mask.reshape(3, -1))
    assert_same(model.predict(x, verbose=0), wanted)


@by_keepdims
def test_no_mask_goes_out(keepdims: bool) -> None:
    inputs = keras.Input((None,), dtype="int32")
    embedded = keras.layers.Embedding(5, 3, mask_zero=True)(inputs)
    layer = layer_class(1)(keepdims=keepdims)
    assert layer.supports_masking
    assert layer.compute_mask(embedded, embedded._keras_mask) is None
    assert getattr(layer(embedded), "_keras_mask", None) is None


def test_masked_steps_get_no_gradient() -> None:
    """A table's row for padding stays as it is, also by way of a sample of padding alone."""
    embedding = keras.layers.Embedding(5, 3, mask_zero=True)
    model = keras.Sequential([embedding, layer_class(1)()])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(WORDS))
    rows = tf.convert_to_tensor(tape.gradient(loss, embedding.embeddings)).numpy()
    assert not rows[0].any()
    assert rows.sum() == 6  # 2 samples of 3 channels


@by_rank
def test_under_time_distributed(rank: int) -> None:
    """It propagates a mask of whole samples, for each of its steps."""
    x = np.stack([example(rank)] * 2, 1)
    inputs, mask = keras.Input(x.shape[1:]), keras.Input((2,), dtype="bool")
    layer = keras.layers.TimeDistributed(layer_class(rank)())
    model = keras.Model([inputs, mask], layer(inputs, mask=mask))
    valid = np.array([[True, False], [True, True], [False, False]])
    wanted = x.reshape(3, 2, -1, 4).max(2) * valid[..., None]
    # Called with a known batch size, Keras 2 propagates no mask.
    assert_same(model.predict([x, valid], verbose=0), wanted)


# Bad arguments and inputs


@pytest.mark.parametrize(
    ("options", "error", "fragments"),
    [
        ({"keepdims": 1}, TypeError, ["`keepdims`", "keepdims=1", "True or False"]),
        ({"keepdims": None}, TypeError, ["`keepdims`", "keepdims=None", "True or False"]),
        ({"keepdims": np.True_}, TypeError, ["`keepdims`", "True or False"]),
        ({"return_indices": "yes"}, TypeError, ["`return_indices`", "'yes'", "True or False"]),
        ({"nonfinite": None}, ValueError, ["`nonfinite`", "None", '"backend" or "ieee"']),
        ({"data_format": "NHWC"}, ValueError, ["`data_format`", "'NHWC'", '"channels_last"']),
        ({"pool_size": 2}, ValueError, ["'pool_size'", "keepdims", "return_indices", "dtype"]),
    ],
    ids=str,
)
@by_rank
def test_bad_argument(
    rank: int, options: dict, error: type[Exception], fragments: list[str]
) -> None:
    with pytest.raises(error) as caught:
        layer_class(rank)(**options)
    assert caught.type is error
    for fragment in fragments:
        assert fragment in str(caught.value)


def ways(layer: keras.layers.Layer, shape: tuple, dtype: str) -> list[Callable[[], Any]]:
    """How a bad input gets to a layer, if not by the op."""
    calls = [
        lambda: layer(np.zeros(shape, dtype)),
        lambda: layer(tf.zeros(shape, dtype)),
        lambda: tf.function(layer).get_concrete_function(tf.TensorSpec(shape, dtype)),
        lambda: layer(keras.Input(batch_shape=shape, dtype=dtype)),
    ]
    return calls if dtype != "float32" else [*calls, lambda: layer.compute_output_shape(shape)]


@pytest.mark.parametrize(
    ("rank", "options", "shape", "dtype", "error", "fragments"),
    [
        (1, {}, (2, 3), "float32", ValueError, ["GlobalMaxPooling1D takes inputs of rank 3"]),
        (1, {}, (2, 4, 4, 3), "float32", ValueError, ["GlobalMaxPool2D fits", "(2, 4, 4, 3)"]),
        (2, {}, (4, 4, 3), "float32", ValueError, ["GlobalMaxPool1D fits", "expand_dims"]),
        (3, {}, (2, 4, 4, 3), "float32", ValueError, ["GlobalMaxPool2D fits", "rank 5"]),
        (1, {}, (2, 0, 3), "float32", ValueError, ["(2, 0, 3)", "no maximum", "pad"]),
        (2, {}, (0, 4, 0, 3), "float32", ValueError, ["(0, 4, 0, 3)", "no maximum"]),
        (
            *(2, {"data_format": "channels_first"}, (2, 4, 4, 0), "float32", ValueError),
            ["(2, 4, 4, 0)", "channels_first", "no maximum"],
        ),
        (2, {}, (2, 4, 4, 3), "bool", TypeError, ["dtype bool", "float16", "uint64", "Cast"]),
    ],
    ids=str,
)
def test_bad_input(
    rank: int,
    options: dict,
    shape: tuple,
    dtype: str,
    error: type[Exception],
    fragments: list[str],
) -> None:
    layer = layer_class(rank)(**options)
    for call in ways(layer, shape, dtype):
        with pytest.raises(error) as caught:
            call()
        for fragment in fragments:
            assert fragment in str(caught.value)


@pytest.mark.parametrize(
    ("mask", "error", "fragments"),
    [
        (np.ones((2, 5)), TypeError, ["`mask`", "dtype float", "cast"]),
        (np.full((2, 4), True), ValueError, ["`mask`", "(2, 5)", "shape (2, 4)"]),
        (np.full((2, 5, 3), True), ValueError, ["`mask`", "(2, 5)", "shape (2, 5, 3)"]),
    ],
    ids=["float", "too short", "with channels"],
)
@by_mode
def test_bad_mask(mode: str, mask: np.ndarray, error: type[Exception], fragments: list) -> None:
    layer = layer_class(1)()
    with pytest.raises(error) as caught:
        in_mode(lambda x: layer(x, mask=mask), mode)(tf.zeros((2, 5, 3)))
    for fragment in fragments:
        assert fragment in str(caught.value)


# Saving

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "keepdims": {"keepdims": True},
    "indices": {"return_indices": True},
    "ieee": {"nonfinite": "ieee"},
    "channels_first": {"data_format": "channels_first"},
    "half": {"dtype": "float16"},
}
if keras.__version__.startswith("3.7."):
    del OPTIONS["half"]  # Keras 3.7 does not load its own cast from .h5, whatever the layers


def fan(rank: int) -> keras.Model:
    """A model with an output for each option, by the two spellings in turn, after a layer with weights."""
    inputs = keras.Input((*SPATIAL[rank], 4))
    x = keras.layers.Dense(4)(inputs)
    outputs = []
    for index, (name, options) in enumerate(OPTIONS.items()):
        layer = getattr(keras_maxpool, f"{SPELLINGS[index % 2]}{rank}D")(**options, name=name)
        outputs += tf.nest.flatten(layer(x))
    return keras.Model(inputs, outputs)


def use_aliases(path: Path) -> None:
    """Rewrites the names of the layers in a saved model, as if the short names had been saved."""

    def edit(text: str) -> str:
        return text.replace("GlobalMaxPooling", "GlobalMaxPool")

    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = edit(file.attrs["model_config"])
        return
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = parts["config.json"].decode()
    assert "keras_maxpool>GlobalMaxPooling" in config
    parts["config.json"] = edit(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


@by_rank
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("aliases", [False, True], ids=["as-written", "alias"])
def test_files(aliases: bool, suffix: str, rank: int, tmp_path: Path) -> None:
    model = fan(rank)
    path = tmp_path / f"model{suffix}"
    model.save(path)
    if aliases:
        use_aliases(path)
    assert_same_model(keras.models.load_model(path), model, rank)


@by_rank
@pytest.mark.parametrize("way", ["config", "clone", "json", "deepcopy"])
def test_copies(way: str, rank: int) -> None:
    model = fan(rank)
    copied = {
        "config": lambda: keras.Model.from_config(model.get_config()),
        "clone": lambda: keras.models.clone_model(model),
        "json": lambda: keras.models.model_from_json(json.dumps(json.loads(model.to_json()))),
        "deepcopy": lambda: copy.deepcopy(model),
    }[way]()
    copied.set_weights(model.get_weights())
    assert_same_model(copied, model, rank)


def assert_same_model(got: keras.Model, wanted: keras.Model, rank: int) -> None:
    x = np.random.default_rng(0).normal(size=(3, *SPATIAL[rank], 4)).astype("float32")
    x[0, 1] = np.nan
    for mine, theirs in zip(got(x), wanted(x), strict=True):
        assert_same(mine.numpy(), theirs.numpy())
    for name in OPTIONS:
        assert type(got.get_layer(name)) is layer_class(rank)
        assert got.get_layer(name).get_config() == wanted.get_layer(name).get_config()


# Models


def classifier(package: Any, rank: int) -> keras.Model:
    keras.utils.set_random_seed(rank)
    conv = getattr(keras.layers, f"Conv{rank}D")
    pool = getattr(package, f"{SPELLINGS[rank % 2]}{rank}D")
    return keras.Sequential(
        [
            conv(4, 2, activation="relu"),
            pool(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


@by_rank
@by_mode
def test_trains_as_the_builtin(mode: str, rank: int) -> None:
    """Bit for bit, ties of what relu has cut off included; from a model without an `Input`."""
    rng = np.random.default_rng(rank)
    x, y = rng.normal(size=(16, *[5] * rank, 2)).astype("float32"), rng.integers(0, 3, 16)
    found = []
    for package in (keras_maxpool, keras.layers):
        model = classifier(package, rank)
        model.compile(
            *("sgd", "sparse_categorical_crossentropy"),
            jit_compile=mode == "xla",
            run_eagerly=mode == "eager",
        )
        history = model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
        found.append((history.history["loss"], model.get_weights()))
    (losses, weights), (wanted_losses, wanted_weights) = found
    assert losses == wanted_losses
    assert losses[0] != losses[1]
    for weight, wanted in zip(weights, wanted_weights, strict=True):
        np.testing.assert_array_equal(weight, wanted, strict=True)


@by_mode
def test_trains_with_masks(mode: str) -> None:
    """Padding changes nothing: the same losses as of the words alone."""
    found = []
    for padding in (0, 3):
        keras.utils.set_random_seed(5)
        model = keras.Sequential(
            [
                keras.layers.Embedding(6, 4, mask_zero=True),
                layer_class(1)(nonfinite="ieee"),
                keras.layers.Dense(2),
            ]
        )
        model.compile("sgd", "mse", jit_compile=mode == "xla", run_eagerly=mode == "eager")
        words = np.random.default_rng(0).integers(1, 6, (8, 5))
        words = np.pad(words, [(0, 0), (0, padding)])
        found.append(model.fit(words, np.ones((8, 2)), epochs=3, verbose=0).history["loss"])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-6)
    assert found[0][0] > found[0][2]
