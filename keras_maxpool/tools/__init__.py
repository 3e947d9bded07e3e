"""What a user runs: each module or package here is one command of keras-maxpool, or what several share."""

from keras_maxpool.compat import LEGACY

if LEGACY:
    raise ImportError(
        "keras_maxpool's tools work on Keras 3, and TF_USE_LEGACY_KERAS chooses Keras 2: unset it. The layers and "
        "operations work on both."
    )
