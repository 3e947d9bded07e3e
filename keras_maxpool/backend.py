"""Imported first: Keras on TensorFlow, or one sentence that says how to get there."""

import os

REFUSAL = (
    "keras_maxpool needs Keras on TensorFlow; this Keras is set to run on {}. Set the environment variable "
    "KERAS_BACKEND=tensorflow before Keras is first imported, or the backend in its keras.json."
)

try:
    import keras
except ImportError:
    # Keras fails inside where its backend is not installed.
    if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
        raise
    raise ImportError(REFUSAL.format(os.environ["KERAS_BACKEND"])) from None
if keras.config.backend() != "tensorflow":
    raise ImportError(REFUSAL.format(keras.config.backend()))
