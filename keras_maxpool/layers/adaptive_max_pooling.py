"""Adaptive max pooling layers for 1D, 2D and 3D: one base class, three subclasses, and the alias names."""

from collections.abc import Sequence
from typing import Any

from keras_maxpool import arguments, backend
from keras_maxpool.geometry import output_shapes
from keras_maxpool.layers import time_distributed
from keras_maxpool.layers.indexed_pooling import IndexedPooling
from keras_maxpool.layers.registry import register


class _AdaptiveMaxPooling(IndexedPooling):
    """What the three ranks share, which is all but the rank."""

    family = "AdaptiveMaxPool"
    own_arguments = ("output_size", "data_format", "return_indices")

    def __init__(
        self,
        output_size: Any,
        data_format: str | None = None,
        name: str | None = None,
        *,
        return_indices: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            name,
            kwargs,
            output_size=output_size,
            data_format=data_format,
            return_indices=return_indices,
        )

    def _checked(self, own: dict[str, Any]) -> dict[str, Any]:
        return super()._checked(own) | {
            "output_size": arguments.output_sizes(own["output_size"], self.rank)
        }

    def call(self, inputs: Any) -> Any:
        """Pools a tensor."""
        if self.return_indices:
            time_distributed.refuse_two_outputs(self)
        return backend.adaptive_max_pool(
            inputs, self.output_size, self.data_format, self.return_indices
        )

    def pooled_shape(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """A ValueError where there is nothing to pool."""
        return output_shapes.adaptive_max_pooled(shape, self.output_size, self.data_format)


@register(alias="AdaptiveMaxPool1D")
class AdaptiveMaxPooling1D(_AdaptiveMaxPooling):
    """Max pooling over one spatial or temporal axis to a given size; `AdaptiveMaxPool1D` is the same class.

    A drop-in for `keras.layers.AdaptiveMaxPooling1D`. The arguments, errors and rules are those of
    `AdaptiveMaxPooling2D`, with one integer in place of two.

    Input shape:
        `(batch, steps, channels)`, or `(batch, channels, steps)` with `data_format="channels_first"`.

    Output shape:
        The same with `output_size` steps.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> x = np.array([[3.0, 1.0, 2.0, 5.0, 4.0]])[..., None]
    >>> keras_maxpool.AdaptiveMaxPooling1D(3)(x)[0, :, 0].numpy().tolist()
    [3.0, 5.0, 5.0]
    """

    rank = 1


@register(alias="AdaptiveMaxPool2D")
class AdaptiveMaxPooling2D(_AdaptiveMaxPooling):
    """Max pooling over two spatial axes to a given size; `AdaptiveMaxPool2D` is the same class.

    A drop-in for `keras.layers.AdaptiveMaxPooling2D` that gives what `torch.nn.AdaptiveMaxPool2d` gives. Region i of an
    axis of n elements in m outputs goes from floor(i * n / m) to before ceil((i + 1) * n / m), which is
    PyTorch's rule: regions overlap where m does not divide n, and m may be larger than n. Each channel of
    each sample is pooled on its own. A gradient goes to the first maximum of a region in row-major order, and NaN
    counts as the largest value, in every mode.

    Args:
        output_size: the output's size: an integer, or one an axis; None for an axis keeps that axis as it is.
        data_format: `"channels_last"` or `"channels_first"`; None takes `keras.config.image_data_format()`.
        name: the layer's name.
        return_indices: whether to give a pair, the values and the int64 indices: each is the place of the first
            maximum in the spatial volume of its own sample and channel, in row-major order, as PyTorch's.
        **kwargs: what every Keras layer takes, such as `dtype` and `trainable`.

    Input shape:
        `(batch, height, width, channels)`, or `(batch, channels, height, width)` with
        `data_format="channels_first"`. float16, bfloat16, float32, float64 and (u)int8 to (u)int64. Height
        and width may be unknown, and may differ from call to call.

    Output shape:
        The same with height and width of `output_size`.

    Raises:
        TypeError: an argument of the wrong type; inputs of a dtype that cannot be pooled.
        ValueError: an argument out of range; inputs of another rank; an axis without elements.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(12.0).reshape(1, 3, 4, 1)
    >>> values, indices = keras_maxpool.AdaptiveMaxPooling2D(2, return_indices=True)(ramp)
    >>> values[0, :, :, 0].numpy().tolist()
    [[5.0, 7.0], [9.0, 11.0]]
    >>> indices[0, :, :, 0].numpy().tolist()
    [[5, 7], [9, 11]]
    """

    rank = 2


@register(alias="AdaptiveMaxPool3D")
class AdaptiveMaxPooling3D(_AdaptiveMaxPooling):
    """Max pooling over three spatial or spatio-temporal axes to a given size; `AdaptiveMaxPool3D` is the same class.

    A drop-in for `keras.layers.AdaptiveMaxPooling3D`. The arguments, errors and rules are those of
    `AdaptiveMaxPooling2D`, with three integers in place of two.

    Input shape:
        `(batch, depth, height, width, channels)`, or `(batch, channels, depth, height, width)` with
        `data_format="channels_first"`.

    Output shape:
        The same with depth, height and width of `output_size`.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(8.0).reshape(1, 2, 2, 2, 1)
    >>> keras_maxpool.AdaptiveMaxPooling3D((1, 2, None))(ramp).numpy().ravel().tolist()
    [4.0, 5.0, 6.0, 7.0]
    """

    rank = 3


AdaptiveMaxPool1D = AdaptiveMaxPooling1D
AdaptiveMaxPool2D = AdaptiveMaxPooling2D
AdaptiveMaxPool3D = AdaptiveMaxPooling3D
