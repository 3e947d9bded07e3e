"""Max pooling layers for 1D, 2D and 3D: one base class, three subclasses, and the alias names."""

from collections.abc import Sequence
from typing import Any

from keras_maxpool import arguments, backend
from keras_maxpool.compat import LEGACY, keras
from keras_maxpool.geometry import output_shapes
from keras_maxpool.geometry import window as windows
from keras_maxpool.layers import time_distributed
from keras_maxpool.layers.mask_pooling import MaskPooling
from keras_maxpool.layers.pooling_with_mask import PoolingWithMask
from keras_maxpool.layers.registry import register


class _MaxPooling(PoolingWithMask):
    """What the three ranks share, which is all but the rank."""

    family = "MaxPool"
    own_arguments = (
        *("pool_size", "strides", "padding", "data_format"),
        *("dilation_rate", "ceil_mode", "return_indices", "nonfinite", "implementation"),
        "indices_convention",
    )

    def __init__(
        self,
        pool_size: Any = 2,
        strides: Any = None,
        padding: Any = "valid",
        data_format: str | None = None,
        name: str | None = None,
        *,
        dilation_rate: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
        nonfinite: str = "backend",
        implementation: str = "auto",
        indices_convention: str = "torch",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            name,
            kwargs,
            pool_size=pool_size,
            strides=strides,
            padding=padding,
            data_format=data_format,
            dilation_rate=dilation_rate,
            ceil_mode=ceil_mode,
            return_indices=return_indices,
            nonfinite=nonfinite,
            implementation=implementation,
            indices_convention=indices_convention,
        )
        self.supports_masking = True

    def _checked(self, own: dict[str, Any]) -> dict[str, Any]:
        window = windows.parse(
            self.rank,
            own["pool_size"],
            own["strides"],
            own["padding"],
            own["dilation_rate"],
            own["ceil_mode"],
        )
        implementation = arguments.implementation(own["implementation"])
        backend.check_implementation(implementation, window)
        return super()._checked(own) | {
            "_window": window,
            "pool_size": window.pool,
            "strides": window.strides,
            "padding": window.padding,
            "dilation_rate": window.gaps,
            "implementation": implementation,
            "nonfinite": arguments.choice(own["nonfinite"], "nonfinite", arguments.NONFINITE),
            "indices_convention": arguments.choice(
                own["indices_convention"], "indices_convention", arguments.INDICES_CONVENTIONS
            ),
        }

    def pooled_shape(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """A ValueError where the window does not fit."""
        return output_shapes.max_pooled(shape, self._window, self.data_format)

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Pools a tensor; `mask` hides what it says is False."""
        if self.return_indices:
            time_distributed.refuse_two_outputs(self)
        pooled = backend.max_pool(
            inputs,
            self._window,
            self.data_format,
            self.nonfinite,
            self.implementation,
            self.fitting(mask, inputs),
            "int64" if self.return_indices else None,
        )
        if not self.return_indices or self.indices_convention == "torch":
            return pooled
        values, indices = pooled
        return values, backend.convert_indices(
            indices,
            backend.sizes(inputs),
            self.indices_convention,
            "torch",
            self.data_format,
        )

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """The outgoing mask: whether a window sees any element that the incoming one shows."""
        mask = self.fitting(previous_mask, inputs)
        if mask is not None and len(mask.shape) > 1:  # a mask of whole samples stays one
            window = self.pool_size, self.strides, self.padding, self.dilation_rate, self.ceil_mode
            pooling = MaskPooling(*window, data_format=self.data_format)
            # A functional model of Keras 3 holds both, and may learn late that they do not fit.
            is_held = isinstance(inputs, keras.KerasTensor) and None in inputs.shape[1:]
            mask = pooling(mask, inputs) if is_held and not LEGACY else pooling(mask)
        # Keras 2's TimeDistributed takes one mask, whatever the number of outputs.
        has_two = self.return_indices and mask is not None and not time_distributed.is_calling()
        return (mask, mask) if has_two else mask

    def compute_output_spec(self, inputs: keras.KerasTensor, *args: Any, **kwargs: Any) -> Any:
        """The output's shape and dtype for a symbolic input; two of them with `return_indices`."""
        backend.check_implementation(self.implementation, self._window, inputs.dtype)
        return super().compute_output_spec(inputs)


@register(alias="MaxPool1D")
class MaxPooling1D(_MaxPooling):
    """Max pooling over one spatial or temporal axis; `MaxPool1D` is the same class.

    A drop-in for `keras.layers.MaxPooling1D`. The arguments, errors and rules are those of `MaxPooling2D`, with
    one integer or pair in place of two, and `padding` may also be `"causal"`: all padding before the first
    step, as in `keras.layers.Conv1D`, so that no output sees a later step.

    Input shape:
        `(batch, steps, channels)`, or `(batch, channels, steps)` with `data_format="channels_first"`.

    Output shape:
        The same with `steps` pooled; the formulas stand at `MaxPooling2D`.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> x = np.array([[1.0, 5.0, 2.0, 4.0, 3.0]])[..., None]
    >>> keras_maxpool.MaxPooling1D(2)(x)[0, :, 0].numpy().tolist()
    [5.0, 4.0]
    >>> keras_maxpool.MaxPooling1D(3, strides=1, padding="causal")(x)[0, :, 0].numpy().tolist()
    [1.0, 5.0, 5.0, 5.0, 4.0]
    """

    rank = 1


@register(alias="MaxPool2D")
class MaxPooling2D(_MaxPooling):
    """Max pooling over two spatial axes; `MaxPool2D` is the same class.

    A drop-in for `keras.layers.MaxPooling2D` with dilation, explicit and further named paddings, and ceil mode. Each
    channel of each sample is pooled on its own. A gradient goes to the first maximum of a window in
    row-major order, in every mode.

    Args:
        pool_size: the window's size, in elements: an integer, or one an axis.
        strides: the step from one window to the next: an integer, one an axis, or None for `pool_size`.
        padding: what stands around the input; it never wins a maximum. In any case of letters:
            `"valid"`, none;
            `"same"`, so that the output has ceil(size / strides) elements, the surplus at the end, as TensorFlow;
            `"same_lower"`, likewise with the surplus at the start, as ONNX's SAME_LOWER;
            an integer for every side, one integer an axis, or one `(before, after)` pair an axis, each
            smaller than the dilated window.
        data_format: `"channels_last"` or `"channels_first"`; None takes `keras.config.image_data_format()`.
        name: the layer's name.
        dilation_rate: the step from one element of a window to the next: an integer, or one an axis.
        ceil_mode: whether a last window may hang over the end, as in PyTorch; it is dropped if it would start
            in the padding after the end. Needs `"valid"` or explicit padding.
        return_indices: whether to return a pair, the maxima and where they were found, for `MaxUnpooling2D` and
            for models from PyTorch and ONNX (see below).
        nonfinite: what NaN and windows without a value above the dtype's lowest finite number give.
            `"backend"`, TensorFlow's answer at no cost, which depends on the mode (see below); `"ieee"`, NumPy's and
            PyTorch's in every mode, for two poolings in place of one.
        implementation: `"auto"`, or a kernel to force: `"direct"` (one `tf.nn.max_pool`), `"separable"` (one
            an axis), `"shifted"` (slices and maxima). They differ in speed alone.
        indices_convention: how indices count: `"torch"` (see below), or another library's, for code that was written
            for it, such as `"tensorflow"`: the conventions of `keras_maxpool.ops.convert_indices`.
        **kwargs: what every Keras layer takes, such as `dtype` and `trainable`.

    Call arguments:
        inputs: the tensor to pool.
        mask: booleans of shape (batch, height, width) in either data format, or (batch,), which is what
            `TimeDistributed` propagates of its own mask, or None. What is False never wins, and a window that sees
            nothing else gives 0 and is False in the outgoing mask. Keras propagates masks by itself, as from
            `Embedding(mask_zero=True)` or `Masking` to `MaxPooling1D`; the built-in layers ignore them, and this one
            ignores those that cannot fit, with one warning. `keras.layers.ZeroPadding2D(0)` before it drops them.

    Input shape:
        `(batch, height, width, channels)`, or `(batch, channels, height, width)` with
        `data_format="channels_first"`. float16, bfloat16, float32, float64 and (u)int8 to (u)int64.

    Output shape:
        The same with height and width pooled; indices are int64 of the same shape. With
        L = (pool_size - 1) * dilation_rate + 1 and P the padding on both sides, a size n becomes
        floor((n + P - L) / strides) + 1, or ceil(n / strides) for a named padding other than `"valid"` (PyTorch's
        and TensorFlow's formulas).

    Raises:
        TypeError: an argument of the wrong type; inputs of a dtype that cannot be pooled.
        ValueError: an argument out of range; inputs of another rank; a window larger than its padded input.

    Each argument is an attribute that may be set later, with the same checks; the next call obeys. What was traced
    before keeps what it was traced with: `fit` and `predict` until the next `compile`, and the masks inside a
    functional model. Where two arguments would contradict each other for a moment, as `padding=1` and a new
    `pool_size=1`, set the other one first.

    Indices follow PyTorch's convention in both data formats: the place of a window's first maximum in the spatial
    volume of its own sample and channel, y * width + x, counted without padding; with `"ieee"` the first NaN's. A
    window of padding alone has -1. `indices_convention` gives those of TensorFlow and ONNX.

    What `nonfinite="backend"` gives (TensorFlow 2.21 on CPU; gradients of such windows differ too):

    | window | eager and graph | XLA | `"ieee"`, everywhere |
    | --- | --- | --- | --- |
    | NaN and numbers | the largest number | the largest number, or NaN | NaN |
    | NaN alone | the dtype's lowest finite number | NaN | NaN |
    | -inf alone | the dtype's lowest finite number | -inf | -inf |
    | padding alone | the dtype's lowest finite number | -inf | -inf |

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> keras_maxpool.MaxPooling2D(2)(ramp)[0, :, :, 0].numpy().tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    >>> pooled = keras_maxpool.MaxPool2D(3, strides=2, padding=1)(ramp)  # a ResNet stem's
    >>> pooled[0, :, :, 0].numpy().tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    >>> values, indices = keras_maxpool.MaxPooling2D(2, return_indices=True)(ramp)
    >>> indices[0, :, :, 0].numpy().tolist()
    [[5, 7], [13, 15]]
    """

    rank = 2


@register(alias="MaxPool3D")
class MaxPooling3D(_MaxPooling):
    """Max pooling over three spatial or spatio-temporal axes; `MaxPool3D` is the same class.

    A drop-in for `keras.layers.MaxPooling3D`. The arguments, errors and rules are those of `MaxPooling2D`, with
    three integers or pairs in place of two. It takes every dtype that the 2D layer takes.

    Input shape:
        `(batch, depth, height, width, channels)`, or `(batch, channels, depth, height, width)` with
        `data_format="channels_first"`.

    Output shape:
        The same with depth, height and width pooled; the formulas stand at `MaxPooling2D`.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(8.0).reshape(1, 2, 2, 2, 1)
    >>> keras_maxpool.MaxPooling3D(2)(ramp).numpy().ravel().tolist()
    [7.0]
    """

    rank = 3


MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D
MaxPool3D = MaxPooling3D
