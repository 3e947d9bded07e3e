"""The error about arguments that a layer does not know, with those that were probably meant."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

SYNONYMS = {
    "dilation": "dilation_rate",
    "kernel_size": "pool_size",
    "return_argmax": "return_indices",
    "size": "pool_size",
    "with_indices": "return_indices",
}
"""Other libraries' names of arguments."""


def error(layer: str, unknown: Mapping[str, Any], own: Sequence[str], keras: Sequence[str]) -> str:
    """Returns the message about a layer with its `own` arguments and those of every `keras` layer."""
    meant = {name: suggestion(name, [*own, "name", *keras]) for name in sorted(unknown)}
    hints = "".join(f"Write {right} in place of {name}. " for name, right in meant.items() if right)
    return (
        f"{layer} does not know the argument {', '.join(map(repr, meant))}; received "
        f"{ {name: unknown[name] for name in meant} }. {hints}"
        f"It takes {', '.join((*own, 'name'))}, and Keras's own {', '.join(keras)}."
    )


def suggestion(name: str, known: Sequence[str]) -> str | None:
    """Returns the argument among the known ones that `name` stands for, if there is one."""
    if SYNONYMS.get(name) in known:
        return SYNONYMS[name]
    return next(iter(get_close_matches(name, known, n=1, cutoff=0.5)), None)
