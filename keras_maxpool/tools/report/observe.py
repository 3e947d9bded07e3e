"""What reaches the pooling layers of a model when it is called: their tensors, and masks. Found by tracing it once.

A functional model's graph tells the tensors, too; what a class of the user's own does inside shows only here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from keras_maxpool.geometry import checks
from keras_maxpool.tools.follow_masks import model_inputs
from keras_maxpool.tools.layer_tree import walk
from keras_maxpool.tools.report.layer_kinds import POOLING
from keras_maxpool.tools.report.model_graph import Tensor


@dataclass(frozen=True)
class Seen:
    """The first call of a layer."""

    inputs: Tensor
    outputs: tuple[Tensor, ...]
    masked: bool


def observe(model: keras.Model) -> dict[str, Seen]:
    """What each pooling layer, by its path, saw; empty where the model's inputs are not known, or do not fit it."""
    seen: dict[str, Seen] = {}
    with _watching(model, seen):
        try:
            call = tf.function(lambda inputs: model(inputs, training=False))
            call.get_concrete_function(model_inputs(model))
        except Exception:  # whatever the user's own layers raise: then less is known
            return seen
    return seen


@contextmanager
def _watching(model: keras.Model, seen: dict[str, Seen]) -> Iterator[None]:
    watched = [place for place in walk(model) if isinstance(place.layer, POOLING)]
    for place in watched:
        place.layer.call = _watched(place.layer, place.path, seen)
    try:
        yield
    finally:
        for place in watched:
            del place.layer.call


def _watched(layer: Any, path: str, seen: dict[str, Seen]) -> Callable[..., Any]:
    call = layer.call

    def watched(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        results = call(inputs, *args, **kwargs)
        # Keras keeps a mask on its tensor, also for layers that do not ask for it.
        mask = getattr(inputs, "_keras_mask", None)
        masked = mask is not None and checks.mask_fits(mask, inputs.shape, layer.data_format)
        outputs = tuple(map(_tensor, keras.tree.flatten(results)))
        seen.setdefault(path, Seen(_tensor(inputs), outputs, masked))
        return results

    return watched


def _tensor(tensor: tf.Tensor) -> Tensor:
    return Tensor(tuple(tensor.shape), tensor.dtype.name)
