"""Layers with one fault each, for the tests of what must find them."""

import tensorflow as tf

import keras_maxpool
from harness.keras_version import keras
from keras_maxpool.backend.tensorflow.context import current_context


class LastMaximum(keras_maxpool.MaxPooling2D):
    """Its gradient goes to the last of several maxima."""

    def call(self, inputs):
        pool = super().call

        @tf.custom_gradient
        def pooled(x):
            def gradient(upstream):
                # Later elements are larger, by less than what lies between two numbers of a test's input.
                _, height, width, _ = x.shape
                ramp = tf.reshape(tf.range(height * width, dtype=x.dtype), (1, height, width, 1))
                with tf.GradientTape() as tape:
                    z = x + 4e-7 * ramp
                    tape.watch(z)
                    y = pool(z)
                return tape.gradient(y, z, output_gradients=upstream)

            return pool(x), gradient

        return pooled(inputs)


class ZeroPadding(keras_maxpool.MaxPooling2D):
    """With "same" it pads with zeros, which win over what is negative."""

    def call(self, inputs):
        pads = []
        for size, pool, stride in zip(
            inputs.shape[1:-1], self.pool_size, self.strides, strict=True
        ):
            total = max((-(-size // stride) - 1) * stride + pool - size, 0)
            pads.append((total // 2, total - total // 2))
        padded = tf.pad(inputs, [(0, 0), *pads, (0, 0)])
        return tf.nn.max_pool2d(padded, self.pool_size, self.strides, "VALID")


class WrongShape(keras_maxpool.MaxPooling2D):
    """It pools right and says another shape."""

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = super().compute_output_shape(input_shape)
        return batch, height + 1, width, channels


class WrongDtype(keras_maxpool.MaxPooling2D):
    """Its output is of another dtype than it says."""

    def call(self, inputs):
        return tf.cast(super().call(inputs), "float64")


class NoGradient(keras_maxpool.MaxPooling2D):
    """It passes nothing on."""

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
