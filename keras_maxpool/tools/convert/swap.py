"""Pairs the built-in layers with ours: turns one entry of a saved config into the other, or says why it cannot."""

from dataclasses import replace
from typing import Any

import keras

import keras_maxpool
from keras_maxpool.geometry import window as windows
from keras_maxpool.geometry.window import Window
from keras_maxpool.layers.registry import PACKAGE

OPTIONS = {
    f"{family}{rank}D": options
    for family, options in (
        ("MaxPooling", ("pool_size", "strides", "padding", "data_format")),
        ("GlobalMaxPooling", ("data_format", "keepdims")),
    )
    for rank in (1, 2, 3)
}
"""The layers that both packages have, by name, with the options that both have."""

KERAS_OPTIONS = ("name", "trainable", "dtype")

BUILTIN = {getattr(keras.layers, name): name for name in OPTIONS}
OURS = {getattr(keras_maxpool, name): name for name in OPTIONS}

Entry = dict[str, Any]
"""An object in a saved model's config: its class, its module, its own config, its calls."""


def to_ours(entry: Entry) -> Entry:
    """Returns the entry, changed to our layer where it was the built-in one."""
    name = entry["class_name"]
    if entry.get("module") != "keras.layers" or name not in OPTIONS:
        return entry
    module = getattr(keras_maxpool, name).__module__
    return entry | {"module": module, "registered_name": f"{PACKAGE}>{name}"}


def to_builtin(entry: Entry) -> Entry:
    """Returns the entry, changed to the built-in layer where it was ours; `obstacle` must have found none."""
    name = entry["class_name"]
    if entry.get("registered_name") != f"{PACKAGE}>{name}" or name not in OPTIONS:
        return entry
    config = {key: entry["config"][key] for key in (*KERAS_OPTIONS, *OPTIONS[name])}
    if "padding" in config:
        pool, strides, padding = (config[key] for key in ("pool_size", "strides", "padding"))
        # Dilation is none here, or an obstacle.
        config["padding"] = _named_padding(
            windows.parse(len(pool), pool, strides, padding, 1, False)
        )
    changed = entry | {"module": "keras.layers", "registered_name": None, "config": config}
    if "inbound_nodes" in entry:
        # The built-in layers take no mask in their calls.
        changed["inbound_nodes"] = [
            node | {"kwargs": {k: v for k, v in node["kwargs"].items() if k != "mask"}}
            for node in entry["inbound_nodes"]
        ]
    return changed


def obstacle(layer: Any) -> str:
    """Returns why one of our layers has no built-in equivalent; "" where it has one, or is not ours."""
    kind = type(layer)
    if not kind.__module__.startswith(f"{PACKAGE}."):
        return ""
    if kind not in OURS:
        return f"{kind.__name__} has no equivalent in keras.layers"
    found = []
    window = getattr(layer, "_window", None)
    if window is not None:
        if _named_padding(window) is None:
            found.append(f"padding={layer.padding!r}")
        if window.dilated:
            found.append(f"dilation_rate={layer.dilation_rate}")
        if layer.ceil_mode:
            found.append("ceil_mode=True")
    if layer.return_indices:
        found.append("return_indices=True")
    if layer.nonfinite != "backend":
        found.append(f"nonfinite={layer.nonfinite!r}")
    return f"the built-in layer has no {', '.join(found)}" if found else ""


def reason_to_keep(layer: Any) -> str:
    """Returns why another max pooling layer of Keras stays as it is; "" for any other layer."""
    kind = type(layer)
    if kind in BUILTIN:
        return ""
    if isinstance(layer, tuple(BUILTIN)):
        return f"{kind.__name__} is a class of your own"
    # Keras 3.7 has none.
    if kind in [getattr(keras.layers, f"AdaptiveMaxPooling{rank}D", None) for rank in (1, 2, 3)]:
        return f"the built-in {kind.__name__} has faults, so that a swap could change predictions"
    return ""


def _named_padding(window: Window) -> str | None:
    """Returns the built-in layer's name for a window's padding, if it has one."""
    if window.padding in ("valid", "same"):
        return str(window.padding)
    # With strides of 1, "same" does not depend on the input's size: any length will do.
    same = all(
        axis.stride == 1
        and axis.pads(axis.length) == replace(axis, padding="same").pads(axis.length)
        for axis in window.axes
    )
    return "same" if same else None
