"""Arguments set after a layer was made: it runs, describes itself and is saved as if made with them."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from harness.keras_version import keras

import keras_maxpool

# For each family, what it is made with and what is set later, as a user may write it.
FAMILIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "MaxPooling": (
        {"pool_size": 3, "strides": 2, "padding": 1},
        {
            "pool_size": 2,
            "strides": 1,
            "padding": "SAME",
            "data_format": "Channels_First",
            "dilation_rate": 2,
            "ceil_mode": True,
            "return_indices": True,
            "nonfinite": "ieee",
            "implementation": "shifted",
            "indices_convention": "tensorflow",
        },
    ),
    "GlobalMaxPooling": (
        {},
        {
            "data_format": "channels_first",
            "keepdims": True,
            "return_indices": True,
            "nonfinite": "ieee",
        },
    ),
    "AdaptiveMaxPooling": (
        {"output_size": 2},
        {"output_size": 3, "data_format": "channels_first", "return_indices": True},
    ),
    "FractionalMaxPooling": (
        {"pooling_ratio": 1.5},
        {
            "pooling_ratio": 2,
            "pseudo_random": True,
            "overlapping": True,
            "data_format": "channels_first",
            "seed": 5,
            "return_indices": True,
        },
    ),
    "MaxUnpooling": (
        {"pool_size": 3, "strides": 3},
        {
            "pool_size": 4,
            "strides": 4,
            "padding": 1,
            "data_format": "channels_first",
            "output_size": 20,
            "indices_convention": "tensorflow",
        },
    ),
}
SIZES = {1: (12,), 2: (7, 8), 3: (5, 6, 7)}
every_rank = pytest.mark.parametrize("rank", [1, 2, 3], ids=lambda rank: f"{rank}d")
every_argument = pytest.mark.parametrize(
    ("family", "argument"),
    [(family, argument) for family, (_, later) in FAMILIES.items() for argument in later],
)


def made(family: str, rank: int, **options: Any) -> Any:
    options = FAMILIES[family][0] | options
    return getattr(keras_maxpool, f"{family}{rank}D")(**options)


def inputs_of(family: str, rank: int) -> list[Any]:
    """A tensor whose channels count 5; for unpooling small indices to go with it."""
    rng = np.random.default_rng(rank)
    x = rng.normal(size=(2, *SIZES[rank], 5)).astype("float32")
    if family != "MaxUnpooling":
        x[0].flat[3] = np.nan
        return [tf.constant(x)]
    return [tf.constant(x), tf.constant(rng.integers(0, 5, x.shape))]


def outputs(layer: Any, inputs: list[Any]) -> str:
    """What the layer gives, written out so that NaN equals NaN."""
    return repr([array.numpy().tolist() for array in tf.nest.flatten(layer(*inputs))])


def description(layer: Any, inputs: list[Any]) -> list[Any]:
    """What the layer says of itself, but its name."""
    symbols = [keras.Input(x.shape[1:], batch_size=2, dtype=x.dtype.name) for x in inputs]
    config = layer.get_config()
    del config["name"]
    return [
        config,
        repr(layer.compute_output_shape(*(x.shape for x in inputs))),
        [tuple(symbol.shape) for symbol in tf.nest.flatten(layer(*symbols))],
    ]


# These need not change the values.
SAME_VALUES = [("MaxPooling", "implementation"), ("GlobalMaxPooling", "nonfinite")]


@every_rank
@every_argument
def test_every_argument_obeys(family: str, argument: str, rank: int) -> None:
    """Before the first call and after it."""
    value = FAMILIES[family][1][argument]
    inputs = inputs_of(family, rank)
    shown = {"return_indices": True} if argument == "indices_convention" else {}
    options = shown if family == "MaxPooling" else {}
    wanted = made(family, rank, **options, **{argument: value})
    used, unused = made(family, rank, **options), made(family, rank, **options)
    before = outputs(used, inputs)
    for layer in (used, unused):
        setattr(layer, argument, value)
        assert getattr(layer, argument) == getattr(wanted, argument)
        assert outputs(layer, inputs) == outputs(wanted, inputs)
        assert description(layer, inputs) == description(wanted, inputs)
    if (family, argument) not in SAME_VALUES:
        assert outputs(used, inputs) != before


def test_no_argument_is_forgotten() -> None:
    """An argument that is new to a layer belongs into this test."""
    for family, (_, later) in FAMILIES.items():
        own = made(family, 2).get_config().keys() - {"name", "trainable", "dtype"}
        assert own == later.keys(), family


def test_values_become_those_of_the_constructor() -> None:
    layer = keras_maxpool.MaxPooling2D(4, 2)
    layer.strides = np.int64(1)
    assert layer.strides == (1, 1)
    assert [type(stride) for stride in layer.strides] == [int, int]
    layer.padding = "Same"
    assert layer.padding == "same"
    layer.padding = [1, (0, 2)]
    assert layer.padding == ((1, 1), (0, 2))
    layer.padding = 0
    assert layer.padding == "valid"
    layer.strides = None
    assert layer.strides == (4, 4)
    layer.pool_size = 3  # the strides were those of the window when they were set
    assert layer.strides == (4, 4)
    layer.data_format = None
    assert layer.data_format == keras.backend.image_data_format()


@every_rank
def test_masks_obey(rank: int) -> None:
    x = inputs_of("MaxPooling", rank)[0]
    mask = tf.constant(np.random.default_rng(9).random((2, *SIZES[rank])) < 0.2)
    for argument in ("pool_size", "strides", "padding", "dilation_rate", "ceil_mode"):
        value = FAMILIES["MaxPooling"][1][argument]
        layer, wanted = made("MaxPooling", rank), made("MaxPooling", rank, **{argument: value})
        before = layer.compute_mask(x, mask).numpy().tolist()
        setattr(layer, argument, value)
        pooled = wanted.compute_mask(x, mask).numpy().tolist()
        assert pooled != before
        assert layer.compute_mask(x, mask).numpy().tolist() == pooled
        assert repr(layer(x, mask=mask).numpy()) == repr(wanted(x, mask=mask).numpy())


# --- Beside the built-in ---


def beside_the_built_in(name: str, options: dict[str, Any], argument: str, value: Any) -> None:
    layers = [getattr(package, name)(**options) for package in (keras_maxpool, keras.layers)]
    x = np.random.default_rng(3).normal(size=(2, *SIZES[int(name[-2])], 3)).astype("float32")
    for layer in layers:
        layer(x)
        setattr(layer, argument, value)
    ours, builtin = layers
    assert tuple(ours.compute_output_shape(x.shape)) == tuple(builtin.compute_output_shape(x.shape))
    assert ours.get_config()[argument] == builtin.get_config()[argument]
    if argument != "data_format":  # TensorFlow on CPU pools channels last
        np.testing.assert_array_equal(ours(x), builtin(x), strict=True)


@every_rank
def test_as_the_built_in(rank: int) -> None:
    """In what it has, written as it holds it."""
    arguments = {"pool_size": (3,) * rank, "strides": (1,) * rank, "padding": "same"}
    for argument, value in (arguments | {"data_format": "channels_first"}).items():
        beside_the_built_in(f"MaxPooling{rank}D", {"pool_size": 2}, argument, value)
    for argument, value in {"keepdims": True, "data_format": "channels_first"}.items():
        beside_the_built_in(f"GlobalMaxPooling{rank}D", {}, argument, value)
    if hasattr(keras.layers, "AdaptiveMaxPooling1D"):  # newer than the lowest Keras
        name, size = f"AdaptiveMaxPooling{rank}D", (3,) * rank
        beside_the_built_in(name, {"output_size": 2}, "output_size", size)


def test_what_is_traced_stays_as_in_the_built_in() -> None:
    """Until the model is compiled."""
    x = np.random.default_rng(4).normal(size=(1, 6, 6, 1)).astype("float32")
    for package in (keras_maxpool, keras.layers):
        layer = package.MaxPooling2D(2)
        model = keras.Sequential([keras.Input((6, 6, 1)), layer])
        before = model.predict(x, verbose=0)
        layer.pool_size = layer.strides = (3, 3)
        np.testing.assert_array_equal(model.predict(x, verbose=0), before)
        model.compile("sgd", "mse")
        wanted = x.reshape(1, 2, 3, 2, 3).max((2, 4))[..., None]
        np.testing.assert_array_equal(model.predict(x, verbose=0), wanted)
        np.testing.assert_array_equal(model(x), wanted)


# --- What is refused ---

BAD = {
    "pool_size": [0, "2", (2, 2, 2, 2), True, 1],  # the last has no room for padding=1
    "strides": [0, 1.5, [1, 2, 3, 4]],
    "padding": ["full", -1, 4, [(0, 0, 0)]],
    "data_format": ["NHWC", 1],
    "dilation_rate": [0, 2.0],
    "ceil_mode": [1, None],
    "return_indices": ["yes"],
    "nonfinite": ["nan", True],
    "implementation": ["fast"],
    "indices_convention": ["numpy", None],
    "keepdims": [0],
    "output_size": [0, "7"],
    "pooling_ratio": [0.5, "2", None],
    "pseudo_random": [None],
    "overlapping": [1],
    "seed": [-1, 2**31, 0.5],
}
CONTRADICTIONS: list[tuple[dict[str, Any], str, Any]] = [
    ({"padding": "same"}, "ceil_mode", True),
    ({"ceil_mode": True}, "padding", "same"),
    ({"implementation": "direct"}, "dilation_rate", 2),
    ({"dilation_rate": 2}, "implementation", "direct"),
    ({"padding": 2}, "pool_size", 2),
    ({"pool_size": 2}, "padding", 2),
    ({"padding": 2, "dilation_rate": 2, "pool_size": 2}, "dilation_rate", 1),
]


def assert_refused(family: str, rank: int, options: dict[str, Any], name: str, value: Any) -> None:
    """With the constructor's words, and the layer is as before."""
    layer, inputs = made(family, rank, **options), inputs_of(family, rank)
    before = layer.get_config(), outputs(layer, inputs)
    with pytest.raises((TypeError, ValueError)) as wanted:
        made(family, rank, **options | {name: value})
    with pytest.raises(type(wanted.value)) as refusal:
        setattr(layer, name, value)
    assert str(refusal.value) == str(wanted.value)
    assert (layer.get_config(), outputs(layer, inputs)) == before


