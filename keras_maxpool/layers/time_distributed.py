"""Detects calls by `TimeDistributed`, which bypasses a layer's `__call__`, from the caller's frame."""

import sys
from typing import Any

from keras_maxpool.compat import LEGACY, keras

MODULE = keras.layers.TimeDistributed.__module__


def is_calling(depth: int = 1) -> bool:
    """Returns whether `TimeDistributed` called the function that asks, or the one `depth - 1` calls before it."""
    return sys._getframe(depth + 1).f_globals.get("__name__") == MODULE


def refuse_two_outputs(layer: Any) -> None:
    """Raises where `TimeDistributed` called the function that asks: it stacks one output. Keras 2's takes two."""
    if layer.return_indices and not LEGACY and is_calling(2):
        raise ValueError(
            f"TimeDistributed takes one output of its layer; {type(layer).__name__} {layer.name!r} returns two, with "
            "return_indices=True. Fold the time steps into the batch instead: call the layer on "
            "keras.ops.reshape(inputs, (-1, *inputs.shape[2:])), and reshape its values and its indices back; or leave "
            "return_indices out."
        )
