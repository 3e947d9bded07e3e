"""Models with both spellings survive every way of saving that Keras has; bad files are refused."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tensorflow as tf
from golden import make_golden_models as golden
from harness.keras_version import LEGACY, keras, keras_3_alone

import keras_maxpool

SPATIAL = {1: (9,), 2: (9, 8), 3: (5, 6, 7)}


def options(rank: int) -> dict[str, dict]:
    """Every option of the layer, by a name that tells it; what the rank does not have is left out."""
    pairs = ((1, 1), (2, 0), (0, 1))[:rank]
    table: dict[str, dict] = {
        "plain": {},
        "strides": {"pool_size": (3, 2, 1)[:rank], "strides": (1, 2, 3)[:rank]},
        "same": {"pool_size": 3, "strides": 2, "padding": "same"},
        "same_lower": {"pool_size": 2, "strides": 1, "padding": "same_lower"},
        "pairs": {"pool_size": 3, "strides": 2, "padding": pairs},
        "number": {"pool_size": 3, "strides": 1, "padding": 1},
        "dilated": {"pool_size": 2, "strides": 1, "dilation_rate": (2, 1, 3)[:rank]},
        "ceil": {"pool_size": 2, "ceil_mode": True},
        "ieee": {"pool_size": 2, "nonfinite": "ieee"},
        "direct": {"pool_size": 2, "implementation": "direct"},
        "separable": {"pool_size": 2, "implementation": "separable"},
        "shifted": {"pool_size": 2, "implementation": "shifted"},
        "channels_first": {"pool_size": 2, "data_format": "channels_first"},
        "half": {"pool_size": 2, "dtype": "float16"},
        "frozen": {"pool_size": 2, "trainable": False},
    }
    if keras.__version__.startswith("3.7."):
        del table["half"]  # Keras 3.7 does not load its own cast from .h5, whatever the layers
    if rank == 1:
        table["causal"] = {"pool_size": 3, "strides": 1, "padding": "causal", "dilation_rate": 2}
    return table


def spelled(index: int, rank: int) -> type[keras.layers.Layer]:
    """The two spellings in turn."""
    return getattr(keras_maxpool, f"{('MaxPool', 'MaxPooling')[index % 2]}{rank}D")


POOLINGS = tuple(spelled(0, rank) for rank in (1, 2, 3))


def fan(rank: int) -> keras.Model:
    """A model with an output for each option, all from one layer with weights."""
    inputs = keras.Input((*SPATIAL[rank], 2), name="x")
    x = keras.layers.Dense(2, name="mix")(inputs)
    outputs = [
        spelled(index, rank)(**arguments, name=name)(x)
        for index, (name, arguments) in enumerate(options(rank).items())
    ]
    return keras.Model(inputs, outputs, name=f"fan_{rank}d")


def chain() -> keras.Model:
    """A `Sequential` classifier."""
    layers = [
        keras.Input((*SPATIAL[2], 2), name="x"),
        keras.layers.Conv2D(4, 3, padding="same", activation="relu"),
        keras_maxpool.MaxPool2D(2, padding=((1, 0), (0, 1))),
        keras_maxpool.MaxPooling2D(2, padding="same_lower"),
        keras.layers.Flatten(),
        keras.layers.Dense(3, activation="softmax"),
    ]
    return keras.Sequential(layers, name="chain")


BUILDERS: dict[str, Callable[[], keras.Model]] = {
    "1d": lambda: fan(1),
    "2d": lambda: fan(2),
    "3d": lambda: fan(3),
    "sequential": chain,
}
by_model = pytest.mark.parametrize("model_id", BUILDERS)


@pytest.fixture(scope="module")
def models() -> dict[str, keras.Model]:
    keras.utils.set_random_seed(7)
    return {model_id: build() for model_id, build in BUILDERS.items()}


def example(model: keras.Model) -> np.ndarray:
    """Seeded inputs; in the fans one NaN, so that `nonfinite` shows."""
    x = np.random.default_rng(3).standard_normal((2, *model.input_shape[1:]), np.float32)
    if len(model.outputs) > 1:
        x[0, 3] = np.nan
    return x


def arrays(outputs: Any) -> list[np.ndarray]:
    return [np.asarray(output) for output in tf.nest.flatten(outputs)]


def assert_same_bits(got: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    """Equal in shape, dtype and every bit, NaN and the sign of zero included."""
    assert [(a.shape, a.dtype) for a in got] == [(a.shape, a.dtype) for a in wanted]
    assert [a.tobytes() for a in got] == [a.tobytes() for a in wanted]


def typed(value: Any) -> Any:
    """A value with the exact type of each part, which `==` alone would not compare."""
    if isinstance(value, (list, tuple)):
        return type(value), [typed(item) for item in value]
    if isinstance(value, dict):
        return type(value), {key: typed(item) for key, item in value.items()}
    return type(value), value


def assert_same_layers(got: keras.Model, wanted: keras.Model) -> None:
    assert [type(layer) for layer in got.layers] == [type(layer) for layer in wanted.layers]
    for loaded, layer in zip(got.layers, wanted.layers, strict=True):
        assert typed(loaded.get_config()) == typed(layer.get_config())


# --- The ways, inside one process ---


def load(model: keras.Model, path: Path) -> keras.Model:
    model.save(path)
    return keras.models.load_model(path)


def with_weights_of(model: keras.Model, copied: keras.Model) -> keras.Model:
    copied.set_weights(model.get_weights())
    return copied


WAYS: dict[str, Callable[[keras.Model, Path], keras.Model]] = {
    "keras": lambda model, folder: load(model, folder / "model.keras"),
    "h5": lambda model, folder: load(model, folder / "model.h5"),
    "config": lambda model, _: with_weights_of(model, type(model).from_config(model.get_config())),
    "clone": lambda model, _: with_weights_of(model, keras.models.clone_model(model)),
    "json": lambda model, _: with_weights_of(model, keras.models.model_from_json(model.to_json())),
    "deepcopy": lambda model, _: copy.deepcopy(model),
    "pickle": lambda model, _: pickle.loads(pickle.dumps(model)),
}


@by_model
@pytest.mark.parametrize("way", WAYS)
def test_survives(models: dict[str, keras.Model], model_id: str, way: str, tmp_path: Path) -> None:
    model = models[model_id]
    survivor = WAYS[way](model, tmp_path)
    assert survivor is not model
    assert_same_layers(survivor, model)
    x = example(model)
    assert_same_bits(arrays(survivor(x)), arrays(model(x)))


def through_pickle(layer: keras.layers.Layer) -> keras.layers.Layer:
    return pickle.loads(pickle.dumps(layer))


@pytest.mark.parametrize("copied", [copy.deepcopy, copy.copy, through_pickle])
def test_a_layer_alone_survives(copied: Callable) -> None:
    layer = keras_maxpool.MaxPool2D(3, 1, ((1, 0), (0, 2)), dilation_rate=2, nonfinite="ieee")
    survivor = copied(layer)
    assert type(survivor) is keras_maxpool.MaxPooling2D
    assert typed(survivor.get_config()) == typed(layer.get_config())
    x = np.random.default_rng(5).standard_normal((1, 7, 6, 2), np.float32)
    assert_same_bits(arrays(survivor(x)), arrays(layer(x)))


@pytest.mark.parametrize("rank", [1, 2, 3], ids=lambda rank: f"{rank}d")
def test_options_show(rank: int) -> None:
    """The fans can tell: without its option, an output is another one."""
    x = np.random.default_rng(3).standard_normal((2, *SPATIAL[rank], 2), np.float32)
    x[0, 3] = np.nan
    cls = spelled(0, rank)
    silent = {"implementation", "trainable"}  # these change no value
    for name, arguments in options(rank).items():
        with_all = np.asarray(cls(**arguments)(x))
        for key in arguments.keys() - silent - {"pool_size"}:
            rest = {other: value for other, value in arguments.items() if other != key}
            without = np.asarray(cls(**rest)(x))
            same = with_all.dtype == without.dtype and np.array_equal(
                with_all, without, equal_nan=True
            )
            assert not same, f"{name}: nothing depends on {key}"


# --- What a config holds ---


@pytest.mark.parametrize(
    ("rank", "arguments", "wanted"),
    [
        pytest.param(
            1,
            {"pool_size": np.int64(3), "padding": "Causal", "dilation_rate": [2]},
            {"pool_size": (3,), "strides": (3,), "padding": "causal", "dilation_rate": (2,)},
            id="1d-numpy-int",
        ),
        pytest.param(
            2,
            {"pool_size": [3, 2], "strides": np.array([1, 2]), "padding": [[0, 1], [1, np.int8(1)]]},
            {"pool_size": (3, 2), "strides": (1, 2), "padding": ((0, 1), (1, 1))},
            id="2d-lists-of-lists",
        ),
        pytest.param(
            2,
            {"padding": "SAME", "data_format": "Channels_First"},
            {"pool_size": (2, 2), "padding": "same", "data_format": "channels_first"},
            id="2d-capitals",
        ),
        pytest.param(
            3,
            {"pool_size": 3, "padding": (1, 0, 2), "ceil_mode": True},
            {"pool_size": (3, 3, 3), "padding": ((1, 1), (0, 0), (2, 2)), "ceil_mode": True},
            id="3d-int-an-axis",
        ),
        pytest.param(3, {"padding": 0}, {"padding": "valid"}, id="3d-no-padding"),
    ],
)  # fmt: skip
def test_config_types(rank: int, arguments: dict, wanted: dict, tmp_path: Path) -> None:
    """Whatever was written, a config holds plain ints in tuples, and so does the loaded one's."""
    layer = spelled(0, rank)(**arguments)
    config = layer.get_config()
    assert typed({key: config[key] for key in wanted}) == typed(wanted)
    model = keras.Sequential([keras.Input((*[9] * rank, 1)), layer])
    for suffix in (".keras", ".h5"):
        loaded = load(model, tmp_path / f"model{suffix}")
        assert typed(loaded.layers[0].get_config()) == typed(config)