@every_argument
def test_bad_values_are_refused(family: str, argument: str) -> None:
    for rank in (1, 2, 3):
        for value in BAD[argument]:
            if (family, argument, value) != ("MaxUnpooling", "pool_size", 1):  # it has no padding
                assert_refused(family, rank, {}, argument, value)


@every_rank
def test_contradictions_are_refused(rank: int) -> None:
    for options, argument, value in CONTRADICTIONS:
        assert_refused("MaxPooling", rank, {"padding": 0} | options, argument, value)
    assert_refused("MaxUnpooling", rank, {"padding": 2}, "pool_size", 2)
    if rank > 1:
        assert_refused("MaxPooling", rank, {}, "padding", "causal")


# --- The seed ---


def draws(layer: Any, training: Any, count: int = 4) -> list[Any]:
    x = np.arange(40.0, dtype="float32").reshape(1, 40, 1)
    return [layer(x, training=training).numpy().ravel().tolist() for _ in range(count)]


def test_a_seed_set_later_starts_anew() -> None:
    layer, wanted = (keras_maxpool.FractionalMaxPooling1D(1.5, seed=seed) for seed in (3, 7))
    inference, training = draws(wanted, False), draws(wanted, True)
    draws(layer, True)
    layer.seed = 7
    assert draws(layer, False) == inference
    assert draws(layer, True) == training
    layer.seed = 7
    assert draws(layer, True) == training
    layer.pseudo_random = False  # which is no seed, so that the draws go on
    assert draws(layer, True) != training
    layer.seed = None
    assert draws(layer, True) != draws(layer, True)
    assert draws(layer, False) == draws(keras_maxpool.FractionalMaxPooling1D(1.5), False)


