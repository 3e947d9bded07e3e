"""Fractional max pooling: the reference, TensorFlow's and PyTorch's over their regions, seeds, models, bad input."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
import tensorflow as tf
from conformance import torch_fractional
from conformance.regions_running import copied_by, fractional_cuts, rename, upstream_for, with_both
from harness.assertions import assert_same
from harness.cases import FLOATS, FORMATS, INTEGERS, distinct, ties
from harness.keras_version import keras
from harness.runner import MODES, run
from reference import regions as reference_regions

import keras_maxpool
from keras_maxpool.backend.tensorflow import regions
from keras_maxpool.backend.tensorflow.context import current_context
from keras_maxpool.compat import keras as keras_used

# Ratios below and above 2, whole ones, and one an axis.
TABLE: list[tuple[tuple[int, ...], Any]] = [
    ((10,), 1.44),
    ((9, 7), 1.5),
    ((8, 6), 2),
    ((11, 6), (3.3, 1)),
    ((7, 6, 5), (1.2, 2.5, 1.7)),
]

by_mode = pytest.mark.parametrize("mode", MODES)
by_rank = pytest.mark.parametrize("rank", [1, 2, 3], ids="{}d".format)
by_kind = pytest.mark.parametrize("pseudo_random", [False, True], ids=["random", "pseudo"])
by_overlap = pytest.mark.parametrize("overlapping", [False, True], ids=["disjoint", "overlapping"])


def layer_of(rank: int, *args: Any, **options: Any) -> keras.Layer:
    return getattr(keras_maxpool, f"FractionalMaxPool{rank}D")(*args, **options)


def cuts_of(
    spatial: tuple[int, ...], ratio: Any, seed: int, pseudo_random: bool, overlapping: bool
) -> list[reference_regions.Cut]:
    """The regions of a seed, for one ratio or one an axis."""
    ratios = ratio if isinstance(ratio, tuple) else (ratio,) * len(spatial)
    outputs = [math.floor(size / r) for size, r in zip(spatial, ratios, strict=True)]
    return fractional_cuts(spatial, outputs, seed, pseudo_random, overlapping)


def example(spatial: tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    rng = np.random.default_rng(sum(spatial))
    return ties((2, *spatial, 3), dtype, rng).astype(tf.as_dtype(dtype).as_numpy_dtype)


# The reference


@by_mode
@pytest.mark.parametrize(("spatial", "ratio"), TABLE, ids=str)
def test_values_indices_and_gradient(spatial: tuple[int, ...], ratio: Any, mode: str) -> None:
    index = TABLE.index((spatial, ratio))
    data_format, kinds = FORMATS[index % 2], {"pseudo_random": index > 2, "overlapping": index > 0}
    x = example(spatial)
    values, places = reference_regions.pool(x, cuts_of(spatial, ratio, 5, **kinds))
    upstream = upstream_for(values)
    expected = values, places, reference.gradient(x.shape, places, upstream, dtype="float32")
    if data_format == "channels_first":
        x, upstream = reference.channels_first(x), reference.channels_first(upstream)
        expected = tuple(map(reference.channels_first, expected))
    arguments = {"data_format": data_format, "seed": 5, **kinds}
    layer = layer_of(len(spatial), ratio, return_indices=True, **arguments)
    for got, wanted in zip(run(with_both(layer), mode, x, upstream), expected, strict=True):
        assert_same(got, wanted)
    got = keras_maxpool.ops.fractional_max_pool(x, ratio, **arguments)
    assert_same(got.numpy(), expected[0])


@by_kind
@pytest.mark.parametrize("mode", ["graph", "xla"])
def test_unknown_sizes(mode: str, pseudo_random: bool) -> None:
    """One graph for all sizes, which draws the same regions as one that knows them."""
    layer = layer_of(2, (1.44, 2.5), pseudo_random, True, seed=5, return_indices=True)
    unknown = tf.TensorSpec([None] * 4)
    function = tf.function(with_both(layer), (unknown, unknown), jit_compile=mode == "xla")
    for spatial in ((9, 7), (12, 5)):
        x = example(spatial)
        cuts = cuts_of(spatial, (1.44, 2.5), 5, pseudo_random, True)
        pooled = reference_regions.pool(x, cuts)
        upstream = upstream_for(pooled.values)
        gradient = reference.gradient(x.shape, pooled.indices, upstream, dtype="float32")
        got = function(tf.constant(x), tf.constant(upstream))
        for result, wanted in zip(got, (*pooled, gradient), strict=True):
            assert_same(result.numpy(), wanted)


@pytest.mark.parametrize("data_format", FORMATS)
def test_a_known_size_stays_known(data_format: str) -> None:
    """Beside an unknown one, on which it depends where its bits stand among the random ones."""
    shape = [2, None, 9, 3] if data_format == "channels_last" else [2, 3, None, 9]
    function = tf.function(layer_of(2, 1.5, data_format=data_format, return_indices=True))
    values, indices = function.get_concrete_function(tf.TensorSpec(shape)).output_shapes
    wanted = [6 if size == 9 else size for size in shape]
    assert values.as_list() == indices.as_list() == wanted


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_dtypes(dtype: str) -> None:
    x = example((9, 7), dtype)
    expected = reference_regions.pool(x, cuts_of((9, 7), 1.5, 0, False, False))
    got = keras_maxpool.ops.fractional_max_pool(x, 1.5, seed=0, return_indices=True)
    assert_same(got[0].numpy(), expected.values)
    assert_same(got[1].numpy(), expected.indices)


@by_mode
@pytest.mark.parametrize("shape", [(0, 5, 4, 3), (2, 5, 4, 0)], ids=["no-samples", "no-channels"])
def test_empty(shape: tuple[int, ...], mode: str) -> None:
    layer = layer_of(2, 1.5, return_indices=True)
    upstream = np.zeros((shape[0], 3, 2, shape[3]), "float32")
    values, indices, gradient = run(with_both(layer), mode, np.zeros(shape, "float32"), upstream)
    assert values.shape == indices.shape == upstream.shape
    assert_same(gradient, np.zeros(shape, "float32"))


def test_an_unknown_size_of_which_one_is_left() -> None:
    pool = tf.function(
        lambda x: keras_maxpool.ops.fractional_max_pool(x, 2, seed=0),
        input_signature=[tf.TensorSpec([None, None, 1])],
    )
    assert pool(tf.constant([[[1.0], [3.0], [2.0]]])).numpy().tolist() == [[[3.0]]]


def test_an_unknown_size_that_is_too_small() -> None:
    """An error where a graph can raise one; nothing, where XLA cannot."""
    unknown = tf.TensorSpec([None] * 4)
    x = tf.zeros([1, 2, 5, 1])
    with pytest.raises(tf.errors.InvalidArgumentError, match="leaves nothing of spatial axis"):
        tf.function(layer_of(2, 2.5), [unknown])(x)
    assert tf.function(layer_of(2, 2.5), [unknown], jit_compile=True)(x).shape == (1, 0, 2, 1)


# Output sizes


@pytest.mark.parametrize("ratio", [1.0, 1.25, 1.44, 1.73, 2.0, 2**0.5, 2.5, 3.0])
def test_output_sizes_are_tensorflows(ratio: float) -> None:
    """Up to 36 / 1.44, which is 25: TensorFlow divides in float32, and gives 24."""
    layer = layer_of(2, (ratio, 1))
    for size in range(3, 36):
        x = tf.zeros([1, size, 1, 1])
        theirs = tf.nn.fractional_max_pool(x, [1, ratio, 1, 1]).output
        assert layer.compute_output_shape(x.shape) == tuple(theirs.shape)


def test_36_over_1_44_is_25() -> None:
    assert layer_of(2, (1.44, 1)).compute_output_shape((1, 36, 1, 1)) == (1, 25, 1, 1)


@pytest.mark.parametrize(
    ("size", "outputs", "got"),
    [
        (617, 500, 500),
        (1_000_003, 999_983, 999_983),
        (1_500_007, 1_000_003, 1_000_002),  # the nearest fraction with less is a little larger
    ],
)
def test_ratios_have_denominators_up_to_a_million(size: int, outputs: int, got: int) -> None:
    assert layer_of(1, size / outputs).compute_output_shape((1, size, 1)) == (1, got, 1)


def test_a_ratio_of_whole_numbers_is_exact() -> None:
    """As floats, some of these are just below the whole number that they are."""
    for outputs in range(1, 30):
        for size in range(outputs, 3 * outputs):
            assert layer_of(1, size / outputs).compute_output_shape((1, size, 1)) == (1, outputs, 1)


# TensorFlow's and PyTorch's own poolings, over the regions that they draw


def pool_between(x: np.ndarray, cuts: list[reference_regions.Cut], upstream: np.ndarray) -> list:
    axes = [
        regions.between(np.array(s), np.array(e), int(np.max(np.subtract(e, s)))) for s, e in cuts
    ]
    function = with_both(lambda x: regions.pool_channels_last(x, axes, current_context(x)))
    return run(function, "eager", x, upstream)


@by_kind
@by_overlap
@pytest.mark.parametrize("fill", [distinct, ties], ids=lambda fill: fill.__name__)
def test_as_tensorflows(
    fill: Callable[..., np.ndarray], overlapping: bool, pseudo_random: bool
) -> None:
    """Ties and all. It has 2D in channels-last and float32, float64 and (u)int alone, and none in XLA."""
    rng = np.random.default_rng(2)
    for seed, (ratio, spatial) in enumerate([(1.44, (12, 9)), (1.9, (13, 10)), (2.6, (14, 11))], 1):
        x = fill((2, *spatial, 3), "float32", rng).astype("float32")

        def theirs(x: tf.Tensor, ratio: float = ratio, seed: int = seed) -> Any:
            options = {"pseudo_random": pseudo_random, "overlapping": overlapping, "seed": seed}
            return tf.nn.fractional_max_pool(x, [1, ratio, ratio, 1], **options)

        with tf.GradientTape() as tape:
            source = tf.constant(x)
            tape.watch(source)
            output, *bounds = theirs(source)
        upstream = upstream_for(output.numpy())
        cuts = [
            reference_regions.from_bounds(b.numpy().tolist(), size, overlapping)
            for b, size in zip(bounds, spatial, strict=True)
        ]
        values, _, gradient = pool_between(x, cuts, upstream)
        assert_same(values, output.numpy())
        assert_same(gradient, tape.gradient(output, source, output_gradients=upstream).numpy())
        # Its lengths are ours: each of the two as often.
        kinds = {"pseudo_random": False, "overlapping": False}
        for (starts, ends), b in zip(cuts_of(spatial, ratio, seed, **kinds), bounds, strict=True):
            if not pseudo_random:
                assert sorted(np.subtract(ends, starts)) == sorted(np.diff(b.numpy()))


@pytest.mark.parametrize("rank", [2, 3], ids="{}d".format)
def test_as_pytorchs(rank: int) -> None:
    """Given its window and its starts, which are not Graham's: values, indices and gradient."""
    for given in torch_fractional.cases(rank):
        results = pool_between(given.x, given.cuts, given.upstream)
        for got, wanted in zip(results, given.results, strict=True):
            np.testing.assert_array_equal(got, wanted)


