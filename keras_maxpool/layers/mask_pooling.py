"""The pooled mask as an operation of its own, since a functional model holds masks as tensors of its graph."""

from typing import Any

import tensorflow as tf

from keras_maxpool import window as windows
from keras_maxpool.ops.masks import pooled
from keras_maxpool.registry import PACKAGE
from keras_maxpool.which_keras import keras


@keras.saving.register_keras_serializable(PACKAGE)
class MaskPooling(keras.Operation):
    """Whether a window sees any element of which a mask (batch, *spatial) is True.

    Args:
        pool_size, strides, padding, dilation_rate, ceil_mode: those of the max pooling layer, with its number of axes.
        name: the operation's name.
    """

    def __init__(
        self,
        pool_size: Any,
        strides: Any,
        padding: Any,
        dilation_rate: Any,
        ceil_mode: bool,
        name: str | None = None,
    ) -> None:
        """Holds the window."""
        super().__init__(name=name)
        self._window = windows.parse(
            len(pool_size), pool_size, strides, padding, dilation_rate, ceil_mode
        )

    def call(self, mask: tf.Tensor) -> tf.Tensor:
        """The pooled mask."""
        return pooled(tf.cast(mask, tf.bool), self._window)

    def compute_output_spec(self, mask: keras.KerasTensor) -> keras.KerasTensor:
        """The shape and dtype of what a symbolic mask gives."""
        batch, *sizes = mask.shape
        return keras.KerasTensor((batch, *self._window.output_sizes(sizes)), "bool")
