"""The base class of the global max pooling layers: all but their rank, and the text of their docstrings."""

from collections.abc import Sequence
from typing import Any, Unpack

from keras_maxpool import arguments, backend, ops
from keras_maxpool.geometry import output_shapes
from keras_maxpool.layers import time_distributed
from keras_maxpool.layers.base import LayerArguments
from keras_maxpool.layers.pooling_with_mask import PoolingWithMask
from keras_maxpool.ops.masks import convert_mask


class BaseGlobalMaxPooling(PoolingWithMask):
    """The base of `GlobalMaxPooling1D`, `GlobalMaxPooling2D` and `GlobalMaxPooling3D`.

    A drop-in for `keras.layers.{layer}` with masks and the flat indices of the maxima. Each channel
    of each sample is pooled on its own. The gradient is split evenly between the elements that equal
    the maximum, as in the built-in layer. (In `MaxPooling{rank}D` it goes to the first of them.)

    Args:
        {data_format}
        {keepdims}
        {return_indices}
        {nonfinite}
        {name}
        {kwargs}

    Call arguments:
        inputs: tensor, or what converts to one, of the input shape below.
        {mask}

    Input shape:
        {input_shape}

    Output shape:
        `(batch, channels)`. With `keepdims`, the input shape with spatial sizes of 1. The dtype is that
        of the inputs. With `return_indices`, a pair of that and int64 indices of the same shape.

    Raises:
        TypeError: if an argument has the wrong type, the dtype of the inputs cannot be pooled, or the
            mask is not boolean.
        ValueError: if an argument is out of range, the inputs have another rank or no spatial
            elements, or the mask has another shape.

    Keras propagates masks from layer to layer, for example from `Embedding(mask_zero=True)` or
    `Masking`. With `mask=None` the layer takes that mask, and ignores it, with one warning, where it
    cannot fit. `keras.layers.ZeroPadding{rank}D(0)` before the layer drops the mask. The outgoing mask is
    `None`.

    The result for a volume with NaN (TensorFlow 2.21 on CPU):

    | | `"backend"`, eager and graph | `"backend"`, XLA | `"ieee"`, everywhere |
    | --- | --- | --- | --- |
    | NaN and numbers | NaN | the largest number | NaN |
    | its gradient | NaN to all | to the largest number | to the NaN |
    | NaN alone | NaN | -inf, with the index -1 | NaN |
    | its gradient | NaN to all | NaN to all | to the NaN |

    With a mask, `"backend"` returns these values for the visible elements, and the gradient to those that
    equal them, where NaN equals NaN.
    """

    family = "GlobalMaxPool"
    _documented_op = staticmethod(ops.global_max_pool)

    def __init__(
        self,
        data_format: arguments.DataFormat | None = None,
        keepdims: bool = False,
        *,
        return_indices: bool = False,
        nonfinite: arguments.Nonfinite = "backend",
        name: str | None = None,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        """Checks the arguments, and holds them in their internal form."""
        super().__init__(locals())

    def _checked(self, own: dict[str, Any]) -> dict[str, Any]:
        arguments.flag(own["keepdims"], "keepdims")
        arguments.choice(own["nonfinite"], "nonfinite", arguments.NONFINITE)
        return super()._checked(own)

    def pooled_shape(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the shape of the values; raises a ValueError without spatial elements."""
        return output_shapes.global_max_pooled(shape, self.data_format, self.keepdims)

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Pools a tensor: all of it, or the elements whose `mask` is True."""
        time_distributed.refuse_two_outputs(self)
        mask = convert_mask(self.fitting(mask, inputs), inputs.shape, self.data_format)
        options = self.return_indices, self.nonfinite
        return backend.global_max_pool(inputs, self.data_format, self.keepdims, mask, *options)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """Returns None: the outputs have no axes to mask."""