def test_from_config_leaves_its_argument_alone() -> None:
    config = keras_maxpool.MaxPool2D(2, padding=((0, 1), (1, 0)), name="pool").get_config()
    before = copy.deepcopy(config)
    keras_maxpool.MaxPool2D.from_config(config)
    assert typed(config) == typed(before)


def test_regularizer_survives(tmp_path: Path) -> None:
    """As the built-in's does: Keras 2 forgets it, for any layer."""
    losses = []
    for package in (keras_maxpool, keras.layers):
        layer = package.MaxPool2D(2, activity_regularizer=keras.regularizers.L1(0.25))
        model = keras.Sequential([keras.Input((4, 4, 1)), layer])
        loaded = load(model, tmp_path / "model.keras")
        x = np.ones((1, 4, 4, 1), np.float32)
        model(x), loaded(x)
        losses.append([[float(loss) for loss in each.losses] for each in (model, loaded)])
    ours, builtin = losses
    assert ours == builtin
    assert ours == [[1.0], [1.0] if keras.__version__ >= "3" else []]  # a quarter of four ones


# --- Files, with what is in them changed ---


def edit_keras(path: Path, edit: Callable[[str], str]) -> None:
    """Change the config.json inside a .keras file."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = edit(members["config.json"].decode()).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def edit_h5(path: Path, edit: Callable[[str], str]) -> None:
    """Change the attribute that holds the config of an .h5 file."""
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = edit(file.attrs["model_config"])


EDIT = {".keras": edit_keras, ".h5": edit_h5}
by_suffix = pytest.mark.parametrize("suffix", EDIT, ids=["keras", "h5"])


def text_of(path: Path) -> str:
    """The config in a file."""
    texts: list[str] = []
    EDIT[path.suffix](path, lambda text: texts.append(text) or text)
    return texts[0]


def use_alias(text: str) -> str:
    """The alias, as the registered name (in .h5 it is the class name) and as the class name."""
    edited = text.replace("keras_maxpool>MaxPooling", "keras_maxpool>MaxPool")
    edited = edited.replace('"class_name": "MaxPooling', '"class_name": "MaxPool')
    assert "MaxPooling" not in edited
    assert "keras_maxpool>MaxPool" in edited
    return edited


@by_model
@by_suffix
def test_one_name_is_in_the_file(
    models: dict[str, keras.Model], model_id: str, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"model{suffix}"
    models[model_id].save(path)
    text = text_of(path)
    ours = [layer for layer in models[model_id].layers if isinstance(layer, POOLINGS)]
    assert text.count('"keras_maxpool>MaxPooling') == len(ours) > 0
    assert "keras_maxpool>MaxPool" not in text.replace("keras_maxpool>MaxPooling", "")


@by_model
@by_suffix
def test_alias_loads(
    models: dict[str, keras.Model], model_id: str, suffix: str, tmp_path: Path
) -> None:
    model = models[model_id]
    path = tmp_path / f"model{suffix}"
    model.save(path)
    EDIT[suffix](path, use_alias)
    loaded = keras.models.load_model(path)
    assert_same_layers(loaded, model)
    x = example(model)
    assert_same_bits(arrays(loaded(x)), arrays(model(x)))


@by_suffix
def test_alias_of_the_registered_name_alone_loads(suffix: str, tmp_path: Path) -> None:
    """Half an alias: the class name stays, so the registered name decides."""
    path = tmp_path / f"model{suffix}"
    chain().save(path)
    EDIT[suffix](
        path, lambda text: text.replace("keras_maxpool>MaxPooling", "keras_maxpool>MaxPool")
    )
    loaded = keras.models.load_model(path)
    assert [type(loaded.layers[index]) for index in (1, 2)] == [keras_maxpool.MaxPool2D] * 2


GOOD = {"name": "pool", "strides": [1, 2], "padding": [[0, 1], [1, 0]], "dilation_rate": [2, 1]}

# What is changed in a config, and how the message must begin.
BAD: dict[str, tuple[dict, str]] = {
    "unknown-key": ({"pool_sise": 3}, "MaxPooling2D does not know the argument 'pool_sise'"),
    "unknown-keys": (
        {"kernel_size": 3, "dilation": 2},
        "MaxPooling2D does not know the argument 'dilation', 'kernel_size'",
    ),
    "pool_size-text": ({"pool_size": "2"}, "`pool_size` takes integers, not str"),
    "pool_size-float": ({"pool_size": [2, 2.0]}, "`pool_size` takes integers, not float"),
    "pool_size-bool": ({"pool_size": True}, "`pool_size` takes integers, not booleans"),
    "pool_size-null": ({"pool_size": None}, "`pool_size` takes integers, not NoneType"),
    "pool_size-zero": ({"pool_size": 0}, "`pool_size` must be positive"),
    "pool_size-three": ({"pool_size": [2, 2, 2]}, "`pool_size` takes 1 or 2 integers"),
    "pool_size-huge": ({"pool_size": 2**31}, "`pool_size` must be below 2**31"),
    "strides-negative": ({"strides": [1, -1]}, "`strides` must be positive"),
    "strides-object": ({"strides": {"a": 1}}, "`strides` takes integers, not dict"),
    "padding-word": ({"padding": "smae"}, "`padding` is unknown"),
    "padding-causal": ({"padding": "causal"}, '`padding` "causal" exists in 1D only'),
    "padding-null": ({"padding": None}, "`padding` takes integers, not NoneType"),
    "padding-negative": ({"padding": [[1, 1], [0, -1]]}, "`padding` must not be negative"),
    "padding-triple": ({"padding": [[1, 1, 1], [0, 1]]}, "`padding` takes (before, after) pairs"),
    "padding-wide": ({"padding": [[0, 3], [0, 0]]}, "`padding` must be smaller than the window"),
    "dilation_rate-float": ({"dilation_rate": 1.5}, "`dilation_rate` takes integers, not float"),
    "dilation_rate-zero": ({"dilation_rate": [0, 1]}, "`dilation_rate` must be positive"),
    "ceil_mode-int": ({"ceil_mode": 1}, "`ceil_mode` takes True or False"),
    "ceil_mode-same": ({"ceil_mode": True, "padding": "same"}, "`ceil_mode` needs padding"),
    "nonfinite-word": ({"nonfinite": "numpy"}, "`nonfinite` is unknown"),
    "nonfinite-null": ({"nonfinite": None}, "`nonfinite` is unknown"),
    "implementation-word": ({"implementation": "fast"}, "`implementation` is unknown"),
    "implementation-direct": (
        {"implementation": "direct"},
        '`implementation` "direct" cannot dilate',
    ),
    "data_format-word": ({"data_format": "NHWC"}, "`data_format` is unknown"),
    "data_format-int": ({"data_format": 1}, "`data_format` is unknown"),
}  # fmt: skip


def good_layer() -> keras.layers.Layer:
    return keras_maxpool.MaxPool2D.from_config(GOOD)


def by_from_config(change: dict, _: Path) -> None:
    keras_maxpool.MaxPool2D.from_config(good_layer().get_config() | change)


def by_deserialize(change: dict, _: Path) -> None:
    saved = keras.saving.serialize_keras_object(good_layer())
    saved["config"] |= change
    keras.saving.deserialize_keras_object(saved)


def by_file(suffix: str) -> Callable[[dict, Path], None]:
    def route(change: dict, folder: Path) -> None:
        path = folder / f"model{suffix}"
        keras.Sequential([keras.Input((6, 6, 1)), good_layer()]).save(path)

        def edit(text: str) -> str:
            config = json.loads(text)
            layer = config["config"]["layers"][1]
            assert layer["config"]["name"] == "pool"
            layer["config"] |= change
            return json.dumps(config)

        EDIT[suffix](path, edit)
        keras.models.load_model(path)

    return route


ROUTES = {
    "from_config": by_from_config,
    "deserialize": by_deserialize,
    "keras": by_file(".keras"),
    "h5": by_file(".h5"),
}
by_route = pytest.mark.parametrize("route", ROUTES)


@by_route
def test_unchanged_config_passes(route: str, tmp_path: Path) -> None:
    """The next test's refusals are due to its changes alone."""
    ROUTES[route]({}, tmp_path)


