"""The error about arguments that a layer does not know, with those that were probably meant."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

SYNONYMS = {
    "ceil": ["ceil_mode"],
    "dilation": ["dilation_rate"],
    "dilations": ["dilation_rate"],
    "kernel_size": ["pool_size"],
    "ksize": ["pool_size"],
    "output_shape": ["output_size"],
    "pad": ["padding"],
    "pads": ["padding"],
    "pool_size": ["output_size"],
    "ratio": ["pooling_ratio"],
    "return_argmax": ["return_indices"],
    "size": ["pool_size", "output_size"],
    "with_indices": ["return_indices"],
}
"""What other libraries and layers call an argument; a layer's own is the first that it has."""


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
    own = [right for right in SYNONYMS.get(name, ()) if right in known]
    # Below 0.8 most of what is close means something else: "filters" is no "nonfinite".
    return next(iter(own or get_close_matches(name, known, n=1, cutoff=0.8)), None)
