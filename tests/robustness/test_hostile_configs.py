"""Damaged configs of layers and models, without a file: an error that names what is wrong, and nothing worse."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest
from robustness import hostile

import keras_maxpool as km
from keras_maxpool.tools import limits
from keras_maxpool.tools.file_check import check_config


def made_layers() -> list[keras.Layer]:
    arguments = {
        "MaxPooling": {"pool_size": 3, "padding": 1},
        "AdaptiveMaxPooling": {"output_size": 2},
        "FractionalMaxPooling": {"pooling_ratio": 1.5},
        "GlobalMaxPooling": {},
        "MaxUnpooling": {"output_size": 4},
    }
    return [getattr(km, f"{k}{r}D")(**named) for k, named in arguments.items() for r in (1, 2, 3)]


def refusal(name: str, make: Callable[[], Any]) -> tuple[Any, str]:
    """What is made, and "", or None, and how it is refused: by a ValueError or a TypeError."""
    try:
        return make(), ""
    except (ValueError, TypeError) as error:
        # Keras puts the whole config before what is wrong with it.
        return None, str(error).rpartition("Exception encountered: ")[2]
    except Exception as error:
        pytest.fail(f"{name}: {error!r}")


def deserialized(entry: Any) -> Callable[[], Any]:
    return lambda: keras.saving.deserialize_keras_object(copy.deepcopy(entry))


@pytest.mark.parametrize("layer", made_layers(), ids=lambda layer: type(layer).__name__)
def test_edited_configs(layer: keras.Layer) -> None:
    """A layer that knows itself, or an error that names the argument, or the class where that was changed."""
    rng = random.Random(7)
    entry = keras.saving.serialize_keras_object(layer)
    refused = 0
    for name, changed in hostile.edited(entry, 40, rng):
        found, said = refusal(name, deserialized(changed))
        if said:
            refused += 1
            place = name.partition(" = ")[0].split(".")
            inside = place[0] == "config" and len(place) > 1
            words = place[1:2] if inside else [type(layer).__name__]
            if place == ["config"]:  # Keras 3.7 does not check its type, and ignores a zero
                words += ["is not iterable", "missing 1 required positional argument"]
            if place[1:2] in (
                ["pool_size"],
                ["dilation_rate"],
            ):  # what no longer fits is the padding
                words += ["`padding`"]
            if "dtype" in place:  # Keras names its policies, and shows a part of them as such
                words += ["DTypePolicy", "must be a string, such as 'mixed_float16'"]
            assert any(word in said for word in words), (name, said)
        if isinstance(found, keras.Layer):
            assert type(found).from_config(found.get_config()).get_config() == found.get_config()
    assert refused > 10


def model() -> keras.Model:
    """Of our layers alone, so that Keras has little to say of its own."""
    x = inputs = keras.Input((12, 12, 2))
    pooled, indices = km.MaxPooling2D(2, return_indices=True)(x)
    x = km.MaxUnpooling2D(2)(pooled, indices, like=x)
    x = km.FractionalMaxPooling2D(1.4, seed=3)(km.AdaptiveMaxPooling2D(8)(x))
    return keras.Model(inputs, km.GlobalMaxPooling2D()(x))


def damaged_json(count: int) -> list[tuple[str, bytes]]:
    whole = model().to_json().encode()
    rng = random.Random(5)
    cases = [*hostile.damaged_text(whole, count, rng)]
    for name, config in hostile.edited(json.loads(whole), count, rng):
        cases.append((name, json.dumps(config).encode()))
    return cases


def test_damaged_json_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras reads it; what our layers say of it names an argument."""
    monkeypatch.setattr(limits, "SPARE_SECONDS", 5.0)
    made, refused = 0, []
    for name, text in damaged_json(60):
        try:
            # Keras 3.7 looks without end for a tensor that no layer gives.
            with limits.limited_by_size(Path("config.json")):
                keras.models.model_from_json(text.decode("latin-1"))
            made += 1
        except Exception as error:  # Keras's have no common class
            refused.append((name, list(hostile.raised_by_us(error))))
    assert made > 10
    assert len(refused) > 60
    assert sum(len(lines) for _, lines in refused) > 5
    for name, lines in refused:
        assert all("`" in one or "does not know the argument" in one for one in lines), (
            name,
            lines,
        )


def test_damaged_json_is_refused_before_keras() -> None:
    """What is no JSON any more is said to be none, and where; nothing but a ValueError leaves the check."""
    refused = 0
    for name, text in damaged_json(60):
        sound = True
        try:
            json.loads(text)
        except ValueError:
            sound = False
        for given in (text, text.decode("latin-1")) if not sound and text.isascii() else (text,):
            _, said = refusal(name, lambda given=given: check_config(given))
            if not sound:
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
