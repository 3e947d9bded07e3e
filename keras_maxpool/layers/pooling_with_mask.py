"""What the pooling layers with masks share: the caller's mask must fit; one from Keras is ignored if it does not."""

import warnings
from collections.abc import Sequence
from typing import Any

from keras_maxpool import backend
from keras_maxpool.compat import LEGACY, keras
from keras_maxpool.geometry import checks
from keras_maxpool.layers import time_distributed
from keras_maxpool.layers.indexed_pooling import IndexedPooling


class PoolingWithMask(IndexedPooling):
    """A layer whose `call` takes `(inputs, mask=None)`, and pools with the mask that `fitting` returns.

    Keras propagates masks by itself, and some do not fit: `TimeDistributed` and many custom layers propagate their
    incoming mask, whatever they did to its axes. The built-in layers ignore all masks, these layers ignore such ones.
    """

    _has_warned = False

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Applies the layer, as Keras does; raises where the caller's own mask does not fit."""
        mask = args[0] if args else kwargs.get("mask")
        attached = getattr(inputs, "_keras_mask", None)
        # Sequential passes the mask that is attached to its inputs.
        if mask is not None and mask is not attached:
            mask = backend.as_dense(mask, "mask")
            if hasattr(mask, "shape") and hasattr(inputs, "shape"):
                self.check_shape(inputs.shape)
                # Keras 2's TimeDistributed calls the layer, Keras 3's its `call`.
                if not time_distributed.is_calling():
                    checks.mask(mask, inputs.shape, self.data_format)
            if args:
                args = mask, *args[1:]
            else:
                kwargs["mask"] = mask
        elif attached is not None and self._is_held_by_a_model(inputs):
            # Keras 3.15 writes the attached mask into keywords that it has not copied, and a model then holds it as
            # if the caller had passed it. It copies those that are not empty.
            args, kwargs = args[1:], kwargs | {"mask": None}
        return super().__call__(inputs, *args, **kwargs)

    def _is_held_by_a_model(self, inputs: Any) -> bool:
        """Returns whether a functional model of Keras 3 holds this call and its mask, if `call` takes one."""
        return not LEGACY and isinstance(inputs, keras.KerasTensor) and self._call_has_mask_arg

    def symbolic_call(self, inputs: keras.KerasTensor, *args: Any, **kwargs: Any) -> Any:
        """Calls Keras's method without the attached mask, which Keras 3.7 holds as if the caller had passed it."""
        mask = kwargs.get("mask")
        self.fitting(mask, inputs)  # for its warning
        if mask is not None and mask is getattr(inputs, "_keras_mask", None):
            kwargs["mask"] = None
        return super().symbolic_call(inputs, *args, **kwargs)

    def fitting(self, mask: Any, inputs: Any) -> Any:
        """Returns `mask`; or None, with a warning the first time, where it cannot fit `inputs`.

        Where sizes are known only when a graph runs, a mask from Keras that does not fit becomes True everywhere.
        """
        # A mask that is no tensor is the caller's, and is checked once it is converted.
        if inputs is None or not hasattr(mask, "shape"):
            return mask
        if not checks.mask_fits(mask, inputs.shape, self.data_format):
            if not self._has_warned:
                self._has_warned = True
                self._warn(mask, inputs.shape)
            return None
        if isinstance(inputs, keras.KerasTensor):
            return mask
        is_attached = mask is getattr(inputs, "_keras_mask", None)
        if is_attached or time_distributed.is_calling(2):
            return backend.where_mask_fits(mask, inputs, self.data_format)
        return mask

    def _warn(self, mask: Any, inputs: Sequence[int | None]) -> None:
        shape = checks.known_shape(mask.shape)
        wanted = checks.mask_shape(inputs, self.data_format)
        warnings.warn(
            f"{self._shown_name} ignores the mask that Keras propagates with its inputs, as the "
            f"built-in layer does, because it cannot fit: inputs of shape {tuple(inputs)} take booleans of shape "
            f"{wanted} or {wanted[:1]}; received a mask of shape "
            f"{'unknown' if shape is None else shape} and dtype {checks.dtype_name(mask)}. "
            "A layer before this one changed these axes and not the mask. "
            f"Drop the mask with keras.layers.ZeroPadding{self.rank}D(0) before this layer (inside TimeDistributed, "
            "in a Sequential of both), or pass one that fits as `mask=`.",
            stacklevel=2,
        )
