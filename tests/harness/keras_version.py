"""The Keras of these tests: version 3, or version 2 where TF_USE_LEGACY_KERAS asks for it."""

import pytest

from keras_maxpool.compat import LEGACY

if LEGACY:
    import tf_keras as keras
    from tensorflow import nest as tree
else:
    import keras
    from keras import tree

layers = keras.layers

keras_3_alone = pytest.mark.skipif(
    LEGACY, reason="of Keras 3 alone: unset TF_USE_LEGACY_KERAS, and see test_legacy_keras.py"
)

__all__ = ["LEGACY", "keras", "keras_3_alone", "layers", "tree"]
