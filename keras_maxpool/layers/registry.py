"""What makes a class one of the public layers: its names in Keras's object registry, and its whole docstring."""

import inspect
import sys
from types import FunctionType
from typing import Any, TypeVar

from keras_maxpool.compat import keras
from keras_maxpool.layers import documentation

PACKAGE = "keras_maxpool"

LayerClass = TypeVar("LayerClass", bound=type[Any])


def register(cls: LayerClass) -> LayerClass:
    """Registers `...Pooling2D` under that name, for saving, and under `...Pool2D`, for loading."""
    alias = cls.__name__.replace("ooling", "ool")
    keras.saving.get_custom_objects()[f"{PACKAGE}>{alias}"] = cls
    keras.saving.register_keras_serializable(PACKAGE)(cls)
    # Files and pickles of 0.1.0 look for the class in the module of its family.
    setattr(sys.modules[cls.__base__.__module__], cls.__name__, cls)

    cls.__init__ = _named_after(cls, cls.__init__)
    parameters = inspect.signature(cls.__init__).parameters
    cls.own_arguments = tuple(x for x in parameters if x not in ("self", "name", "kwargs"))
    # Python leaves docstrings out with -OO.
    if cls.__doc__:
        cls.__doc__ = documentation.complete(cls)
    return cls


def _named_after(cls: type, init: FunctionType) -> FunctionType:
    """Returns a copy of an inherited `__init__`, since Python's errors about arguments name the function's class."""
    defaults, closure = init.__defaults__, init.__closure__
    copy = FunctionType(init.__code__, init.__globals__, "__init__", defaults, closure)
    copy.__kwdefaults__, copy.__annotations__ = init.__kwdefaults__, init.__annotations__
    copy.__qualname__ = f"{cls.__name__}.__init__"
    return copy
