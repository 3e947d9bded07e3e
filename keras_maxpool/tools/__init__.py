"""The tools that a user runs: a module or package for each command of keras-maxpool, and what they share."""

from keras_maxpool.compat import LEGACY

if LEGACY:
    raise ImportError(
        "keras_maxpool's tools work on Keras 3, and TF_USE_LEGACY_KERAS chooses Keras 2: unset it. The layers and "
        "operations work on both."
    )
