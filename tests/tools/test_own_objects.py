"""Models with losses, metrics, optimizers and layers of the user's own: a command needs the layers alone."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from harness.commands import complaint

import keras_maxpool
from keras_maxpool.tools.cli import main
from keras_maxpool.tools.convert import to_keras_maxpool
from keras_maxpool.tools.report import report

layers, losses, optimizers = keras.layers, keras.losses, keras.optimizers
X = np.random.default_rng(0).standard_normal((2, 8, 8, 2), np.float32)
Y = {"a": np.ones((2, 3)), "b": np.ones((2, 3))}

both_forms = pytest.mark.parametrize("suffix", [".keras", ".h5"])


def cases(names: Iterable[str], often_in_h5: Iterable[str]) -> pytest.MarkDecorator:
    """Each name with both forms of files; most of .h5 are slow."""
    return pytest.mark.parametrize(
        ("name", "suffix"),
        [
            *((name, ".keras") for name in names),
            *(
                pytest.param(name, ".h5", marks=() if name in often_in_h5 else pytest.mark.slow)
                for name in names
            ),
        ],
    )


def own_loss(y: Any, predicted: Any) -> Any:
    return keras.ops.mean(keras.ops.square(y - predicted))


class OwnLoss(losses.Loss):
    def call(self, y: Any, predicted: Any) -> Any:
        return own_loss(y, predicted)


class OwnMetric(keras.metrics.Mean):
    pass


class OwnAdam(optimizers.Adam):
    pass


class OwnSchedule(optimizers.schedules.LearningRateSchedule):
    def __call__(self, step: Any) -> Any:
        return 0.01

    def get_config(self) -> dict[str, Any]:
        return {}


class OwnLayer(layers.Layer):
    def call(self, x: Any) -> Any:
        return x + 1.0


class OwnInitializer(keras.initializers.Initializer):
    def __call__(self, shape: Any, dtype: Any = None, **kwargs: Any) -> Any:
        return keras.ops.ones(shape, dtype)


class OwnModel(keras.Model):
    pass


def own_activation(x: Any) -> Any:
    return 2.0 * x


def registered(name: str, base: Any) -> Any:
    """Another one, which `register_keras_serializable` knows while the model is made and saved."""
    if isinstance(base, type):
        return keras.saving.register_keras_serializable("own")(type(name, (base,), {}))
    made = type(base)(base.__code__, base.__globals__, name)
    return keras.saving.register_keras_serializable("own", name)(made)


@pytest.fixture(autouse=True)
def no_new_names() -> Iterator[None]:
    yield
    forget()


def forget() -> None:
    """As in a process that has not registered them."""
    objects = keras.saving.get_custom_objects()
    for name in [name for name in objects if name.startswith("own>")]:
        del objects[name]


def net(**settings: Any) -> keras.Model:
    """A model with two outputs."""
    keras.utils.set_random_seed(5)
    inputs = keras.Input((8, 8, 2))
    x = layers.Conv2D(3, 3)(inputs)
    outputs = {
        "a": layers.GlobalAveragePooling2D(name="a")(x),
        "b": layers.MaxPooling2D(6, name="pool")(x),
    }
    model = keras.Model(inputs, outputs | {"b": layers.Flatten(name="b")(outputs["b"])}, name="net")
    if settings:
        model.compile(**({"optimizer": "sgd", "loss": losses.MeanSquaredError()} | settings))
    return model


SETTINGS: dict[str, Any] = {
    "a function": ("own_loss", lambda: {"loss": own_loss}),
    "a function, weighted": ("own_loss", lambda: {"loss": own_loss, "loss_weights": 0.5}),
    "a lambda": ("lambda", lambda: {"loss": lambda y, predicted: own_loss(y, predicted)}),
    "a Loss": ("OwnLoss", lambda: {"loss": OwnLoss()}),
    "a registered function": ("inner", lambda: {"loss": registered("inner", own_loss)}),
    "a registered Loss": ("Inner", lambda: {"loss": registered("Inner", OwnLoss)()}),
    "a list": ("own_loss", lambda: {"loss": [own_loss, losses.MeanSquaredError()]}),
    "a dict": ("OwnLoss", lambda: {"loss": {"a": losses.MeanSquaredError(), "b": OwnLoss()}}),
    "a metric": ("own_loss", lambda: {"metrics": {"a": own_loss}}),
    "a Metric": ("OwnMetric", lambda: {"metrics": {"a": [OwnMetric()]}}),
    "a registered Metric": (
        "Inner",
        lambda: {"metrics": {"a": registered("Inner", OwnMetric)()}},
    ),
    "a weighted metric": ("own_loss", lambda: {"weighted_metrics": {"a": own_loss}}),
    "an optimizer": ("OwnAdam", lambda: {"optimizer": OwnAdam()}),
    "a registered optimizer": ("Inner", lambda: {"optimizer": registered("Inner", OwnAdam)()}),
    "a schedule": ("OwnSchedule", lambda: {"optimizer": optimizers.Adam(OwnSchedule())}),
}
"""What is said of compile settings, and what makes them."""


def read_again(path: Path, folder: Path) -> keras.Model:
    """The model in a file, by Keras alone, which takes lower case alone."""
    named = folder / f"again{path.suffix.lower()}"
    shutil.copyfile(path, named)
    return keras.saving.load_model(named)


def check_converted(path: Path, model: keras.Model) -> keras.Model:
    loaded = read_again(path, path.parent)
    assert type(loaded.get_layer("pool")) is keras_maxpool.MaxPooling2D
    for new, old in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
    for new, old in zip(loaded(X).values(), model(X).values(), strict=True):
        np.testing.assert_array_equal(new, old, strict=True)
    return loaded


@cases(SETTINGS, ("a function", "a dict", "a Metric", "an optimizer", "a schedule"))
def test_compile_settings_of_ones_own(
    name: str, suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said, settings = SETTINGS[name]
    given, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    model = net(**settings())
    model.save(given)
    forget()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert main(["report", str(given)]) == 0
        out, err = capsys.readouterr()
        assert "pool" in out
        assert err.splitlines() == [f"reading {given}", "following net"]
        assert main(["convert", str(given), str(target)]) == 0
    _, note, *_ = capsys.readouterr().err.splitlines()
    assert note.startswith(f"{given}: its compile settings do not load and are left out")
    assert said in note
    assert note.endswith("Before training goes on, compile the new model again")
    assert not check_converted(target, model).compiled


@both_forms
def test_compile_settings_of_keras_own_stay(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    error = keras.metrics.MeanMetricWrapper(keras.metrics.mean_absolute_error)
    settings = {"loss_weights": {"a": 1.0, "b": 2.0}, "metrics": {"a": ["accuracy", error]}}
    model = net(optimizer=optimizers.Adam(0.25), **settings)
    model.save(given)
    assert main(["convert", str(given), str(target)]) == 0
    assert "left out" not in capsys.readouterr().err
    loaded = check_converted(target, model)
    assert isinstance(loaded.optimizer, optimizers.Adam)
    assert float(loaded.optimizer.learning_rate.numpy()) == 0.25
    kept = loaded.get_compile_config()
    assert kept["loss_weights"] == settings["loss_weights"]
    assert [type(metric) for metric in kept["metrics"]["a"]] == [str, dict]


OUTER: dict[str, Any] = {
    "not compiled": {},
    "Keras's loss": {"loss": losses.MeanSquaredError()},
    "own loss": {"loss": own_loss},
}


@cases(OUTER, ())
def test_an_inner_model_with_a_loss_of_ones_own(
    name: str, suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a GAN's discriminator, which is compiled by itself."""
    given, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    inner = net(loss=own_loss)
    inputs = keras.Input((8, 8, 2))
    model = keras.Model(inputs, inner(layers.Activation("relu")(inputs)), name="gan")
    if OUTER[name]:
        model.compile("sgd", **OUTER[name])
    model.save(given)
    assert main(["report", str(given)]) == 0
    assert main(["convert", str(given), str(target)]) == 0
    loaded = read_again(target, tmp_path)
    for new, old in zip(loaded(X).values(), model(X).values(), strict=True):
        np.testing.assert_array_equal(new, old, strict=True)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("in.hdf5", "out.hdf5"),
        ("in.H5", "out.KERAS"),
        ("in.KERAS", "out.HDF5"),
        pytest.param("in.Keras", "out.h5", marks=pytest.mark.slow),
        pytest.param("in.HDF5", "out.H5", marks=pytest.mark.slow),
    ],
)
def test_suffixes_in_any_case(
    source: str, target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = net(metrics={"a": keras.metrics.MeanAbsoluteError()})
    saved = tmp_path / f"saved{Path(source).suffix.lower()}"
    model.save(saved)
    saved.rename(tmp_path / source)
    assert main(["report", str(tmp_path / source)]) == 0
    assert main(["convert", str(tmp_path / source), str(tmp_path / target)]) == 0
    assert "left out" not in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {source, target}
    assert check_converted(tmp_path / target, model).compiled


OWN_LAYERS: dict[str, Any] = {
    "OwnLayer": lambda: OwnLayer(),
    "Inner": lambda: registered("Inner", OwnLayer)(),
    "own_activation": lambda: layers.Activation(own_activation),
    "OwnInitializer": lambda: layers.Dense(2, kernel_initializer=OwnInitializer()),
}


@cases([*OWN_LAYERS, "OwnModel"], ("OwnLayer",))
def test_layers_of_ones_own(
    name: str, suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are not in the file: the error names them, and says where to go on."""
    given, target = tmp_path / f"in{suffix}", tmp_path / "out.keras"
    x = inputs = keras.Input((8, 8, 2))
    if name in OWN_LAYERS:
        x = OWN_LAYERS[name]()(x)
    kind = OwnModel if name == "OwnModel" else keras.Model
    model = kind(inputs, layers.MaxPooling2D(2, name="pool")(x))
    model.compile("sgd", losses.MeanSquaredError())
    model.save(given)
    forget()
    for command in (["report", str(given)], ["convert", str(given), str(target)]):
        line = complaint(command, capsys)
        assert name in line
        assert line.endswith(
            "load the model in Python, where it is defined, and use keras_maxpool.tools.convert or "
            "keras_maxpool.tools.report"
        )
        assert "as Keras writes it" not in line
    assert not target.exists()


def test_where_that_error_leads_to(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((8, 8, 2)), OwnLayer(), layers.MaxPooling2D(2)])
    model.save(tmp_path / "in.keras")
    with keras.saving.custom_object_scope({"OwnLayer": OwnLayer}):
        loaded = keras.saving.load_model(tmp_path / "in.keras")
    converted = to_keras_maxpool(loaded)
    assert isinstance(converted.layers[1], keras_maxpool.MaxPooling2D)
    np.testing.assert_array_equal(converted(X), model(X), strict=True)
    assert [row.layer for row in report(loaded).rows] == [loaded.layers[1].name]


def test_in_python() -> None:
    """The functions of the tools find what a custom_object_scope holds, and say what they leave out otherwise."""
    model = net(loss=own_loss, optimizer=OwnAdam())
    with pytest.warns(
        UserWarning, match="'net' is not compiled in the new model.*custom_object_sc"
    ):
        converted = to_keras_maxpool(model)
    assert not converted.compiled
    for new, old in zip(converted(X).values(), model(X).values(), strict=True):
        np.testing.assert_array_equal(new, old, strict=True)
    with keras.saving.custom_object_scope({"own_loss": own_loss, "OwnAdam": OwnAdam}):
        converted = to_keras_maxpool(model)
    assert type(converted.optimizer) is OwnAdam
    assert converted.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)


def test_an_inner_model_in_python() -> None:
    """Each model is compiled as its twin was, with its own optimizer's state."""
    inner = net(optimizer=optimizers.SGD(0.1, momentum=0.9))
    inner.fit(X, Y, verbose=0)
    inputs = keras.Input((8, 8, 2))
    model = keras.Model(inputs, inner(layers.Activation("relu")(inputs)))
    converted = to_keras_maxpool(model)
    assert not converted.compiled
    twin = converted.get_layer("net")
    for one in (inner, twin):
        one.fit(X, Y, verbose=0, shuffle=False)
    assert int(twin.optimizer.iterations.numpy()) == 2
    for new, old in zip(twin.get_weights(), inner.get_weights(), strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-6)


class OwnCompile(keras.Model):
    def compile(self, rate: float) -> None:
        super().compile(optimizers.SGD(rate), own_loss)


def test_a_compile_of_ones_own() -> None:
    """Keras has no way to it from a config, and says so."""
    inputs = keras.Input((8, 8, 2))
    model = OwnCompile(inputs, layers.MaxPooling2D(2)(inputs))
    model.compile(0.1)
    model.optimizer.build(model.trainable_variables)
    with pytest.warns(UserWarning, match="`compile\\(\\)` method is custom"):
        converted = to_keras_maxpool(model)
    assert not converted.compiled
    np.testing.assert_array_equal(converted(X), model(X), strict=True)
