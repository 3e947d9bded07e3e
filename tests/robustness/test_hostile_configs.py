"""Damaged configs of layers and models, without a file: an error that names what is wrong, and nothing worse."""

import json
import random
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import keras
import pytest
from harness.layers import every_layer, layer
from robustness import hostile

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
    for place, value, changed in hostile.edited(entry, 40, random.Random(7)):
        load = partial(keras.saving.deserialize_keras_object, json.loads(changed))
        found, said = refusal(f"{place} = {value!r}", load)
        if isinstance(found, keras.Layer):
            assert type(found).from_config(found.get_config()).get_config() == found.get_config()
        if not said:
            continue
        refused += 1
        inside = place[0] == "config" and len(place) > 1
        words = [place[1] if inside else f"{family}{rank}D"]
        if place == ["config"]:  # Keras 3.7 does not check its type, and ignores a zero
            words += ["is not iterable", "missing 1 required positional argument"]
        if {"pool_size", "dilation_rate"} & {*place[1:2]}:  # what no longer fits is the padding
            words += ["`padding`"]
        if "dtype" in place:  # Keras names its policies, and shows a part of them as such
            words += ["DTypePolicy", "must be a string, such as 'mixed_float16'"]
        assert any(word in said for word in words), (place, value, said)
    assert refused > 10


def test_damaged_json_is_refused_before_keras() -> None:
    """What is no JSON any more is said to be none, and where; nothing but a ValueError leaves the check."""
    whole, rng = hostile.texts(hostile.sound(".keras"))["config.json"], random.Random(5)
    texts = [text for *_, text in hostile.edited(json.loads(whole), 60, rng)]
    for text in (*texts, *hostile.spoiled(whole, 60, rng)):
        _, said = refusal(str(text), partial(check_config, text))
        try:
            json.loads(text)
            assert said.startswith("it ") or not said, (text, said)
        except ValueError:
            assert re.match(r"its config is no JSON: (\S+ ){2}", said), (text, said)
