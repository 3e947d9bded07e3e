"""Builds a model again from what Keras saves of it, with a changed config.

Keras's file holds nearly all that belongs to a model: weights, vocabularies, what a normalization has learnt, and what
a layer of the user's own saves. `clone_model` would copy the weights alone, and not reach into wrappers.
"""

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from keras_maxpool.tools.convert.swap import Entry
from keras_maxpool.tools.errors import message
from keras_maxpool.tools.file_check import without_settings
from keras_maxpool.tools.layer_tree import walk
from keras_maxpool.tools.model_file import copy_changed


def rebuild(model: keras.Model, change: Callable[[Entry], Entry]) -> keras.Model:
    """Returns the model, not compiled, with `change(entry)` for each object's entry in its config.

    Raises:
        ValueError: Keras cannot save the model, or cannot make it from what it saved.
    """
    _check_sharing(model)
    with tempfile.TemporaryDirectory(prefix="keras_maxpool_") as folder:
        saved, edited = Path(folder, "saved.keras"), Path(folder, "edited.keras")
        try:
            model.save(saved)
            # Models are compiled later, when their layers are frozen as they were.
            copy_changed(saved, edited, lambda config: _changed(without_settings(config), change))
            saved.unlink()
            return keras.saving.load_model(edited, custom_objects=_classes(model))
        except (NotImplementedError, TypeError, ValueError) as error:
            raise ValueError(
                f"Keras cannot make {type(model).__name__} {model.name!r} again from its own config, which the "
                "conversion depends on. A class of your own needs get_config, and objects of your own a "
                f"keras.saving.custom_object_scope. Keras says: {message(error)}"
            ) from error


def _check_sharing(model: keras.Model) -> None:
    """Refuses a layer that two models share, which Keras 3.7 loads wrongly, and 3.15 not at all."""
    holders: dict[int, str] = {}
    functional = [model, *(p.layer for p in walk(model) if isinstance(p.layer, keras.Model))]
    for holder in functional:
        for operation in getattr(holder, "operations", ()):
            other = holders.setdefault(id(operation), holder.name)
            # An input is made, not called: that of an inner model may be the outer one's too.
            if other != holder.name and not isinstance(operation, keras.layers.InputLayer):
                raise ValueError(
                    f"Layer {operation.name!r} is called in model {other!r} and in model {holder.name!r}, one of "
                    "which is in the other or beside it; Keras can save that, and not load it. Give the layer to a "
                    "model of its own, and call that in both."
                )


def _changed(config: Any, change: Callable[[Entry], Entry]) -> Any:
    if isinstance(config, dict):
        config = {key: _changed(value, change) for key, value in config.items()}
        return change(config) if {"class_name", "config"} <= config.keys() else config
    if isinstance(config, list):
        return [_changed(value, change) for value in config]
    return config


def _classes(model: keras.Model) -> dict[str, type]:
    """Returns the user's classes in the model, by the names that Keras saved for them."""
    kinds = {type(model), *(type(nested.layer) for nested in walk(model))}
    return {
        keras.saving.get_registered_name(kind): kind
        for kind in kinds
        if not kind.__module__.startswith(("keras.", "keras_maxpool."))
    }


def copy_training_state(model: keras.Model, copy: keras.Model) -> None:
    """Copies what Keras's file lacks or loses: random states, what is frozen, compile settings and optimizer state."""
    for old, new in zip(_random_states(model), _random_states(copy), strict=True):
        new.assign(old)
    # Configs do not hold all of it, and what is frozen decides which weights the optimizer has variables for.
    copy.trainable = model.trainable
    for old, new in zip(_layers(model), _layers(copy), strict=True):
        if new.trainable != old.trainable:
            new.trainable = old.trainable
    for old, new in zip(_models(model), _models(copy), strict=True):
        if old.compiled:
            _compile_alike(old, new)


def _models(model: keras.Model) -> list[keras.Model]:
    """Returns the model itself, and those within, such as a GAN's discriminator."""
    return [model, *(layer for layer in _layers(model) if isinstance(layer, keras.Model))]


def _compile_alike(model: keras.Model, copy: keras.Model) -> None:
    try:
        copy.compile_from_config(model.get_compile_config())
    except Exception as error:  # whatever the user's own objects raise
        warnings.warn(
            f"{model.name!r} is not compiled in the new model: its compile settings do not load. Compile it again, or "
            "convert within a keras.saving.custom_object_scope of your own losses, metrics and optimizers. Keras says: "
            f"{message(error)}",
            stacklevel=5,
        )
        return
    # A class with a `compile` of its own may not have been compiled.
    if not copy.compiled or not model.optimizer.built:
        return
    state = model.optimizer.variables
    if not copy.optimizer.built:  # a second time would make more variables
        copy.optimizer.build(copy.trainable_variables)
    if [v.shape for v in copy.optimizer.variables] != [v.shape for v in state]:
        warnings.warn(
            f"The state of the optimizer of {model.name!r} starts from zero: what was loaded does not fit the weights "
            "that are trainable now.",
            stacklevel=5,
        )
        return
    for old, new in zip(state, copy.optimizer.variables, strict=True):
        new.assign(old)


def _layers(model: keras.Model) -> list[keras.Layer]:
    """Returns the layers alone: masks add operations to the graph of one model that the other lacks."""
    return [nested.layer for nested in walk(model) if isinstance(nested.layer, keras.Layer)]


def _random_states(model: keras.Model) -> list[keras.Variable]:
    """Returns the variables that are not weights."""
    weights = {id(weight) for weight in model.weights}
    return [variable for variable in model.variables if id(variable) not in weights]
