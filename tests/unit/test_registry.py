"""Both spellings lead to one class, which is saved under one name; the built-in keeps its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.keras_version import keras

import keras_maxpool

RANKS = (1, 2, 3)
SPELLINGS = ("MaxPool", "MaxPooling")

by_rank = pytest.mark.parametrize("rank", RANKS, ids=lambda rank: f"{rank}d")
by_spelling = pytest.mark.parametrize("spelling", SPELLINGS)


def layer_class(rank: int) -> type[keras.layers.Layer]:
    return getattr(keras_maxpool, f"MaxPooling{rank}D")


@pytest.fixture
def no_new_names() -> Iterator[None]:
    """Takes back what a test registers for loading."""
    objects = keras.saving.get_custom_objects()
    before = dict(objects)
    yield
    objects.clear()
    objects.update(before)


@by_rank
def test_spellings_are_one_class(rank: int) -> None:
    assert getattr(keras_maxpool, f"MaxPool{rank}D") is getattr(keras_maxpool, f"MaxPooling{rank}D")


@by_rank
@by_spelling
def test_both_names_find_the_class(rank: int, spelling: str) -> None:
    name = f"keras_maxpool>{spelling}{rank}D"
    assert keras.saving.get_registered_object(name) is layer_class(rank)


@by_rank
def test_one_name_is_saved(rank: int) -> None:
    cls = layer_class(rank)
    assert keras.saving.get_registered_name(cls) == f"keras_maxpool>MaxPooling{rank}D"
    saved = keras.saving.serialize_keras_object(cls(2))
    assert saved["registered_name"] == f"keras_maxpool>MaxPooling{rank}D"
    assert saved["class_name"] == f"MaxPooling{rank}D"
    assert saved["module"] == "keras_maxpool.layers"


@by_rank
@by_spelling
def test_both_names_load(rank: int, spelling: str) -> None:
    cls = layer_class(rank)
    layer = cls(3, strides=2, padding="same_lower", name="pool")
    saved = keras.saving.serialize_keras_object(layer)
    saved["class_name"] = f"{spelling}{rank}D"
    saved["registered_name"] = f"keras_maxpool>{spelling}{rank}D"
    loaded = keras.saving.deserialize_keras_object(saved)
    assert type(loaded) is cls
    assert loaded.get_config() == layer.get_config()


@by_rank
@by_spelling
def test_both_names_load_from_legacy_form(rank: int, spelling: str) -> None:
    """As in an .h5 file: the registered name stands for the class name, and there is no module."""
    cls = layer_class(rank)
    config = cls(3, ceil_mode=True, name="pool").get_config()
    saved = {"class_name": f"keras_maxpool>{spelling}{rank}D", "config": config}
    loaded = keras.layers.deserialize(saved)
    assert type(loaded) is cls
    assert loaded.get_config() == config


@by_rank
@by_spelling
def test_builtin_names_are_not_taken(rank: int, spelling: str, tmp_path: Path) -> None:
    name = f"{spelling}{rank}D"
    assert keras.saving.get_registered_object(name) is None
    builtin = getattr(keras.layers, name)
    model = keras.Sequential([keras.Input((*[4] * rank, 1)), builtin(2), layer_class(rank)(2)])
    for suffix in (".keras", ".h5"):
        model.save(tmp_path / f"model{suffix}")
        loaded = keras.models.load_model(tmp_path / f"model{suffix}")
        assert [type(layer) for layer in loaded.layers] == [builtin, layer_class(rank)]


@by_rank
def test_builtin_config_makes_our_layer(rank: int) -> None:
    """A model is moved over by its configs: every key of the built-in means the same here."""
    builtin = getattr(keras.layers, f"MaxPool{rank}D")(3, strides=2, padding="same", name="pool")
    config = builtin.get_config()
    ours = layer_class(rank).from_config(config).get_config()
    assert {key: ours[key] for key in config} == config


@pytest.mark.usefixtures("no_new_names")
def test_subclass_has_a_name_of_its_own() -> None:
    @keras.saving.register_keras_serializable("theirs")
    class Mine(keras_maxpool.MaxPool2D):
        pass

    saved = keras.saving.serialize_keras_object(Mine(3, dilation_rate=2))
    assert saved["registered_name"] == "theirs>Mine"
    loaded = keras.saving.deserialize_keras_object(saved)
    assert type(loaded) is Mine
    assert loaded.dilation_rate == (2, 2)
    assert keras.saving.get_registered_name(keras_maxpool.MaxPool2D) == "keras_maxpool>MaxPooling2D"
