"""Imported first: which Keras it is. On TensorFlow, or one sentence that says how to get there."""

import os

REFUSAL = (
    "keras_maxpool needs Keras on TensorFlow; this Keras is set to run on {}. Set the environment variable "
    "KERAS_BACKEND=tensorflow before Keras is first imported, or the backend in its keras.json."
)
# As TensorFlow reads it, where it chooses what `tf.keras` is.
LEGACY = os.environ.get("TF_USE_LEGACY_KERAS") in ("1", "true", "True")

if LEGACY:
    from keras_maxpool.compat import keras_2 as keras
else:
    try:
        import keras  # type: ignore[no-redef]
    except ImportError:
        # Keras fails inside where its backend is not installed.
        if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
            raise
        raise ImportError(REFUSAL.format(os.environ["KERAS_BACKEND"])) from None
    if keras.config.backend() != "tensorflow":
        raise ImportError(REFUSAL.format(keras.config.backend()))

__all__ = ["LEGACY", "keras"]
