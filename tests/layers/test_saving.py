"""Models with every layer and option survive every way of saving and copying that Keras has."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness.keras_version import keras, tree
from harness.layers import FAMILIES, RANKS, SPATIAL, by_family, layer, layer_class
from harness.runner import as_arrays

import keras_maxpool

KERAS_3_7 = keras.__version__.startswith("3.7.")
# Keras 3.7 does not load its own cast from .h5, whatever the layers.
HALF = {} if KERAS_3_7 else {"half": {"dtype": "float16"}}


def options(family: str, rank: int) -> dict[str, dict[str, Any]]:
    """Every option of a family's layer, by a name that tells it."""
    first = {"channels_first": {"data_format": "channels_first"}}
    indices = {"indices": {"return_indices": True}}
    if family == "MaxPooling":
        pairs = ((1, 1), (2, 0), (0, 1))[:rank]
        table = {
            **({"plain": {}} | first | HALF),
            "indices": {"return_indices": True, "indices_convention": "tensorflow"},
            "strides": {"pool_size": (3, 2, 1)[:rank], "strides": (1, 2, 3)[:rank]},
            "same": {"pool_size": 3, "strides": 2, "padding": "same"},
            "same_lower": {"strides": 1, "padding": "same_lower"},
            "pairs": {"pool_size": 3, "strides": 2, "padding": pairs},
            "number": {"pool_size": 3, "strides": 1, "padding": 1},
            "dilated": {"strides": 1, "dilation_rate": (2, 1, 3)[:rank]},
            "ceil": {"ceil_mode": True},
            "ieee": {"nonfinite": "ieee"},
            **{name: {"implementation": name} for name in ("direct", "separable", "shifted")},
            "frozen": {"trainable": False},
        }
        causal = {"pool_size": 3, "strides": 1, "padding": "causal", "dilation_rate": 2}
        return table | ({"causal": causal} if rank == 1 else {})
    return first | {
        "GlobalMaxPooling": indices | HALF | {"keepdims": {"keepdims": True}, "ieee": {"nonfinite": "ieee"}},
        "AdaptiveMaxPooling": indices | {"axes": {"output_size": (3, None, 2)[:rank]}},
        "FractionalMaxPooling": {
            "seed": {"seed": 3},
            "pseudo": {"pseudo_random": True, "overlapping": True, "seed": 4},
            "axes": {"pooling_ratio": (1.5, 1, 2)[:rank], "seed": 5, "return_indices": True},
        },
        "MaxUnpooling": {
            "plain": {},
            "sized": {"output_size": SPATIAL[rank]},
            "strides": {"strides": 3},
            "convention": {"output_size": SPATIAL[rank], "indices_convention": "tensorflow_batch"},
        },
    }[family]  # fmt: skip


def fan(rank: int) -> keras.Model:
    """A model with outputs for each option of each family, after a layer with weights."""
    inputs = keras.Input((*SPATIAL[rank], 2), name="x")
    x = keras.layers.Dense(2, name="mix")(inputs)
    outputs = []
    for family in FAMILIES:
        for index, (name, given) in enumerate(options(family, rank).items()):
            fixed = {"seed": 1} if family == "FractionalMaxPooling" else {}
            arguments = FAMILIES[family] | fixed | given | {"name": f"{family}_{name}"}
            tensors = (x,)
            if family == "MaxUnpooling":
                shared = given.keys() & {"data_format", "indices_convention"}
                same = {name: given[name] for name in shared}
                tensors = layer("MaxPooling", rank, return_indices=True, **same)(x)
            outputs += tree.flatten(layer_class(family, rank, index)(**arguments)(*tensors))
    return keras.Model(inputs, outputs, name=f"fan_{rank}d")


