"""Both spellings of a layer's name lead to one class in Keras's object registry."""

from collections.abc import Callable
from typing import TypeVar

from keras_maxpool.compat import keras

PACKAGE = "keras_maxpool"

LayerClass = TypeVar("LayerClass", bound=type)


def register(alias: str) -> Callable[[LayerClass], LayerClass]:
    """Registers a class under `keras_maxpool>` and its own name, for saving, and under `alias`, for loading."""

    def decorate(cls: LayerClass) -> LayerClass:
        keras.saving.get_custom_objects()[f"{PACKAGE}>{alias}"] = cls
        return keras.saving.register_keras_serializable(PACKAGE, cls.__name__)(cls)

    return decorate
