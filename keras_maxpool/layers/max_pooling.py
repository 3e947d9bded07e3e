"""The base class of the max pooling layers: all but their rank, and the text of their docstrings."""

from collections.abc import Sequence
from typing import Any, Unpack

from keras_maxpool import arguments, backend, ops
from keras_maxpool.compat import LEGACY, keras
from keras_maxpool.geometry import output_shapes
from keras_maxpool.layers import time_distributed
from keras_maxpool.layers.base import LayerArguments
from keras_maxpool.layers.mask_pooling import MaskPooling
from keras_maxpool.layers.pooling_with_mask import PoolingWithMask
from keras_maxpool.layers.windowed_layer import WindowedLayer
from keras_maxpool.ops.masks import convert_mask


class BaseMaxPooling(WindowedLayer, PoolingWithMask):
    """The base of `MaxPooling1D`, `MaxPooling2D` and `MaxPooling3D`.

    A drop-in for `keras.layers.{layer}` with dilation, explicit and further named paddings, ceil
    mode, indices and masks. Each channel of each sample is pooled on its own. The gradient of a window
    goes to its first maximum in row-major order, in every mode.

    Args:
        {pool_size}
        {strides}
        {padding}
        {data_format}
        {name}
        {dilation_rate}
        {ceil_mode}
        {return_indices}
        {nonfinite}
        {implementation}
        indices_convention: how the indices count: `"torch"` (as above), `"tensorflow"`,
            `"tensorflow_batch"`, `"onnx"` or `"onnx_column_major"`, which
            `keras_maxpool.ops.convert_indices` explains.
        {kwargs}

    Call arguments:
        inputs: tensor, or what converts to one, of the input shape below.
        {mask}

    Input shape:
        {input_shape}

    Output shape:
        The input shape with other spatial sizes, and the dtype of the inputs; with `return_indices`,
        a pair of that and int64 indices of the same shape. A spatial size `size` becomes

        - with `"valid"` or explicit padding, `floor((size + pads - window) / strides) + 1`;
        - the same with `ceil_mode`,
          `min(ceil((size + pads - window) / strides) + 1, ceil((size + before) / strides))`;
        - with another named padding, `ceil(size / strides)`.

        Here `window` is `(pool_size - 1) * dilation_rate + 1`, `pads` is the padding on both sides
        together, and `before` is the padding before the first element.

    Raises:
        TypeError: if an argument has the wrong type, the dtype of the inputs cannot be pooled, or the
            mask is not boolean.
        ValueError: if an argument is out of range, two contradict each other, the inputs have another
            rank, the window is larger than the padded inputs, or the mask has another shape.

    Keras propagates masks from layer to layer, for example from `Embedding(mask_zero=True)` or
    `Masking`. With `mask=None` the layer takes that mask, and ignores it, with one warning, where it
    cannot fit. `keras.layers.ZeroPadding{rank}D(0)` before the layer drops the mask. The outgoing mask is
    False where a window has no visible element.

    Each argument is an attribute too. When it is set later, it is checked like the argument, and the
    next call uses it. What was traced before keeps the old value: `fit` and `predict` until the next
    `compile`, and the masks inside a functional model. Where two arguments would contradict each other
    for a moment, such as `padding=1` and a new `pool_size=1`, set the other one first.

    What `nonfinite="backend"` returns (TensorFlow 2.21 on CPU; gradients of such windows differ too):

    | window | eager and graph | XLA | `"ieee"`, everywhere |
    | --- | --- | --- | --- |
    | NaN and numbers | the largest number | the largest number, or NaN | NaN |
    | NaN alone | the dtype's lowest finite number | NaN | NaN |
    | -inf alone | the dtype's lowest finite number | -inf | -inf |
    | padding alone | the dtype's lowest finite number | -inf | -inf |
    """

    family = "MaxPool"
    _documented_op = staticmethod(ops.max_pool)

    def __init__(
        self,
        pool_size: arguments.Ints = 2,
        strides: arguments.Ints | None = None,
        padding: arguments.Padding = "valid",
        data_format: arguments.DataFormat | None = None,
        name: str | None = None,
        *,
        dilation_rate: arguments.Ints = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
        nonfinite: arguments.Nonfinite = "backend",
        implementation: arguments.Implementation = "auto",
        indices_convention: arguments.IndicesConvention = "torch",
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        """Checks the arguments, and holds them in their internal form."""
        super().__init__(locals())
        self.supports_masking = True

    def _checked(self, own: dict[str, Any]) -> dict[str, Any]:
        held = super()._checked(own)
        window = held["_window"]
        implementation = arguments.implementation(own["implementation"])
        backend.check_implementation(implementation, window)
        arguments.choice(own["nonfinite"], "nonfinite", arguments.NONFINITE)
        return held | {"dilation_rate": window.dilation, "implementation": implementation}

    def pooled_shape(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the shape of the values; raises a ValueError where the window does not fit."""
        return output_shapes.max_pooled(shape, self._window, self.data_format)

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Pools a tensor. Elements whose `mask` is False never win."""
        time_distributed.refuse_two_outputs(self)
        mask = convert_mask(self.fitting(mask, inputs), inputs.shape, self.data_format)
        pooled = backend.max_pool(
            inputs,
            self._window,
            self.data_format,
            self.nonfinite,
            self.implementation,
            mask,
            backend.index_dtype("int64") if self.return_indices else None,
        )
        if not self.return_indices or self.indices_convention == "torch":
            return pooled
        values, indices = pooled
        to, sizes = self.indices_convention, backend.sizes(inputs)
        return values, backend.convert_indices(indices, sizes, to, "torch", self.data_format)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """Returns the outgoing mask: whether the incoming one is True for any element of a window."""
        mask = self.fitting(previous_mask, inputs)
        if mask is not None and len(mask.shape) > 1:  # a mask of whole samples stays one
            window = self.pool_size, self.strides, self.padding, self.dilation_rate, self.ceil_mode
            pooling = MaskPooling(*window, data_format=self.data_format)
            # A functional model of Keras 3 holds both, and may find out only as it runs that they do not fit.
            is_held = isinstance(inputs, keras.KerasTensor) and None in inputs.shape[1:]
            mask = pooling(mask, inputs) if is_held and not LEGACY else pooling(mask)
        # Keras 2's TimeDistributed takes one mask, whatever the number of outputs.
        has_two = self.return_indices and mask is not None and not time_distributed.is_calling()
        return (mask, mask) if has_two else mask

    def compute_output_spec(self, inputs: keras.KerasTensor, *args: Any, **kwargs: Any) -> Any:
        """Returns the output's shape and dtype for a symbolic input; two of them with `return_indices`."""
        backend.check_implementation(self.implementation, self._window, inputs.dtype)
        return super().compute_output_spec(inputs)
