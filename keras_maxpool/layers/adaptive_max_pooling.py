"""The base class of the adaptive max pooling layers: all but their rank, and the text of their docstrings."""

from collections.abc import Sequence
from typing import Any, Unpack

from keras_maxpool import arguments, backend, ops
from keras_maxpool.geometry import output_shapes
from keras_maxpool.layers import time_distributed
from keras_maxpool.layers.base import LayerArguments
from keras_maxpool.layers.indexed_pooling import IndexedPooling


class BaseAdaptiveMaxPooling(IndexedPooling):
    """The base of `AdaptiveMaxPooling1D`, `AdaptiveMaxPooling2D` and `AdaptiveMaxPooling3D`.

    A drop-in for `keras.layers.{layer}` that returns what `torch.nn.AdaptiveMaxPool{rank}d`
    returns. Region i of an axis with n elements and m outputs spans floor(i * n / m) to
    ceil((i + 1) * n / m), the end excluded: regions overlap where m does not divide n, and m may be
    larger than n. Each channel of each sample is pooled on its own. The gradient of a region goes to
    its first maximum in row-major order, and NaN counts as the largest value, in every mode.

    Args:
        {output_size}
        {data_format}
        {name}
        {return_indices}
        {kwargs}

    Call arguments:
        inputs: tensor, or what converts to one, of the input shape below.

    Input shape:
        {input_shape}
        Spatial sizes may be unknown, and may differ from call to call.

    Output shape:
        The input shape with the spatial sizes of `output_size`, and the dtype of the inputs. With
        `return_indices`, a pair of that and int64 indices of the same shape.

    Raises:
        TypeError: if an argument has the wrong type, or the dtype of the inputs cannot be pooled.
        ValueError: if an argument is out of range, the inputs have another rank, or an axis to pool has
            no elements.
    """

    family = "AdaptiveMaxPool"
    _documented_op = staticmethod(ops.adaptive_max_pool)

    def __init__(
        self,
        output_size: arguments.OutputSize,
        data_format: arguments.DataFormat | None = None,
        name: str | None = None,
        *,
        return_indices: bool = False,
        **kwargs: Unpack[LayerArguments],
    ) -> None:
        """Checks the arguments, and holds them in their internal form."""
        super().__init__(locals())

    def _checked(self, own: dict[str, Any]) -> dict[str, Any]:
        sizes = arguments.output_sizes(own["output_size"], self.rank)
        return super()._checked(own) | {"output_size": sizes}

    def call(self, inputs: Any) -> Any:
        """Pools a tensor."""
        time_distributed.refuse_two_outputs(self)
        return backend.adaptive_max_pool(
            inputs, self.output_size, self.data_format, self.return_indices
        )

    def pooled_shape(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the shape of the values; raises a ValueError for an axis without elements."""
        return output_shapes.adaptive_max_pooled(shape, self.output_size, self.data_format)
