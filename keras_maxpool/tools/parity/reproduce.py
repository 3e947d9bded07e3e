"""Writes a comparison of two layers as a line of Python, to paste and run."""

import inspect
from collections.abc import Sequence
from typing import Any

import keras

import keras_maxpool

LEFT_OUT = ("name", "trainable", "dtype")
"""A name has no part in a comparison, and the config of a dtype's policy is longer than its name."""

PLAIN = (bool, int, float, str, type(None))


def line(
    layer: keras.Layer,
    reference: keras.Layer,
    shape: Sequence[int | None],
    dtype: str,
    modes: Sequence[str],
    ties: bool,
) -> str:
    """Returns the call of assert_parity that compares these two layers in this way, with its imports."""
    homes = {cls: _home(cls) for cls in (type(layer), type(reference))}
    modules = {"keras" if home == "keras.layers" else home for home in homes.values()}
    imports = ", ".join(sorted(modules - {"__main__"}))
    own = " and ".join(cls.__qualname__ for cls, home in homes.items() if home == "__main__")
    options = f", modes={list(modes)!r}" + (", ties=True" if ties else "")
    return (
        f"{f'import {imports}; ' if imports else ''}from keras_maxpool.tools.parity import assert_parity; "
        f"assert_parity({expression(layer)}, {expression(reference)}, {tuple(shape)!r}, dtype={dtype!r}{options})"
        f"{f'  # after the definition of {own}' if own else ''}"
    )


def expression(layer: keras.Layer) -> str:
    """Returns a layer as Python makes it, with the arguments that differ from the defaults."""
    cls = type(layer)
    home = _home(cls)
    name = cls.__qualname__ if home == "__main__" else f"{home}.{cls.__qualname__}"
    try:
        config = _config(layer)
    except NotImplementedError:
        config = {}
    if _arguments(cls) - config.keys():  # a class that does not say how it was made
        return f"{name}(...)"
    if not all(_plain(value) for value in config.values()):
        return f"{name}.from_config({layer.get_config()!r})"
    needed = config
    for key in config:
        # Not each argument alone: its default may depend on another one.
        fewer = {other: value for other, value in needed.items() if other != key}
        if _makes(cls, fewer, config):
            needed = fewer
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in needed.items())})"


def _config(layer: keras.Layer) -> dict[str, Any]:
    config = {key: value for key, value in layer.get_config().items() if key not in LEFT_OUT}
    return config | {"dtype": layer.dtype_policy.name}


def _arguments(cls: type[keras.Layer]) -> set[str]:
    """Returns the names of the arguments of a class that a config must hold."""
    parameters = inspect.signature(cls).parameters.values()
    named = {p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
    return named - set(LEFT_OUT)


def _makes(cls: type[keras.Layer], arguments: dict[str, Any], config: dict[str, Any]) -> bool:
    try:
        return _config(cls(**arguments)) == config
    except Exception:  # a missing argument, or whatever else a class objects to
        return False


def _plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_plain, value))
    return isinstance(value, PLAIN)


def _home(cls: type) -> str:
    """Returns the shortest module that a user imports the class from."""
    for name, package in (("keras_maxpool", keras_maxpool), ("keras.layers", keras.layers)):
        if getattr(package, cls.__name__, None) is cls:
            return name
    return cls.__module__
