"""Layers with one fault each, for the tests of what must find them."""

import tensorflow as tf

import keras_maxpool
from harness.keras_version import keras
from keras_maxpool.backend.tensorflow.context import current_context


class LastMaximum(keras_maxpool.MaxPooling2D):
    """Its gradient goes to the last of several maxima."""

    def call(self, inputs):
        # Later elements are larger, by less than what lies between two numbers of a test's input.
        _, height, width, _ = inputs.shape
        ramp = tf.reshape(tf.range(height * width, dtype=inputs.dtype), (1, height, width, 1))
        later = super().call(inputs + 4e-7 * ramp)
        return later + tf.stop_gradient(super().call(inputs) - later)


def wrong(name, change, method="call"):
    """A layer of that name; of what a method returns, and of its argument, `change` makes another result."""

    def changed(self, inputs):
        return change(getattr(keras_maxpool.MaxPooling2D, method)(self, inputs), inputs)

    return type(name, (keras_maxpool.MaxPooling2D,), {method: changed, "__module__": __name__})


# Zeros win over what is negative, as where a layer pads with them.
NoNegatives = wrong("NoNegatives", lambda y, x: tf.nn.relu(y))
# A row less than it says, and another dtype.
Shorter = wrong("Shorter", lambda y, x: y[:, 1:])
WrongDtype = wrong("WrongDtype", lambda y, x: tf.cast(y, "float64"))
NoGradient = wrong("NoGradient", lambda y, x: tf.stop_gradient(y))
# Right in the other modes, and where the batch is known.
WrongInXla = wrong("WrongInXla", lambda y, x: y + int(current_context().mode == "xla"))
WrongForAnyBatch = wrong("WrongForAnyBatch", lambda y, x: y + int(x.shape[0] is None))
# It pools right and says another shape.
WrongShape = wrong("WrongShape", lambda y, _: (y[0], y[1] + 1, *y[2:]), "compute_output_shape")


class Failing(keras_maxpool.MaxPooling2D):
    """It fails when it is traced."""

    def call(self, inputs):
        if not tf.executing_eagerly():
            raise RuntimeError("not in a graph")
        return super().call(inputs)


class Forgetful(keras_maxpool.MaxPooling2D):
    """Its config tells the default padding."""

    def get_config(self):
        return super().get_config() | {"padding": "valid"}


class Secretive(keras.layers.Layer):
    """It does not say how it was made."""

    def __init__(self, pool):
        super().__init__()
        self._pool = pool

    def call(self, inputs):
        return self._pool(inputs)
