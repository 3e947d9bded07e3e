"""Models with every layer and option survive every way of saving that Keras has, also into a fresh process."""

from __future__ import annotations

import copy
import functools
import json
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from harness.keras_version import LEGACY, keras, tree
from harness.layers import FAMILIES, RANKS, SPATIAL, by_rank, layer, layer_class
from harness.processes import run_code
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


def fan(rank: int, most: int = 99) -> keras.Model:
    """A model with outputs for each option of each family, or for the first ones, after a layer with weights."""
    inputs = keras.Input((*SPATIAL[rank], 2), name="x")
    x = keras.layers.Dense(2, name="mix")(inputs)
    outputs = []
    for family in FAMILIES:
        for index, (name, given) in enumerate([*options(family, rank).items()][:most]):
            fixed = {"seed": 1} if family == "FractionalMaxPooling" else {}
            arguments = FAMILIES[family] | fixed | given | {"name": f"{family}_{name}"}
            tensors = (x,)
            if family == "MaxUnpooling":
                same = {
                    k: v for k, v in given.items() if k in ("data_format", "indices_convention")
                }
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
by_model = pytest.mark.parametrize("name", MODELS)


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


def assert_same_layers(got: keras.Model, wanted: keras.Model) -> None:
    assert got is not wanted
    assert [type(layer) for layer in got.layers] == [type(layer) for layer in wanted.layers]
    for loaded, made in zip(got.layers, wanted.layers, strict=True):
        assert typed(loaded.get_config()) == typed(made.get_config())


@functools.cache
def outputs_of(model: keras.Model) -> Any:
    return model(example(model))


def assert_same_model(got: keras.Model, wanted: keras.Model) -> None:
    assert_same_layers(got, wanted)
    assert_same_bits(got(example(wanted)), outputs_of(wanted))


# Files


