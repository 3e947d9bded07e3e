"""The pooled mask as an operation of its own, since a functional model holds masks as tensors of its graph."""

from typing import Any

from keras_maxpool import backend
from keras_maxpool.compat import keras
from keras_maxpool.geometry import checks
from keras_maxpool.geometry import window as windows
from keras_maxpool.layers.registry import PACKAGE


@keras.saving.register_keras_serializable(PACKAGE)
class MaskPooling(keras.Operation):
    """Whether a window sees any element of which a mask (batch, *spatial) is True.

    Args:
        pool_size, strides, padding, dilation_rate, ceil_mode: those of the max pooling layer, with its number of axes.
        name: the operation's name.
        data_format: that of the layer's inputs, which may be passed beside the mask: where sizes are known late and the
            mask's turn out to be others, no step is masked.
    """

    def __init__(
        self,
        pool_size: Any,
        strides: Any,
        padding: Any,
        dilation_rate: Any,
        ceil_mode: bool,
        name: str | None = None,
        data_format: str = "channels_last",
    ) -> None:
        """Holds the window."""
        super().__init__(name=name)
        self._data_format = data_format
        self._window = windows.parse(
            len(pool_size), pool_size, strides, padding, dilation_rate, ceil_mode
        )

    def call(self, mask: Any, inputs: Any | None = None) -> Any:
        """The pooled mask."""
        if inputs is not None:
            mask = backend.where_mask_fits(mask, inputs, self._data_format)
        return backend.pool_mask(mask, self._window)

    def compute_output_spec(
        self, mask: keras.KerasTensor, inputs: keras.KerasTensor | None = None
    ) -> keras.KerasTensor:
        """The shape and dtype of what a symbolic mask gives."""
        shape = mask.shape if inputs is None else checks.mask_shape(inputs.shape, self._data_format)
        batch, *sizes = shape
        return keras.KerasTensor((batch, *self._window.output_sizes(sizes)), "bool")
