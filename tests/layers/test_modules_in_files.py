"""A file names `keras_maxpool.layers` as the module of each class; those that 0.1.0 named still have the classes."""

from __future__ import annotations

import copy
import importlib
import json
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness.keras_version import keras, keras_3_alone
from harness.runner import as_array

import keras_maxpool
from keras_maxpool import layers

DATA = Path(__file__).parents[1] / "golden"
OLD_MODULES = {
    "MaxPooling": "max_pooling",
    "GlobalMaxPooling": "global_max_pooling",
    "AdaptiveMaxPooling": "adaptive_max_pooling",
    "FractionalMaxPooling": "fractional_max_pooling",
    "MaxUnpooling": "max_unpooling",
}
CLASSES = {
    (f"keras_maxpool.layers.{module}", f"{family}{rank}D"): getattr(layers, f"{family}{rank}D")
    for family, module in OLD_MODULES.items()
    for rank in (1, 2, 3)
}
CLASSES["keras_maxpool.layers.mask_pooling", "MaskPooling"] = layers.MaskPooling


def objects(config: Any) -> Iterator[dict[str, Any]]:
    """Every part of a config that names one of the package's classes."""
    if isinstance(config, dict):
        if str(config.get("module")).startswith("keras_maxpool"):
            yield config
        config = list(config.values())
    if isinstance(config, list):
        for part in config:
            yield from objects(part)


def config_in(path: Path) -> Any:
    with zipfile.ZipFile(path) as file:
        return json.loads(file.read("config.json"))


@pytest.mark.parametrize("name", ["golden", "golden_family", "golden_trained", "golden_keras_2"])
def test_what_a_file_of_0_1_0_names_is_there(name: str) -> None:
    """As a Keras that imports it looks it up, in the module's dictionary."""
    named = list(objects(config_in(DATA / f"{name}_v0_1_0.keras")))
    assert named
    for part in named:
        module, cls = part["module"], part["class_name"]
        assert vars(importlib.import_module(module))[cls] is CLASSES[module, cls]


def test_every_old_path() -> None:
    """The class is its own at both, for pickles too, and says the new one."""
    for (module, name), cls in CLASSES.items():
        assert pickle.loads(f"c{module}\n{name}\n.".encode()) is cls
        assert cls.__module__ == "keras_maxpool.layers"
        assert vars(layers)[name] is cls
        assert pickle.loads(pickle.dumps(cls)) is copy.deepcopy(cls) is cls


def masked_model() -> keras.Model:
    """With the mask of unknown steps as a part of the model."""
    inputs = keras.Input((None, 2))
    pooled = keras_maxpool.MaxPool1D(2)(keras.layers.Masking()(inputs))
    return keras.Model(inputs, keras.layers.LSTM(2)(pooled))


@keras_3_alone  # Keras 2's files hold no masks
def test_a_new_file_names_the_public_module(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    masked_model().save(path)
    named = {(part["module"], part["class_name"]) for part in objects(config_in(path))}
    public = "keras_maxpool.layers"
    assert named == {(public, "MaxPooling1D"), (public, "MaskPooling")}


@keras_3_alone
def test_a_config_edited_by_hand_loads() -> None:
    """With 0.1.0's modules in place of the public one."""
    model = masked_model()
    config = json.loads(model.to_json())
    old = {name: module for module, name in CLASSES}
    for part in objects(config):
        part["module"] = old[part["class_name"]]
    loaded = keras.models.model_from_json(json.dumps(config))
    loaded.set_weights(model.get_weights())
    x = np.random.default_rng(0).normal(size=(2, 6, 2)).astype("float32")
    x[:, 4:] = 0
    np.testing.assert_array_equal(as_array(loaded(x)), as_array(model(x)))
