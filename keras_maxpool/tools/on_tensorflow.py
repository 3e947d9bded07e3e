"""Refuses Keras 2 and backends other than TensorFlow, when it is imported: the tools import it before anything else."""

from keras_maxpool.compat import LEGACY, keras

if LEGACY:
    raise ImportError(
        "keras_maxpool's tools work on Keras 3, and TF_USE_LEGACY_KERAS chooses Keras 2: unset it. The layers and "
        "operations work on both."
    )
if keras.config.backend() != "tensorflow":
    raise ImportError(
        "keras_maxpool's tools work on TensorFlow, and this Keras is set to run on "
        f"{keras.config.backend()}: set KERAS_BACKEND=tensorflow. The layers and operations work on both."
    )
