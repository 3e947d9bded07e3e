"""Damaged configs of layers and models, without a file: an error that names what is wrong, and nothing worse."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import pytest
from harness.layers import every_layer, layer
from robustness import hostile

import keras_maxpool as km
from keras_maxpool.tools import limits
from keras_maxpool.tools.file_check import check_config


def refusal(name: str, make: Callable[[], Any]) -> tuple[Any, str]:
    """What is made, and "", or None, and how it is refused: by a ValueError or a TypeError."""
    try:
        return make(), ""
    except (ValueError, TypeError) as error:
        # Keras puts the whole config before what is wrong with it.
        return None, str(error).rpartition("Exception encountered: ")[2]
    except Exception as error:
        pytest.fail(f"{name}: {error!r}")


@every_layer
def test_edited_configs(family: str, rank: int) -> None:
    """A layer that knows itself, or an error that names the argument, or the class where that was changed."""
    options = {"MaxPooling": {"pool_size": 3, "padding": 1}, "MaxUnpooling": {"output_size": 4}}
    entry = keras.saving.serialize_keras_object(layer(family, rank, **options.get(family, {})))
    refused = 0
    for name, changed in hostile.edited(entry, 40, random.Random(7)):
        load = partial(keras.saving.deserialize_keras_object, json.loads(changed))
        found, said = refusal(name, load)
        if isinstance(found, keras.Layer):
            assert type(found).from_config(found.get_config()).get_config() == found.get_config()
        if not said:
            continue
        refused += 1
        place = name.partition(" = ")[0].split(".")
        inside = place[0] == "config" and len(place) > 1
        words = [place[1] if inside else f"{family}{rank}D"]
        if place == ["config"]:  # Keras 3.7 does not check its type, and ignores a zero
            words += ["is not iterable", "missing 1 required positional argument"]
        if {"pool_size", "dilation_rate"} & {*place[1:2]}:  # what no longer fits is the padding
            words += ["`padding`"]
        if "dtype" in place:  # Keras names its policies, and shows a part of them as such
            words += ["DTypePolicy", "must be a string, such as 'mixed_float16'"]
        assert any(word in said for word in words), (name, said)
    assert refused > 10


def model() -> keras.Model:
    """Of our layers alone, so that Keras has little to say of its own."""
    x = inputs = keras.Input((12, 12, 2))
    pooled, indices = km.MaxPooling2D(2, return_indices=True)(x)
    x = km.MaxUnpooling2D(2)(pooled, indices, like=x)
    x = km.FractionalMaxPooling2D(1.4, seed=3)(km.AdaptiveMaxPooling2D(8)(x))
    return keras.Model(inputs, km.GlobalMaxPooling2D()(x))


def damaged_json(count: int = 60) -> list[tuple[str, bytes]]:
    whole, rng = model().to_json().encode(), random.Random(5)
    return [
        *hostile.spoiled(whole, count, rng),
        *hostile.edited(json.loads(whole), count, rng),
    ]


def test_damaged_json_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras reads it; what our layers say of it names an argument."""
    monkeypatch.setattr(limits, "SPARE_SECONDS", 5.0)
    made = refused = ours = 0
    for name, text in damaged_json():
        try:
            # Keras 3.7 looks without end for a tensor that no layer gives.
            with limits.limited_by_size(Path("config.json")):
                keras.models.model_from_json(text.decode("latin-1"))
            made += 1
        except Exception as error:  # Keras's have no common class
            refused += 1
            for line in hostile.raised_by_us(error):
                ours += 1
                assert "`" in line or "does not know the argument" in line, (name, line)
    assert made > 10
    assert refused > 60
    assert ours > 5


def test_damaged_json_is_refused_before_keras() -> None:
    """What is no JSON any more is said to be none, and where; nothing but a ValueError leaves the check."""
    refused = 0
    for name, text in damaged_json():
        try:
            json.loads(text)
            broken = False
        except ValueError:
            broken = True
        for given in (text, text.decode("latin-1")) if broken and text.isascii() else (text,):
            _, said = refusal(name, partial(check_config, given))
            if broken:
                refused += 1
                assert said.startswith("its config is no JSON: "), (name, said)
                assert len(said.split()) > 6, (name, said)
            elif said:
                assert said.startswith("it "), (name, said)
    assert refused > 60


def test_a_config_with_code_is_refused_at_any_depth() -> None:
    entry: Any = {"class_name": "Lambda", "config": {}}
    for _ in range(200):
        entry = [{"config": {"layer": entry}}]
    with pytest.raises(ValueError, match="it holds a Lambda"):
        check_config(json.dumps(entry))
