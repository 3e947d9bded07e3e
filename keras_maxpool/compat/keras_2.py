"""Provides the names of Keras 3 that this package uses where `TF_USE_LEGACY_KERAS` chooses Keras 2."""

from types import SimpleNamespace
from typing import Any

import tensorflow as tf

try:
    import tf_keras
except ImportError:
    raise ImportError(
        "TF_USE_LEGACY_KERAS asks for Keras 2, whose package tf_keras is not installed. Install it with "
        "pip install tf_keras, or unset TF_USE_LEGACY_KERAS for Keras 3."
    ) from None

__version__ = tf_keras.__version__
layers = tf_keras.layers
saving = tf_keras.saving
DTypePolicy = tf_keras.mixed_precision.Policy
KerasTensor = tf_keras.__internal__.KerasTensor


class Operation(tf_keras.layers.Layer):
    """Replaces Keras 3's class by a layer that neither casts its inputs nor takes masks."""

    def __init__(self, name: str | None = None) -> None:
        """Names the operation."""
        super().__init__(name=name, autocast=False)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Returns no mask."""

    def symbolic_call(self, *args: Any) -> Any:
        """Calls the layer, which makes its node in a functional model."""
        return self(*args)


class Variable:
    """Replaces Keras 3's class in `isinstance`; nothing is an instance of it in Keras 2."""


class SeedGenerator(tf.Module):
    """Replaces Keras 3's class: its state is a pair of integers, a new one for every call."""

    def __init__(self, seed: int | None = None) -> None:
        """Starts from `seed`, or from TensorFlow's global seed for None."""
        super().__init__()
        first = _randint((), 0, tf.int64.max) if seed is None else seed
        self.state = tf.Variable(tf.stack([tf.cast(first, tf.int64), 0]), trainable=False)

    def next(self) -> tf.Tensor:
        """Returns the state, and then increments it."""
        seed = self.state.read_value()
        with tf.control_dependencies([seed]):
            self.state.assign_add([0, 1])
        return seed


def _randint(shape: Any, minval: int, maxval: int) -> tf.Tensor:
    return tf.random.uniform(shape, minval, maxval, tf.int64)


config = SimpleNamespace(
    backend=lambda: "tensorflow", image_data_format=tf_keras.backend.image_data_format
)
random = SimpleNamespace(SeedGenerator=SeedGenerator, randint=_randint)
tree = SimpleNamespace(map_structure=tf.nest.map_structure)
