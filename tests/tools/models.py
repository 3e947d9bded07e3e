"""Small models for the tests of the tools, and what two of them must share."""

import keras
import numpy as np

import keras_maxpool

layers = keras.layers


class TripleGradient(keras_maxpool.MaxPooling2D):
    """Pools right and propagates three times the gradient."""

    def call(self, inputs):
        y = super().call(inputs)
        return y + 2 * (y - keras.ops.stop_gradient(y))


def chain(shape, *steps, name=None, dtype="float32"):
    """A functional model: one layer after the other."""
    x = inputs = keras.Input(shape, dtype=dtype)
    for layer in steps:
        x = layer(x)
    return keras.Model(inputs, x, name=name)


def tokens(*steps, steps_in=6, name=None):
    """The layers after an embedding that masks 0."""
    return chain(
        (steps_in,), layers.Embedding(5, 2, mask_zero=True), *steps, dtype="int32", name=name
    )


def example(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def bits(value):
    """All that two outputs, or lists of weights, must share."""
    arrays = [keras.ops.convert_to_numpy(part) for part in keras.tree.flatten(value)]
    return [(array.shape, array.dtype.name, array.tobytes()) for array in arrays]


def files(folder):
    return sorted(path.name for path in folder.iterdir())
