"""Keras 2 in the shape of Keras 3: what the layers use, where `TF_USE_LEGACY_KERAS` makes `tf.keras` Keras 2."""

from types import SimpleNamespace
from typing import Any

import tensorflow as tf

try:
    import tf_keras
except ImportError:
    raise ImportError(
        "TF_USE_LEGACY_KERAS asks for Keras 2, whose package tf_keras is not installed. Install it with "
        "pip install 'keras_maxpool[legacy]', or unset TF_USE_LEGACY_KERAS for Keras 3."
    ) from None

__version__ = tf_keras.__version__
layers = tf_keras.layers
saving = tf_keras.saving
DTypePolicy = tf_keras.mixed_precision.Policy
KerasTensor = tf_keras.__internal__.KerasTensor
# Of a functional model's graph, Keras 2 makes its nodes itself.
Operation = tf_keras.layers.Layer


class Variable:
    """Keras 3's own. Keras 2 has TensorFlow's."""


class SeedGenerator(tf.Module):
    """Keras 3's: a state of two integers, a pair of them for every call."""

    def __init__(self, seed: int | None = None) -> None:
        """Starts from `seed`, or from TensorFlow's global seed for None."""
        super().__init__()
        first = _randint((), 0, tf.int64.max) if seed is None else seed
        self.state = tf.Variable(tf.stack([tf.cast(first, tf.int64), 0]), trainable=False)

    def next(self) -> tf.Tensor:
        """The state, which then counts up."""
        seed = self.state.read_value()
        with tf.control_dependencies([seed]):
            self.state.assign_add([0, 1])
        return seed


def _randint(shape: Any, minval: int, maxval: int) -> tf.Tensor:
    return tf.random.uniform(shape, minval, maxval, tf.int64)


config = SimpleNamespace(image_data_format=tf_keras.backend.image_data_format)
random = SimpleNamespace(SeedGenerator=SeedGenerator, randint=_randint)
tree = SimpleNamespace(map_structure=tf.nest.map_structure)
