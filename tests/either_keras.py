"""The Keras of these tests: version 3, or version 2 where TF_USE_LEGACY_KERAS asks for it."""

from keras_maxpool.which_keras import LEGACY

if LEGACY:
    import tf_keras as keras
else:
    import keras

layers = keras.layers

__all__ = ["LEGACY", "keras", "layers"]
