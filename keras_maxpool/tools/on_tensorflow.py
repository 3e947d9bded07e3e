"""Refuses backends other than TensorFlow, when it is imported: before the tools that need it."""

from keras_maxpool.compat import keras
from keras_maxpool.tools import on_keras_3  # noqa: F401

if keras.config.backend() != "tensorflow":
    raise ImportError(
        "keras-maxpool demo and bench work on TensorFlow, and this Keras is set to run on "
        f"{keras.config.backend()}: set KERAS_BACKEND=tensorflow. The layers, the operations and the other tools "
        "work on both."
    )
