"""Which Keras is used: Keras 3, or Keras 2 behind TF_USE_LEGACY_KERAS. Imported before everything else."""

import os

REFUSAL = (
    "keras_maxpool needs Keras on TensorFlow, JAX or PyTorch; this Keras is set to run on {}. Set the environment "
    "variable KERAS_BACKEND to tensorflow, jax or torch before Keras is first imported, or the backend in keras.json."
)
NOT_INSTALLED = (
    "KERAS_BACKEND={0} asks for {1}, which is not installed. Install it with pip install {0}, or set "
    "KERAS_BACKEND=tensorflow."
)
# TensorFlow compares with the same strings when it chooses `tf.keras`.
LEGACY = os.environ.get("TF_USE_LEGACY_KERAS") in ("1", "true", "True")

if LEGACY:
    from keras_maxpool.compat import keras_2 as keras
else:
    try:
        import keras  # type: ignore[no-redef]
    except ImportError:
        # Importing Keras fails where its backend is not installed.
        name = os.environ.get("KERAS_BACKEND", "tensorflow")
        if name == "tensorflow":
            raise
        names = {"jax": "JAX", "torch": "PyTorch"}
        message = NOT_INSTALLED.format(name, names[name]) if name in names else REFUSAL.format(name)
        raise ImportError(message) from None

__all__ = ["LEGACY", "REFUSAL", "keras"]
