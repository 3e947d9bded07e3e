"""How a test states what the built-in layers do wrong at present, without failing once they do it right."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import tensorflow as tf

# What is stated was seen on CPUs.
ON_CPU_ALONE = not tf.config.list_physical_devices("GPU")


def attempt(function: Callable[[], Any]) -> Any:
    """What the function gives, or the error that it raises."""
    try:
        return function()
    except Exception as error:
        return error


def state(*, present: bool, mended: bool, got: object) -> None:
    """The built-in does what this page says, or what is right; nothing else."""
    if mended:
        warnings.warn("keras.layers does this right: the difference is gone", stacklevel=2)
    elif ON_CPU_ALONE:
        assert present, f"the built-in does something new: {got!r}"


def refuses(got: object) -> bool:
    return isinstance(got, Exception)
