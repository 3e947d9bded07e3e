"""Which layers a mask reaches, found by tracing the model once."""

import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

from keras_maxpool.geometry import checks
from keras_maxpool.tools.layer_tree import walk


@contextmanager
def silent_about_masks() -> Iterator[None]:
    """Without the warnings of Keras and of the layers about dropped masks, for tools that tell of them themselves."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* ignores the mask that Keras propagates", UserWarning)
        warnings.filterwarnings("ignore", ".* passed an input with a mask attached", UserWarning)
        yield


def can_mask(model: keras.Model) -> bool:
    """Whether anything in the model may make a mask: Keras's two layers that do, and whatever is the user's own."""
    return any(
        isinstance(layer, keras.layers.Masking)
        or getattr(layer, "mask_zero", False)
        or not type(layer).__module__.startswith(("keras.", "keras_maxpool."))
        for layer in (model, *(place.layer for place in walk(model)))
    )


def masked_layers(model: keras.Model, classes: Collection[type]) -> dict[str, bool]:
    """The paths of the layers of these classes that get a mask when the model is called on its own inputs.

    With each path comes whether a mask fits what the layer pools, in any of its calls; the layers ignore others.

    The model's layers are watched for good, so that it must be a copy that nobody else holds.

    Raises:
        Exception: the model does not tell what its inputs are, or cannot be called on them.
    """
    found: dict[str, bool] = {}
    for place in walk(model):
        if type(place.layer) in classes:
            place.layer.call = _watched(place.layer, place.path, found)
    tf.function(lambda inputs: model(inputs, training=False)).get_concrete_function(
        model_inputs(model)
    )
    return found


def _watched(layer: Any, path: str, found: dict[str, bool]) -> Callable[..., Any]:
    call = layer.call

    def watched(inputs: Any, mask: Any = None) -> Any:
        if mask is not None:
            fits = checks.mask_fits(mask, inputs.shape, layer.data_format)
            found[path] = found.get(path, False) or fits
        return call(inputs, mask=mask)

    return watched


def model_inputs(model: keras.Model) -> Any:
    """What the model takes, as TensorFlow writes it."""
    if isinstance(model, keras.Sequential):
        return _spec(model.inputs[0])
    if hasattr(model, "operations"):
        return keras.tree.map_structure(_spec, model.input)
    shape = (model.get_build_config() or {}).get("input_shape")
    if shape is None or not all(size is None or isinstance(size, int) for size in shape):
        raise ValueError("the shape of its one input is not known; call it once, or build it")
    return tf.TensorSpec(shape, keras.config.floatx())


def _spec(tensor: keras.KerasTensor) -> tf.TensorSpec:
    return tf.TensorSpec(tensor.shape, tensor.dtype)