# Seeds and training


def training_calls(layer: keras.Layer, mode: str, count: int = 3) -> list[np.ndarray]:
    """What a few calls in training give, one after another."""

    def function(x: tf.Tensor) -> tf.Tensor:
        return layer(x, training=True)

    if mode != "eager":
        function = tf.function(function, jit_compile=mode == "xla")
    return [function(tf.constant(example((12, 9)))).numpy() for _ in range(count)]


@by_kind
def test_training_draws_in_each_call_and_equally_in_each_mode(pseudo_random: bool) -> None:
    x = distinct((1, 12, 9, 1), "float32", np.random.default_rng(4)).astype("float32")
    calls = []
    for mode in MODES:
        layer = layer_of(2, 1.44, pseudo_random, seed=6)
        function = tf.function(layer, jit_compile=mode == "xla") if mode != "eager" else layer
        calls.append([function(tf.constant(x), training=True).numpy() for _ in range(4)])
    assert len({call.tobytes() for call in calls[0]}) > 1
    for others in calls[1:]:
        for got, wanted in zip(others, calls[0], strict=True):
            assert_same(got, wanted)


def test_inference_is_the_same_in_every_call() -> None:
    x = example((12, 9))
    layer = layer_of(2, 1.44, seed=6)
    first = layer(x).numpy()
    training_calls(layer, "eager")
    assert_same(layer(x).numpy(), first)
    assert_same(layer_of(2, 1.44, seed=6)(x).numpy(), first)
    of_zero = keras_maxpool.ops.fractional_max_pool(x, 1.44, seed=0).numpy()
    assert_same(layer_of(2, 1.44)(x).numpy(), of_zero)
    assert_same(layer_of(2, 1.44, seed=0)(x).numpy(), of_zero)


