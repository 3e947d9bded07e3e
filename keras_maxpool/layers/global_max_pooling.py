"""Global max pooling layers for 1D, 2D and 3D: one base class, three subclasses, and the alias names."""

from collections.abc import Sequence
from typing import Any

from keras_maxpool import arguments, backend
from keras_maxpool.geometry import output_shapes
from keras_maxpool.layers import time_distributed
from keras_maxpool.layers.pooling_with_mask import PoolingWithMask
from keras_maxpool.layers.registry import register


class _GlobalMaxPooling(PoolingWithMask):
    """What the three ranks share, which is all but the rank."""

    family = "GlobalMaxPool"
    own_arguments = ("data_format", "keepdims", "return_indices", "nonfinite")

    def __init__(
        self,
        data_format: str | None = None,
        keepdims: bool = False,
        *,
        return_indices: bool = False,
        nonfinite: str = "backend",
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            name,
            kwargs,
            data_format=data_format,
            keepdims=keepdims,
            return_indices=return_indices,
            nonfinite=nonfinite,
        )

    def _checked(self, own: dict[str, Any]) -> dict[str, Any]:
        return super()._checked(own) | {
            "keepdims": arguments.flag(own["keepdims"], "keepdims"),
            "nonfinite": arguments.choice(own["nonfinite"], "nonfinite", arguments.NONFINITE),
        }

    def pooled_shape(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """A ValueError where there are no spatial elements."""
        return output_shapes.global_max_pooled(shape, self.data_format, self.keepdims)

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Pools a tensor, all of it or what a mask leaves."""
        if self.return_indices:
            time_distributed.refuse_two_outputs(self)
        return backend.global_max_pool(
            inputs,
            self.data_format,
            self.keepdims,
            self.fitting(mask, inputs),
            self.return_indices,
            self.nonfinite,
        )

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        """None: the axes that a mask speaks of are gone."""


@register(alias="GlobalMaxPool1D")
class GlobalMaxPooling1D(_GlobalMaxPooling):
    """The maximum over all steps; `GlobalMaxPool1D` is the same class.

    A drop-in for `keras.layers.GlobalMaxPooling1D` that honours masks: those that Keras propagates, from
    `Embedding(mask_zero=True)` or `Masking`, and `mask=`. The arguments, errors and rules are those of
    `GlobalMaxPooling2D`.

    Input shape:
        `(batch, steps, channels)`, or `(batch, channels, steps)` with `data_format="channels_first"`.

    Output shape:
        `(batch, channels)`; with `keepdims` the same as the input's with 1 step.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> x = np.array([[1.0, 5.0, 2.0]])[..., None]
    >>> keras_maxpool.GlobalMaxPooling1D()(x).numpy().tolist()
    [[5.0]]
    >>> keras_maxpool.GlobalMaxPooling1D()(x, mask=np.array([[True, False, True]])).numpy().tolist()
    [[2.0]]
    """

    rank = 1


@register(alias="GlobalMaxPool2D")
class GlobalMaxPooling2D(_GlobalMaxPooling):
    """The maximum over two whole spatial axes; `GlobalMaxPool2D` is the same class.

    A drop-in for `keras.layers.GlobalMaxPooling2D` with masks and the places of the maxima. Each channel of each
    sample is pooled on its own. The gradient is split evenly between the elements that are the maximum, as
    the built-in does (`MaxPooling2D`, here and there, gives it to the first).

    Args:
        data_format: `"channels_last"` or `"channels_first"`; None takes `keras.config.image_data_format()`.
        keepdims: whether the spatial axes stay, with one element each.
        return_indices: whether to return `(values, indices)`: the place of the first maximum in row-major order, int64,
            flat in the spatial volume of its own sample and channel (PyTorch's convention, the same for both data
            formats; but where NaN is the maximum PyTorch has the last); -1 in a sample that the mask empties.
        nonfinite: what NaN gives. `"backend"`, TensorFlow's answer at no cost, which depends on the mode (see below);
            `"ieee"`, NumPy's and PyTorch's in every mode, for a second reduction. Infinities are exact with both.
        name: the layer's name.
        **kwargs: what every Keras layer takes, such as `dtype` and `trainable`.

    Call arguments:
        inputs: a tensor, see below.
        mask: booleans of shape `(batch, height, width)` in both data formats, or `(batch,)`, which is what
            `TimeDistributed` propagates of its own mask; None takes the mask that Keras propagates with the inputs, if
            there is one, and ignores it with one warning where it cannot fit (`keras.layers.ZeroPadding2D(0)` before
            the layer drops it). What is False never wins. A sample without any True gives 0, and passes no gradient on.

    Input shape:
        `(batch, height, width, channels)`, or `(batch, channels, height, width)` with
        `data_format="channels_first"`. float16, bfloat16, float32, float64 and (u)int8 to (u)int64.

    Output shape:
        `(batch, channels)`; with `keepdims`, `(batch, 1, 1, channels)` or `(batch, channels, 1, 1)`. With
        `return_indices` the indices have it, too. The outgoing mask is None.

    Raises:
        TypeError: an argument of the wrong type; inputs of a dtype that cannot be pooled; a mask that is not boolean.
        ValueError: an argument out of range; inputs of another rank, or without spatial elements; a `mask=` of
            another shape.

    What a volume with NaN gives (TensorFlow 2.21 on CPU):

    | | `"backend"`, eager and graph | `"backend"`, XLA | `"ieee"`, everywhere |
    | --- | --- | --- | --- |
    | NaN and numbers | NaN | the largest number | NaN |
    | its gradient | NaN to all | to the largest number | to the NaN |
    | NaN alone | NaN | -inf, with the index -1 | NaN |
    | its gradient | NaN to all | NaN to all | to the NaN |

    With a mask `"backend"` gives these values of what is valid, and the gradient to what they equal, NaN being
    equal to NaN.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> keras_maxpool.GlobalMaxPooling2D()(ramp).numpy().tolist()
    [[15.0]]
    >>> values, indices = keras_maxpool.GlobalMaxPool2D(return_indices=True)(7.0 - ramp)
    >>> values.numpy().tolist(), indices.numpy().tolist()
    ([[7.0]], [[0]])
    """

    rank = 2


@register(alias="GlobalMaxPool3D")
class GlobalMaxPooling3D(_GlobalMaxPooling):
    """The maximum over three whole spatial or spatio-temporal axes; `GlobalMaxPool3D` is the same class.

    A drop-in for `keras.layers.GlobalMaxPooling3D`. The arguments, errors and rules are those of
    `GlobalMaxPooling2D`; the mask's shape is `(batch, depth, height, width)`.

    Input shape:
        `(batch, depth, height, width, channels)`, or `(batch, channels, depth, height, width)` with
        `data_format="channels_first"`.

    Output shape:
        `(batch, channels)`; with `keepdims` the same as the input's with 1 for depth, height and width.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(8.0).reshape(1, 2, 2, 2, 1)
    >>> keras_maxpool.GlobalMaxPooling3D(keepdims=True)(ramp).numpy().tolist()
    [[[[[7.0]]]]]
    """

    rank = 3


GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalMaxPool3D = GlobalMaxPooling3D