def chain() -> keras.Model:
    """A `Sequential` classifier."""
    inputs = keras.Input((*SPATIAL[2], 2), name="x")
    conv = keras.layers.Conv2D(4, 3, padding="same", activation="relu")
    first = keras_maxpool.MaxPool2D(2, padding=((1, 0), (0, 1)))
    second = keras_maxpool.MaxPooling2D(2, padding="same_lower")
    top = keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")
    return keras.Sequential([inputs, conv, first, second, *top], name="chain")


MODELS = ("1d", "2d", "3d", "chain")


@pytest.fixture(scope="module")
def models() -> dict[str, keras.Model]:
    keras.utils.set_random_seed(7)
    return {name: chain() if name == "chain" else fan(int(name[0])) for name in MODELS}


def example(model: keras.Model) -> np.ndarray:
    """Seeded inputs; in the fans one NaN, so that `nonfinite` shows."""
    x = np.random.default_rng(3).standard_normal((2, *model.input_shape[1:]), np.float32)
    if len(model.outputs) > 1:
        x[0, 3] = np.nan
    return x


def assert_same_bits(got: Any, wanted: Any) -> None:
    """Equal in shape, dtype and every bit, NaN and the sign of zero included."""
    parts = [as_arrays(each) for each in (got, wanted)]
    shapes, wanted_shapes = ([(part.shape, part.dtype) for part in each] for each in parts)
    assert shapes == wanted_shapes
    for index, (one, other) in enumerate(zip(*parts, strict=True)):
        assert one.tobytes() == other.tobytes(), f"output {index}"


def typed(value: Any) -> Any:
    """A value with the exact type of each part, which `==` alone would not compare."""
    if isinstance(value, (list, tuple)):
        return type(value), [typed(item) for item in value]
    if isinstance(value, dict):
        return type(value), {key: typed(item) for key, item in value.items()}
    return type(value), value


def with_weights_of(model: keras.Model, copied: keras.Model) -> keras.Model:
    copied.set_weights(model.get_weights())
    return copied


def through_file(suffix: str) -> Callable[[keras.Model, Path], keras.Model]:
    def saved(model: keras.Model, folder: Path) -> keras.Model:
        model.save(folder / f"model{suffix}")
        return keras.models.load_model(folder / f"model{suffix}")

    return saved