def edit_keras(path: Path, edit: Callable[[str], str]) -> None:
    """Changes the config.json inside a .keras file."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = edit(members["config.json"].decode()).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def edit_h5(path: Path, edit: Callable[[str], str]) -> None:
    """Changes the attribute that holds the config of an .h5 file."""
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = edit(file.attrs["model_config"])


EDIT = {".keras": edit_keras, ".h5": edit_h5}
by_suffix = pytest.mark.parametrize("suffix", EDIT)
LONG = re.compile(r"((?:Global|Adaptive|Fractional)?Max(?:P|Unp)ool)ing(\dD)")


def use_alias(text: str) -> str:
    """The short spelling, as the registered name (in .h5 it is the class name) and as the class name."""
    return LONG.sub(r"\1\2", text)


def use_alias_as_the_registered_name(text: str) -> str:
    """Half an alias: the class name stays, so that the registered name decides."""
    return re.sub(rf"keras_maxpool>{LONG.pattern}", r"keras_maxpool>\1\2", text)


@by_model
@by_suffix
def test_files(models: dict[str, keras.Model], name: str, suffix: str, tmp_path: Path) -> None:
    """One spelling is written, and both load."""
    model, path, texts = models[name], tmp_path / f"model{suffix}", []
    model.save(path)
    assert_same_model(keras.models.load_model(path), model)
    EDIT[suffix](path, lambda text: texts.append(text) or use_alias(text))
    ours = [x for x in model.layers if type(x).__module__ == "keras_maxpool.layers"]
    names = re.findall(r'"(?:keras_maxpool>)(\w+)"', texts[0])
    assert sorted(names) == sorted(type(layer).__name__ for layer in ours) != []
    assert not LONG.search(use_alias(texts[0]))
    assert_same_layers(keras.models.load_model(path), model)
    if name == "chain":
        model.save(path)
        EDIT[suffix](path, use_alias_as_the_registered_name)
        assert_same_layers(keras.models.load_model(path), model)


def with_weights_of(model: keras.Model, copied: keras.Model) -> keras.Model:
    copied.set_weights(model.get_weights())
    return copied


WAYS: dict[str, Callable[[keras.Model], keras.Model]] = {
    "config": lambda model: with_weights_of(model, type(model).from_config(model.get_config())),
    "clone": lambda model: with_weights_of(model, keras.models.clone_model(model)),
    "json": lambda model: with_weights_of(model, keras.models.model_from_json(model.to_json())),
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
}


@by_model
@pytest.mark.parametrize("way", WAYS)
def test_copies(models: dict[str, keras.Model], name: str, way: str) -> None:
    assert_same_model(WAYS[way](models[name]), models[name])


@by_rank
def test_layers_alone(rank: int) -> None:
    """Copied, pickled, and made again from a config that JSON has turned into lists."""
    for family in FAMILIES:
        for given in options(family, rank).values():
            pool = layer(family, rank, **given)
            config = pool.get_config()
            assert given.keys() <= config.keys()
            for survivor in (
                copy.deepcopy(pool),
                copy.copy(pool),
                pickle.loads(pickle.dumps(pool)),
                type(pool).from_config(json.loads(json.dumps(config))) if not LEGACY else pool,
            ):
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
            *("MaxPooling", 2),
            {"pool_size": [3, 2], "strides": np.array([1, 2]), "padding": [[0, 1], [1, np.int8(1)]]},
            {"pool_size": (3, 2), "strides": (1, 2), "padding": ((0, 1), (1, 1))},
        ),
        (
            *("MaxPooling", 2, {"padding": "SAME", "data_format": "Channels_First"}),
            {"pool_size": (2, 2), "padding": "same", "data_format": "channels_first"},
        ),
        (
            *("MaxPooling", 3, {"pool_size": 3, "padding": (1, 0, 2), "ceil_mode": True}),
            {"pool_size": (3, 3, 3), "padding": ((1, 1), (0, 0), (2, 2)), "ceil_mode": True},
        ),
        ("MaxPooling", 3, {"padding": 0}, {"padding": "valid"}),
        ("GlobalMaxPooling", 2, {"data_format": "Channels_Last"}, {"data_format": "channels_last"}),
        ("AdaptiveMaxPooling", 2, {"output_size": [np.int64(3), None]}, {"output_size": (3, None)}),
        ("AdaptiveMaxPooling", 3, {"output_size": 4}, {"output_size": (4, 4, 4)}),
        (
            *("FractionalMaxPooling", 2, {"pooling_ratio": [2, np.float32(1.5)], "seed": np.int64(3)}),
            {"pooling_ratio": (2.0, 1.5), "seed": 3, "pseudo_random": False},
        ),
        ("MaxUnpooling", 1, {"output_size": [np.int64(9)]}, {"output_size": (9,), "strides": (2,)}),
        ("MaxUnpooling", 2, {"padding": [1, 0]}, {"padding": ((1, 1), (0, 0)), "output_size": None}),
    ],
    ids=lambda value: str(value) if isinstance(value, (str, int)) else "",
)  # fmt: skip
def test_configs_hold_plain_python(family: str, rank: int, arguments: dict, wanted: dict) -> None:
    config = layer(family, rank, **arguments).get_config()
    assert typed({key: config[key] for key in wanted}) == typed(wanted)
    before = copy.deepcopy(config)
    layer_class(family, rank).from_config(config)
    assert typed(config) == typed(before)


@by_rank
def test_configs_begin_as_the_builtins(rank: int) -> None:
    """And the built-in's config makes our layer."""
    for family in ("MaxPooling", "GlobalMaxPooling", "AdaptiveMaxPooling"):
        builtin = getattr(keras.layers, f"{family}{rank}D", None)
        if builtin is not None:  # an older Keras has no adaptive pooling
            config = builtin(**FAMILIES[family], name="pool").get_config()
            ours = layer_class(family, rank).from_config(config).get_config()
            assert {key: ours[key] for key in config} == config
            assert ours == layer(family, rank, name="pool").get_config()


def test_regularizer_survives(tmp_path: Path) -> None:
    """As the built-in's does: Keras 2 forgets it, for any layer."""
    losses = []
    for package in (keras_maxpool, keras.layers):
        pool = package.MaxPool2D(2, activity_regularizer=keras.regularizers.L1(0.25))
        model = keras.Sequential([keras.Input((4, 4, 1)), pool])
        model.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras")
        x = np.ones((1, 4, 4, 1), np.float32)
        model(x), loaded(x)
        losses.append([[float(loss) for loss in each.losses] for each in (model, loaded)])
    ours, builtin = losses
    assert ours == builtin
    assert ours == [[1.0], [1.0] if keras.__version__ >= "3" else []]  # a quarter of four ones


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("MaxPooling", {"kernel_size": 3}, "MaxPooling2D does not know the argument 'kernel_size'"),
    ("MaxPooling", {"pool_size": [2, 2.0]}, "`pool_size` takes integers, not float"),
    ("MaxPooling", {"padding": [[0, 3], [0, 0]]}, "`padding` must be smaller than the window"),
    ("MaxPooling", {"indices_convention": "pytorch"}, "`indices_convention` is unknown"),
    ("GlobalMaxPooling", {"keepdims": 1}, "`keepdims` takes True or False"),
    ("AdaptiveMaxPooling", {"output_size": [0, None]}, "`output_size` must be positive"),
    ("FractionalMaxPooling", {"pooling_ratio": 0.5}, "`pooling_ratio` must be at least 1"),
    ("MaxUnpooling", {"output_size": "4"}, "`output_size` takes integers, not str"),
    *((family, {"data_format": "NHWC"}, "`data_format` is unknown") for family in FAMILIES),
]


