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


class NoNegatives(keras_maxpool.MaxPooling2D):
    """Zeros win over what is negative, as where a layer pads with them."""

    def call(self, inputs):
        return tf.nn.relu(super().call(inputs))


class WrongShape(keras_maxpool.MaxPooling2D):
    """It pools right and says another shape."""

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = super().compute_output_shape(input_shape)
        return batch, height + 1, width, channels


class Shorter(keras_maxpool.MaxPooling2D):
    """Its output has a row less than it says."""

    def call(self, inputs):
        return super().call(inputs)[:, 1:]


class WrongDtype(keras_maxpool.MaxPooling2D):
    """Its output is of another dtype than it says."""

    def call(self, inputs):
        return tf.cast(super().call(inputs), "float64")


class NoGradient(keras_maxpool.MaxPooling2D):
    """It has no gradient."""

    def call(self, inputs):
        return tf.stop_gradient(super().call(inputs))


class Failing(keras_maxpool.MaxPooling2D):
    """It fails when it is traced."""

    def call(self, inputs):
        if not tf.executing_eagerly():
            raise RuntimeError("not in a graph")
        return super().call(inputs)


class WrongInXla(keras_maxpool.MaxPooling2D):
    """It is right in the other modes."""

    def call(self, inputs):
        return super().call(inputs) + (1 if current_context().mode == "xla" else 0)


class WrongForAnyBatch(keras_maxpool.MaxPooling2D):
    """It is right where the batch is known."""

    def call(self, inputs):
        return super().call(inputs) + (1 if inputs.shape[0] is None else 0)


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