WAYS: dict[str, Callable[[keras.Model, Path], keras.Model]] = {
    ".keras": through_file(".keras"),
    ".h5": through_file(".h5"),
    "config": lambda model, _: with_weights_of(model, type(model).from_config(model.get_config())),
    "clone": lambda model, _: with_weights_of(model, keras.models.clone_model(model)),
    "json": lambda model, _: with_weights_of(model, keras.models.model_from_json(model.to_json())),
    "deepcopy": lambda model, _: copy.deepcopy(model),
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("way", WAYS)
def test_models(models: dict[str, keras.Model], name: str, way: str, tmp_path: Path) -> None:
    """test_registry has the two spellings in files, test_golden_files those of another process."""
    wanted = models[name]
    got = WAYS[way](wanted, tmp_path)
    assert got is not wanted
    assert [type(layer) for layer in got.layers] == [type(layer) for layer in wanted.layers]
    for loaded, made in zip(got.layers, wanted.layers, strict=True):
        assert typed(loaded.get_config()) == typed(made.get_config())
    x = example(wanted)
    assert_same_bits(got(x), wanted(x))


@by_family
def test_layers_alone(family: str) -> None:
    for given in options(family, 2).values():
        pool = layer(family, 2, **given)
        config = pool.get_config()
        assert given.keys() <= config.keys()
        for survivor in (copy.deepcopy(pool), copy.copy(pool), pickle.loads(pickle.dumps(pool))):
            assert type(survivor) is type(pool)
            assert typed(survivor.get_config()) == typed(config)


# Configs


@pytest.mark.parametrize(
    ("family", "rank", "arguments", "wanted"),
    [
        (
            *("MaxPooling", 1, {"pool_size": np.int64(3), "padding": "Causal", "dilation_rate": [2]}),
            {"pool_size": (3,), "strides": (3,), "padding": "causal", "dilation_rate": (2,)},
        ),
        (
            *("MaxPooling", 2, {"pool_size": np.array([3, 2]), "padding": [[0, 1], [1, np.int8(1)]]}),
            {"pool_size": (3, 2), "strides": (3, 2), "padding": ((0, 1), (1, 1))},
        ),
        ("MaxPooling", 3, {"padding": 0}, {"padding": "valid", "pool_size": (2, 2, 2)}),
        ("GlobalMaxPooling", 2, {"data_format": "Channels_First"}, {"data_format": "channels_first"}),
        ("AdaptiveMaxPooling", 2, {"output_size": [np.int64(3), None]}, {"output_size": (3, None)}),
        ("AdaptiveMaxPooling", 3, {"output_size": 4}, {"output_size": (4, 4, 4)}),
        (
            *("FractionalMaxPooling", 2, {"pooling_ratio": [2, np.float32(1.5)], "seed": np.int64(3)}),
            {"pooling_ratio": (2.0, 1.5), "seed": 3, "pseudo_random": False},
        ),
        ("MaxUnpooling", 1, {"output_size": [np.int64(9)]}, {"output_size": (9,), "strides": (2,)}),
    ],
    ids=lambda value: str(value) if isinstance(value, (str, int)) else "",
)  # fmt: skip
def test_configs_hold_plain_python(family: str, rank: int, arguments: dict, wanted: dict) -> None:
    config = layer(family, rank, **arguments).get_config()
    assert typed({key: config[key] for key in wanted}) == typed(wanted)
    before = copy.deepcopy(config)
    layer_class(family, rank).from_config(config)
    assert typed(config) == typed(before)


@pytest.mark.parametrize(
    ("family", "change", "begins"),
    [
        ("MaxPooling", {"kernel_size": 3}, "MaxPooling2D does not know the argument 'kernel_size'"),
        ("MaxPooling", {"pool_size": [2, 2.0]}, "`pool_size` takes integers, not float"),
        ("MaxUnpooling", {"output_size": [0, 4]}, "`output_size` must be positive"),
    ],
)
def test_bad_configs_are_refused(family: str, change: dict[str, Any], begins: str) -> None:
    """Without Keras's words around ours. test_bad_input has what else the constructor refuses."""
    config = layer(family, 2, name="pool").get_config() | change
    with pytest.raises((TypeError, ValueError), match=f"^{re.escape(begins)}.*; received "):
        layer_class(family, 2).from_config(config)


def test_a_bad_config_in_a_model() -> None:
    config = chain().to_json().replace('"same_lower"', '"smae"')
    with pytest.raises(
        (TypeError, ValueError), match="`padding` is unknown; received padding='smae'"
    ):
        keras.models.model_from_json(config)


@pytest.mark.parametrize("rank", RANKS[1:])
def test_gradient_of_an_exported_model(rank: int, tmp_path: Path, tf: Any) -> None:
    """A tie's gradient goes to the first maximum, once, and an empty batch does no harm."""
    inputs = keras.Input((*[None] * rank, 1))
    pools = layer("MaxPooling", rank, pool_size=1), layer("MaxPooling", rank)
    model = keras.Sequential(
        [inputs, *pools, layer("AdaptiveMaxPooling", rank, output_size=(2, 1, 1)[:rank])]
    )
    model.export(str(tmp_path / "model"))
    serve = tf.saved_model.load(str(tmp_path / "model")).serve

    def gradient(x: Any) -> np.ndarray:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = serve(x)
        return tape.gradient(y, x).numpy()

    spatial = (4, 2, 2)[:rank]
    wanted = np.zeros((1, *spatial, 1), np.float32)
    wanted[(0, slice(None, None, 2), *[0] * rank)] = 1
    np.testing.assert_array_equal(gradient(tf.ones((1, *spatial, 1))), wanted)
    assert gradient(tf.ones((0, *spatial, 1))).shape == (0, *spatial, 1)