@pytest.mark.parametrize(("family", "change", "begins"), BAD, ids=str)
def test_bad_configs_are_refused(family: str, change: dict[str, Any], begins: str) -> None:
    """test_bad_input has what else the constructor refuses, and by which words."""
    config = layer(family, 2, name="pool").get_config() | change
    with pytest.raises((TypeError, ValueError), match=f"^{re.escape(begins)}.*; received "):
        layer_class(family, 2).from_config(config)


@by_suffix
def test_a_bad_config_in_a_file(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{suffix}"
    chain().save(path)
    EDIT[suffix](path, lambda text: text.replace('"same_lower"', '"smae"'))
    error = "`padding` is unknown; received padding='smae'"
    with pytest.raises((TypeError, ValueError), match=error):
        keras.models.load_model(path)


# A fresh process

CHILD = """
import os, sys
import numpy as np, tensorflow as tf

folder = os.environ["FOLDER"]
inputs = {name: np.load(f"{folder}/{name}.npy") for name in ("chain", "few")}

def keep(name, form, outputs):
    for index, output in enumerate(tf.nest.flatten(outputs)):
        np.save(f"{folder}/{name}-{form}-{index:02d}.npy", np.asarray(output))

# A SavedModel stands alone.
for model, form in (("chain", "saved_model"), ("few", "export")):
    loaded = tf.saved_model.load(f"{folder}/{model}_{form}")
    serve = loaded.signatures["serving_default"]
    [name] = serve.structured_input_signature[1]
    outputs = serve(**{name: tf.constant(inputs[model])})
    names = open(f"{folder}/{model}.names").read().split()
    if names[0] not in outputs:
        names = [f"output_{index}" for index in range(len(outputs))]
    keep(model, form, [outputs[name] for name in names])
assert "keras_maxpool" not in sys.modules

from tensorflow import keras

for suffix in ("h5", "keras"):
    try:
        keras.models.load_model(f"{folder}/chain.{suffix}")
        print("loads")
    except Exception as error:
        print(type(error).__name__, " ".join(str(error).split()))

import keras_maxpool

for name, x in inputs.items():
    for suffix in ("keras", "h5"):
        keep(name, suffix, keras.models.load_model(f"{folder}/{name}.{suffix}")(x))
"""


@pytest.mark.slow
def test_a_fresh_process(models: dict[str, keras.Model], tmp_path: Path, tf: Any) -> None:
    """It imports the package before it loads a model, as joblib's workers have to; a SavedModel needs neither."""
    some = {"chain": models["chain"], "few": fan(2, 2)}
    for name, model in some.items():
        np.save(tmp_path / f"{name}.npy", example(model))
        for suffix in EDIT:
            model.save(tmp_path / f"{name}{suffix}")
        # By which Keras 2 calls the outputs in one of the two forms; Keras 3 counts them.
        names = model.output_names if LEGACY else ["counted"]
        (tmp_path / f"{name}.names").write_text("\n".join(names))
    tf.saved_model.save(models["chain"], str(tmp_path / "chain_saved_model"))
    some["few"].export(str(tmp_path / "few_export"))
    child = run_code(CHILD, FOLDER=str(tmp_path))
    assert child.returncode == 0, child.stderr[-3000:]

    h5, zipped = child.stdout.splitlines()[-2:]
    assert h5.startswith("ValueError Unknown layer: 'keras_maxpool>MaxPooling2D'")
    # Keras 3.7 imports the module that a .keras file names.
    assert ("loads" if KERAS_3_7 else "MaxPooling2D") in zipped
    for name, model in some.items():
        x, served = example(model), ["export" if name == "few" else "saved_model"]
        for form in ("keras", "h5", *served):
            got = [np.load(path) for path in sorted(tmp_path.glob(f"{name}-{form}-*.npy"))]
            assert_same_bits(got, model.predict(x, verbose=0) if form in served else model(x))


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