@by_route
@pytest.mark.parametrize("fault", BAD)
def test_bad_config_is_refused(route: str, fault: str, tmp_path: Path) -> None:
    change, begins = BAD[fault]
    with pytest.raises((TypeError, ValueError)) as info:
        ROUTES[route](change, tmp_path)
    # Keras quotes the whole config, which names every key: what counts is the part after it.
    message = str(info.value).rsplit("Exception encountered: ", 1)[-1]
    assert message.startswith(begins)
    assert "; received " in message


# --- A fresh process ---

CHILD = """
import sys
import numpy as np, tensorflow as tf

folder, *model_ids = sys.argv[1:]
inputs = {model_id: np.load(f"{folder}/{model_id}.npy") for model_id in model_ids}

def keep(model_id, form, outputs):
    for index, output in enumerate(tf.nest.flatten(outputs)):
        np.save(f"{folder}/{model_id}-{form}-{index:02d}.npy", np.asarray(output))

# A SavedModel stands alone.
for model_id, x in inputs.items():
    for form in ("saved_model", "export"):
        loaded = tf.saved_model.load(f"{folder}/{model_id}_{form}")
        serve = loaded.signatures["serving_default"]
        [name] = serve.structured_input_signature[1]
        outputs = serve(**{name: tf.constant(x)})
        names = open(f"{folder}/{model_id}.names").read().split()
        if names[0] not in outputs:
            names = [f"output_{index}" for index in range(len(outputs))]
        keep(model_id, form, [outputs[name] for name in names])
assert "keras_maxpool" not in sys.modules

from tensorflow import keras
import keras_maxpool

for model_id, x in inputs.items():
    for suffix in ("keras", "h5"):
        model = keras.models.load_model(f"{folder}/{model_id}.{suffix}")
        keep(model_id, suffix, model.predict(x, verbose=0))
        model = keras.models.load_model(f"{folder}/{model_id}_alias.{suffix}")
        keep(model_id, f"{suffix}_alias", model(x))
"""


