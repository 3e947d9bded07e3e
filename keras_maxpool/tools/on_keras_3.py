"""Refuses Keras 2, when it is imported: the tools import it before anything else."""

from keras_maxpool.compat import LEGACY

if LEGACY:
    raise ImportError(
        "keras_maxpool's tools work on Keras 3, and TF_USE_LEGACY_KERAS chooses Keras 2: unset it. The layers and "
        "operations work on both."
    )