def test_a_traced_training_step_follows_a_seed() -> None:
    """Its generator is a variable."""
    layer, wanted = (keras_maxpool.FractionalMaxPooling1D(1.5, seed=seed) for seed in (3, 7))
    step = tf.function(lambda x: layer(x, training=True))
    x = np.arange(40.0, dtype="float32").reshape(1, 40, 1)
    step(x)
    layer.seed = 7
    traced = [step(x).numpy().ravel().tolist() for _ in range(4)]
    assert traced == draws(wanted, True)
    assert step.experimental_get_tracing_count() == 1


def test_a_refused_seed_leaves_the_draws() -> None:
    layer, wanted = (keras_maxpool.FractionalMaxPooling1D(1.5, seed=3) for _ in range(2))
    assert draws(layer, True, 2) == draws(wanted, True, 2)
    with pytest.raises(ValueError, match="`seed` is out of range; received seed=-1"):
        layer.seed = -1
    assert draws(layer, True) == draws(wanted, True)


# --- Copies and subclasses ---


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy], ids=lambda copied: copied.__name__)
def test_copies_have_what_was_set(copied: Any) -> None:
    layer = keras_maxpool.MaxPooling2D(2)
    layer.strides = 1
    twin = copied(layer)
    twin.padding = "same"
    x = inputs_of("MaxPooling", 2)
    assert outputs(twin, x) == outputs(keras_maxpool.MaxPooling2D(2, 1, "same"), x)
    assert outputs(layer, x) == outputs(keras_maxpool.MaxPooling2D(2, 1), x)