@pytest.fixture(scope="module")
def fresh(
    models: dict[str, keras.Model], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], list[np.ndarray]]:
    """What fresh processes predict, by model and form of file."""
    folder = tmp_path_factory.mktemp("fresh")
    for model_id, model in models.items():
        np.save(folder / f"{model_id}.npy", example(model))
        # By which Keras 2 calls the outputs in one of the two forms; Keras 3 counts them.
        names = model.output_names if LEGACY else ["counted"]
        (folder / f"{model_id}.names").write_text("\n".join(names))
        for suffix, edit in EDIT.items():
            model.save(folder / f"{model_id}{suffix}")
            model.save(folder / f"{model_id}_alias{suffix}")
            edit(folder / f"{model_id}_alias{suffix}", use_alias)
        tf.saved_model.save(model, str(folder / f"{model_id}_saved_model"))
        model.export(str(folder / f"{model_id}_export"))
    command = [sys.executable, "-c", CHILD, str(folder), *models]
    child = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert child.returncode == 0, child.stderr

    def predictions(model_id: str, form: str) -> list[np.ndarray]:
        return [np.load(path) for path in sorted(folder.glob(f"{model_id}-{form}-*.npy"))]

    return predictions


@by_model
@pytest.mark.parametrize("form", ["keras", "h5", "saved_model", "export"])
def test_fresh_process_predicts_the_same(
    models: dict[str, keras.Model], fresh: Callable, model_id: str, form: str
) -> None:
    model = models[model_id]
    wanted = arrays(model.predict(example(model), verbose=0))
    assert_same_bits(fresh(model_id, form), wanted)


