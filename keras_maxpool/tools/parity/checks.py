"""Checks of keras-maxpool parity beside shapes, outputs and gradients: names, signatures, configs, saved models.

Each check raises an AssertionError that says what differs, and can be called by hand.
"""

import contextlib
import inspect
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

import keras_maxpool
from keras_maxpool.layers.registry import PACKAGE
from keras_maxpool.tools.parity.cases import SPATIAL, SPELLINGS


def names(rank: int) -> None:
    """Checks that both spellings are one class, with the built-in's arguments in the built-in's order."""
    spelled = [f"{spelling}{rank}D" for spelling in SPELLINGS]
    for package in (keras_maxpool, keras.layers):
        first, second = (getattr(package, name) for name in spelled)
        assert first is second, f"{package.__name__}: {' and '.join(spelled)} are two classes"
    ours, builtin = (
        [
            parameter.name
            for parameter in inspect.signature(getattr(package, spelled[0])).parameters.values()
            if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        ]
        for package in (keras_maxpool, keras.layers)
    )
    assert ours == builtin, f"positional arguments: {ours} instead of {builtin}"


def config(name: str, **arguments: Any) -> None:
    """Checks that every entry of the built-in's config is in ours, and that the built-in's config makes our layer."""
    ours = getattr(keras_maxpool, name)(**arguments, name="layer")
    builtin = getattr(keras.layers, name)(**arguments, name="layer").get_config()
    found = {key: ours.get_config().get(key) for key in builtin}
    assert found == builtin, f"{found} instead of {builtin}"
    moved = type(ours).from_config(builtin).get_config()
    assert moved == ours.get_config(), f"from the built-in's config: {moved}"


def spelling_in_a_config(name: str) -> None:
    """Checks that a saved config loads under this spelling too."""
    layer = getattr(keras_maxpool, name)(3, strides=2, padding="same", name="layer")
    saved = keras.saving.serialize_keras_object(layer)
    saved |= {"class_name": name, "registered_name": f"{PACKAGE}>{name}"}
    loaded = keras.saving.deserialize_keras_object(saved)
    assert type(loaded) is type(layer), f"{type(loaded)} instead of {type(layer)}"
    assert loaded.get_config() == layer.get_config(), f"loaded with {loaded.get_config()}"


def saved_model(name: str, suffix: str) -> None:
    """Checks that a model with this layer, saved and loaded, predicts what its built-in twin predicts."""
    rank = int(name[-2])
    shape = (*SPATIAL[rank], 3)
    x = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    outputs = []
    for package in (keras_maxpool, keras.layers):
        layer = getattr(package, name)(3, strides=2, padding="same")
        model = keras.Sequential([keras.Input(shape), layer])
        with tempfile.TemporaryDirectory(prefix="keras_maxpool_") as folder:
            path = Path(folder, f"model{suffix}")
            with _without_advice():
                model.save(path)
            loaded = keras.saving.load_model(path, compile=False)
        assert type(loaded.layers[-1]) is type(layer), f"loaded as {type(loaded.layers[-1])}"
        outputs.append(keras.ops.convert_to_numpy(loaded(x)))
    assert np.array_equal(*outputs), "the loaded model's outputs differ from the built-in's"


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """Keeps back what Keras logs at each .h5 file: that it is a legacy format."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
