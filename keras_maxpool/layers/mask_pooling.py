"""Pools a mask in an operation of its own, since a functional model holds masks as tensors of its graph."""

from typing import Any

from keras_maxpool import arguments, backend
from keras_maxpool.compat import keras
from keras_maxpool.geometry import checks
from keras_maxpool.geometry import window as windows
from keras_maxpool.layers.registry import PACKAGE


@keras.saving.register_keras_serializable(PACKAGE)
class MaskPooling(keras.Operation):
    """Computes whether a window has any element of which a mask of shape `(batch, *spatial)` is True.

    Args:
        pool_size, strides, padding, dilation_rate, ceil_mode: those of the max pooling layer, one entry per axis.
        name: name of the operation.
        data_format: that of the layer's inputs, which may be passed with the mask: if a graph finds out as it runs
            that the mask does not fit them, no step is masked.
    """

    # Files name the public module.
    __module__ = "keras_maxpool.layers"

    def __init__(
        self,
        pool_size: tuple[int, ...],
        strides: tuple[int, ...],
        padding: arguments.Padding,
        dilation_rate: tuple[int, ...],
        ceil_mode: bool,
        name: str | None = None,
        data_format: arguments.DataFormat = "channels_last",
    ) -> None:
        """Holds the window."""
        super().__init__(name=name)
        self._data_format = data_format
        self._window = windows.parse(
            len(pool_size), pool_size, strides, padding, dilation_rate, ceil_mode
        )

    def call(self, mask: Any, inputs: Any | None = None) -> Any:
        """Returns the pooled mask."""
        if inputs is not None:
            mask = backend.where_mask_fits(mask, inputs, self._data_format)
        return backend.pool_mask(mask, self._window)

    def compute_output_spec(
        self, mask: keras.KerasTensor, inputs: keras.KerasTensor | None = None
    ) -> keras.KerasTensor:
        """Returns the shape and dtype of the pooled mask for a symbolic one."""
        if inputs is None:
            batch, *sizes = mask.shape
        else:
            batch, *sizes = checks.mask_shape(inputs.shape, self._data_format)
        return keras.KerasTensor((batch, *self._window.output_sizes(sizes)), "bool")