@by_model
@pytest.mark.parametrize("form", ["keras_alias", "h5_alias"])
def test_fresh_process_knows_the_alias(
    models: dict[str, keras.Model], fresh: Callable, model_id: str, form: str
) -> None:
    model = models[model_id]
    assert_same_bits(fresh(model_id, form), arrays(model(example(model))))


@pytest.mark.parametrize("rank", [1, 2, 3], ids=lambda rank: f"{rank}d")
def test_gradient_of_exported_model(rank: int, tmp_path: Path) -> None:
    """A tie's gradient goes to the first maximum, once, and an empty batch does no harm."""
    inputs = keras.Input((*[None] * rank, 1))
    model = keras.Model(inputs, spelled(1, rank)(2)(spelled(0, rank)(1)(inputs)))
    model.export(str(tmp_path / "model"))
    serve = tf.saved_model.load(str(tmp_path / "model")).serve

    def gradient(x: tf.Tensor) -> np.ndarray:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = serve(x)
        return tape.gradient(y, x).numpy()

    spatial = (4, 2, 2)[:rank]
    wanted = np.zeros((1, *spatial, 1), np.float32)
    wanted[(0, slice(None, None, 2), *[0] * rank)] = 1
    np.testing.assert_array_equal(gradient(tf.ones((1, *spatial, 1))), wanted)
    assert gradient(tf.ones((0, *spatial, 1))).shape == (0, *spatial, 1)


