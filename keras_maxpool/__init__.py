"""Max pooling for Keras on TensorFlow and JAX: a drop-in for the built-in layers, with the options they lack."""

from keras_maxpool import compat  # noqa: F401 isort: skip
from keras_maxpool import ops as ops
from keras_maxpool.layers import *  # noqa: F403
from keras_maxpool.layers import __all__ as __all__

__version__ = "0.2.0"