def test_clones_and_files_have_what_was_set(tmp_path: Any) -> None:
    """And so their values are the model's."""
    model = keras.Sequential([keras.Input((7, 8, 5)), keras_maxpool.MaxPooling2D(2)])
    model.layers[-1].strides = 1
    model.save(tmp_path / "model.keras")
    x = inputs_of("MaxPooling", 2)
    for twin in (
        keras.models.clone_model(model),
        keras.models.load_model(tmp_path / "model.keras"),
        pickle.loads(pickle.dumps(model)),
    ):
        assert outputs(twin, x) == outputs(model, x)
        assert outputs(twin, x) == outputs(keras_maxpool.MaxPooling2D(2, 1), x)


class Dyadic(keras_maxpool.MaxPooling1D):
    """Sets arguments of the base before and after its `__init__`, and has one of its own."""

    own_arguments = (*keras_maxpool.MaxPooling1D.own_arguments, "power")

    def __init__(self, power: int, pool_size: Any = 2, **kwargs: Any) -> None:
        self.pool_size = pool_size
        super().__init__(pool_size, **kwargs)
        self.strides = 2**power
        self.power = power


def test_subclasses_set_arguments_where_they_like() -> None:
    layer = Dyadic(1, 3)
    assert layer.pool_size == (3,)
    assert layer.strides == (2,)
    layer.power = 2
    layer.padding = 1
    twin = Dyadic.from_config({"power": 0, "pool_size": 2, "padding": layer.padding})
    assert (layer.power, layer.padding) == (2, ((1, 1),))
    assert (twin.power, twin.strides, twin.padding) == (0, (1,), ((1, 1),))
    with pytest.raises(ValueError, match="`pool_size` must be positive"):
        layer.pool_size = 0