def test_training_goes_on(tmp_path: Path) -> None:
    """The optimizer's state is kept: the next steps give the same losses and the same weights.

    Not from .h5: Keras 3.15 cannot train on from there, whatever the layers.
    """
    rng = np.random.default_rng(11)
    x = rng.standard_normal((8, *SPATIAL[2], 2), np.float32)
    y = rng.integers(0, 3, 8)
    keras.utils.set_random_seed(11)
    model = chain()
    model.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
    model.train_on_batch(x, y)
    loaded = load(model, tmp_path / "model.keras")
    assert loaded.jit_compile is False
    model.reset_metrics()  # the loss that Keras 3.7 gives is the mean since the last reset
    for _ in range(2):
        assert loaded.train_on_batch(x, y) == model.train_on_batch(x, y)
    assert_same_bits(loaded.get_weights(), model.get_weights())


# --- The golden files ---


@pytest.fixture(scope="module")
def golden_arrays() -> dict[str, np.ndarray]:
    with np.load(golden.STEM.with_suffix(".npz")) as file:
        return dict(file)


def as_written(text: str) -> str:
    return text


@keras_3_alone
@by_suffix
@pytest.mark.parametrize("edit", [as_written, use_alias], ids=["as-written", "alias"])
def test_golden_file_loads(
    suffix: str, edit: Callable[[str], str], golden_arrays: dict[str, np.ndarray], tmp_path: Path
) -> None:
    """Version 0.1.0's files load for ever, and predict what they predicted."""
    path = tmp_path / f"golden{suffix}"
    path.write_bytes(golden.STEM.with_suffix(suffix).read_bytes())
    EDIT[suffix](path, edit)
    with pytest.warns(FutureWarning, match="separable"):
        model = keras.models.load_model(path)

    for rank, layers in enumerate(golden.LAYERS.values(), start=1):
        for wanted in layers:
            if wanted["implementation"] == "folded":
                wanted = wanted | {"implementation": "separable"}
            layer = model.get_layer(wanted["name"])
            config = layer.get_config()
            assert type(layer) is spelled(0, rank)
            assert typed({key: config[key] for key in wanted}) == typed(wanted)

    inputs = {name: golden_arrays[name] for name in golden.INPUTS}
    wanted = [golden_arrays[f"{name}_pooled"] for name in golden.INPUTS]
    assert_same_bits(arrays(model.predict(inputs, verbose=0)), wanted)
    assert_same_bits(arrays(model(inputs)), wanted)


@keras_3_alone
def test_golden_prediction_is_the_references(golden_arrays: dict[str, np.ndarray]) -> None:
    model = keras.models.load_model(golden.STEM.with_suffix(".keras"))
    inputs = {name: golden_arrays[name] for name in golden.INPUTS}
    wanted = golden.expected(model, inputs)
    for name in golden.INPUTS:
        np.testing.assert_array_equal(golden_arrays[f"{name}_pooled"], wanted[name], strict=True)
