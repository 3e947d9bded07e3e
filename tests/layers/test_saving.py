"""Models with every layer and option survive every way of saving and copying that Keras has."""

import copy
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness.keras_version import keras, tree
from harness.layers import FAMILIES, RANKS, SPATIAL, by_family, by_rank, layer, layer_class
from harness.runner import as_arrays

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


@pytest.fixture(scope="module")
def models() -> dict[int, keras.Model]:
    keras.utils.set_random_seed(7)
    return {rank: fan(rank) for rank in RANKS}


def example(model: keras.Model) -> np.ndarray:
    """Seeded inputs with one NaN, so that `nonfinite` shows."""
    x = np.random.default_rng(3).standard_normal((2, *model.input_shape[1:]), np.float32)
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


@by_rank
@pytest.mark.parametrize("way", WAYS)
def test_models(models: dict[int, keras.Model], rank: int, way: str, tmp_path: Path) -> None:
    """test_registry has the two spellings in files, test_golden_files those of another process."""
    wanted = models[rank]
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