def test_unseeded_layers_differ_in_training() -> None:
    one, other = (training_calls(layer_of(2, 1.44), "eager") for _ in range(2))
    assert any(not np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_seeds_of_the_op() -> None:
    """An integer is the same for ever, a generator goes on, and None is Keras's own generator."""
    x = example((12, 9))
    pool = keras_maxpool.ops.fractional_max_pool
    assert_same(pool(x, 1.44, seed=6).numpy(), pool(x, 1.44, seed=6).numpy())
    generator = keras_used.random.SeedGenerator(6)
    drawn = [pool(x, 1.44, seed=generator).numpy() for _ in range(3)]
    for got, wanted in zip(drawn, training_calls(layer_of(2, 1.44, seed=6), "eager"), strict=True):
        assert_same(got, wanted)
    before = generator.state.numpy().tolist()
    pool(x[:0], 1.44, seed=generator)  # a batch without samples, like any other
    assert generator.state.numpy().tolist() != before
    rounds = []
    for _ in range(2):
        keras.backend.clear_session()  # Keras 3.7 keeps its generator otherwise
        keras.utils.set_random_seed(1)
        rounds.append([pool(x, 1.44).numpy() for _ in range(3)])
    assert len({call.tobytes() for call in rounds[0]}) > 1
    for one, other in zip(*rounds, strict=True):
        assert_same(one, other)


def test_one_draw_serves_all_samples_and_channels() -> None:
    x = np.broadcast_to(np.arange(108, dtype="float32").reshape(1, 12, 9, 1), (4, 12, 9, 3))
    values = layer_of(2, 1.44)(x, training=True).numpy()
    np.testing.assert_array_equal(values, np.broadcast_to(values[:1, ..., :1], values.shape))


# Models


def model_of(rank: int, name: str = "FractionalMaxPooling") -> keras.Model:
    """A layer with weights, then ours in both forms."""
    layer = getattr(keras_maxpool, f"{name}{rank}D")
    inputs = keras.Input((*[None] * rank, 2))
    x = keras.layers.Dense(3)(inputs)
    values, indices = layer(1.44, seed=8, return_indices=True, name="pair")(x)
    one = layer((1.2,) * rank, True, True, name="one")(values)
    return keras.Model(inputs, [values, indices, one])


def assert_predicts(got: keras.Model, wanted: keras.Model, rank: int) -> None:
    x = np.random.default_rng(3).normal(size=(2, *(9, 7, 5)[:rank], 2)).astype("float32")
    expected = [np.asarray(output) for output in wanted(x)]
    for results in (got(x), got.predict(x, verbose=0)):
        for result, output in zip(results, expected, strict=True):
            assert_same(np.asarray(result), output)


@by_rank
def test_symbolic_shapes_and_dtypes(rank: int) -> None:
    layer = layer_of(rank, 1.44, return_indices=True)
    values, indices = layer(keras.Input((*(10, None, 7)[:rank], 3)))
    assert values.shape == indices.shape == (None, *(6, None, 4)[:rank], 3)
    assert (values.dtype, indices.dtype) == ("float32", "int64")


@by_rank
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("alias", [False, True], ids=["name", "alias"])
def test_saved_models_load(alias: bool, suffix: str, rank: int, tmp_path: Path) -> None:
    model = model_of(rank, "FractionalMaxPool")
    path = tmp_path / f"model{suffix}"
    model.save(path)
    if alias:
        rename(path, "FractionalMaxPooling", "FractionalMaxPool")
    loaded = keras.models.load_model(path)
    assert loaded.get_layer("pair").get_config() == model.get_layer("pair").get_config()
    assert type(loaded.get_layer("one")) is type(layer_of(rank, 1.5))
    assert_predicts(loaded, model, rank)


@pytest.mark.parametrize("way", ["clone", "deepcopy", "from_config", "json"])
def test_copies(way: str) -> None:
    model = model_of(2)
    copied = copied_by(way, model)
    copied.set_weights(model.get_weights())
    assert_predicts(copied, model, 2)


def test_config() -> None:
    layer = layer_of(2, [2, np.float32(1.5)], True, seed=np.int64(3), name="pool")
    config = layer.get_config()
    assert config["pooling_ratio"] == (2.0, 1.5)
    assert (config["pseudo_random"], config["overlapping"], config["seed"]) == (True, False, 3)
    again = type(layer).from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_fit(jit_compile: bool) -> None:
    """Graham's networks in small; the mean loss falls."""
    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.Input((12, 12, 2)),
            keras.layers.Conv2D(4, 2, activation="relu"),
            keras_maxpool.FractionalMaxPool2D(1.44, pseudo_random=True, overlapping=True, seed=1),
            keras.layers.Conv2D(4, 2, activation="relu"),
            keras_maxpool.FractionalMaxPooling2D(1.44, seed=2),
            keras.layers.Flatten(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", jit_compile=jit_compile)
    rng = np.random.default_rng(5)
    y = rng.integers(0, 3, 24)
    x = (rng.normal(size=(24, 12, 12, 2)) + y.reshape(-1, 1, 1, 1)).astype("float32")
    losses = model.fit(x, y, batch_size=8, epochs=8, shuffle=False, verbose=0).history["loss"]
    assert np.mean(losses[-3:]) < np.mean(losses[:3])


# Bad arguments and inputs

RATIO = {"pooling_ratio": 1.5}
BAD_ARGUMENTS: list[tuple[dict[str, Any], type[Exception], tuple[str, ...]]] = [
    ({"pooling_ratio": 0.5}, ValueError, ("`pooling_ratio` must be at least 1", "ratio=0.5")),
    ({"pooling_ratio": (1.5, -1)}, ValueError, ("at least 1", "(1.5, -1)")),
    ({"pooling_ratio": float("nan")}, ValueError, ("at least 1", "nan")),
    ({"pooling_ratio": float("inf")}, ValueError, ("must be below 2**31", "inf")),
    ({"pooling_ratio": 10**400}, ValueError, ("must be below 2**31",)),
    (
        {"pooling_ratio": [1, 1.44, 1.44, 1]},
        ValueError,
        ("1 or 2 numbers", "has 4", "one per spatial axis"),
    ),
    ({"pooling_ratio": "1.5"}, TypeError, ("takes numbers, not str", "'1.5'")),
    ({"pooling_ratio": True}, TypeError, ("takes numbers, not bool",)),
    ({"pooling_ratio": (1.5, None)}, TypeError, ("not NoneType", "(1.5, None)")),
    (RATIO | {"pseudo_random": 1}, TypeError, ("`pseudo_random` takes True or False",)),
    (RATIO | {"overlapping": "no"}, TypeError, ("`overlapping` takes True or False", "'no'")),
    (RATIO | {"return_indices": None}, TypeError, ("`return_indices` takes True or False",)),
    (RATIO | {"data_format": "NHWC"}, ValueError, ("`data_format`", "'NHWC'")),
    (RATIO | {"seed": 1.5}, TypeError, ("`seed` takes integers, not float", "seed=1.5")),
    (RATIO | {"seed": -1}, ValueError, ("`seed` is out of range", "seed=-1", "2**31 - 1")),
    (RATIO | {"seed": 2**31}, ValueError, ("`seed` is out of range",)),
]


@pytest.mark.parametrize(("options", "error", "fragments"), BAD_ARGUMENTS)
def test_bad_argument(
    options: dict[str, Any], error: type[Exception], fragments: tuple[str, ...]
) -> None:
    with pytest.raises(error) as of_layer:
        keras_maxpool.FractionalMaxPool2D(**options)
    with pytest.raises(error) as of_op:
        keras_maxpool.ops.fractional_max_pool(tf.zeros([1, 4, 4, 1]), **options)
    assert str(of_op.value) == str(of_layer.value)
    for fragment in fragments:
        assert fragment in str(of_layer.value)


def test_unknown_argument() -> None:
    with pytest.raises(ValueError, match=r"'pool_size'.*pooling_ratio, pseudo_random, overlapping"):
        keras_maxpool.FractionalMaxPool2D(1.5, pool_size=2)


BAD_INPUTS: list[tuple[tuple[int, ...], str, type[Exception], tuple[str, ...]]] = [
    ((5, 4, 3), "float32", ValueError, ("rank 4", "expand_dims", "FractionalMaxPool1D fits")),
    ((2, 5, 4, 3, 2), "float32", ValueError, ("rank 4", "FractionalMaxPool3D fits")),
    (
        (2, 5, 2, 3),
        "float32",
        ValueError,
        ("leaves nothing of spatial axis 1", "2 elements", "2.5"),
    ),
    ((2, 0, 4, 3), "float32", ValueError, ("leaves nothing of spatial axis 0", "(0, 4)")),
    ((2, 5, 4, 3), "bool", TypeError, ("dtype bool", "Cast")),
]


@pytest.mark.parametrize(("shape", "dtype", "error", "fragments"), BAD_INPUTS, ids=str)
def test_bad_input(
    shape: tuple[int, ...], dtype: str, error: type[Exception], fragments: tuple[str, ...]
) -> None:
    """One text, however the input gets there."""
    layer = layer_of(2, 2.5)
    texts = []
    for given in (np.zeros(shape, dtype), keras.Input(batch_shape=shape, dtype=dtype)):
        with pytest.raises(error) as info:
            layer(given)
        texts.append(str(info.value))
    if dtype == "float32":
        with pytest.raises(error) as info:
            layer.compute_output_shape(shape)
        texts.append(str(info.value))
    assert len(set(texts)) == 1
    for fragment in fragments:
        assert fragment in texts[0]
