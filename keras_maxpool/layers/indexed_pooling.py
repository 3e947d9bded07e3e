"""What all pooling layers share: one result, or two with the indices, and their shapes."""

from collections.abc import Sequence
from typing import Any

from keras_maxpool import arguments
from keras_maxpool.compat import keras
from keras_maxpool.geometry import checks
from keras_maxpool.layers import time_distributed
from keras_maxpool.layers.base import SpatialLayer
from keras_maxpool.ops.operation import output_spec


class IndexedPooling(SpatialLayer):
    """A layer that returns values, or a pair of values and indices. A subclass computes the shape: `pooled_shape`."""

    def _checked(self, own: dict[str, Any]) -> dict[str, Any]:
        arguments.flag(own["return_indices"], "return_indices")
        return super()._checked(own)

    def pooled_shape(self, shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the shape of the values for inputs of `shape`; raises a ValueError if they cannot be pooled."""
        raise NotImplementedError

    def check_shape(self, shape: Sequence[int | None]) -> None:
        """Refuses a shape of another rank, and one that cannot be pooled."""
        super().check_shape(shape)
        try:
            self.pooled_shape(checks.known_sizes(shape))
        except ValueError as error:
            # Keras does not say which layer of a Sequential model it is.
            raise ValueError(f"{self._shown_name}: {error}") from None

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[Any, ...]:
        """Returns the output's shape, `None` where unknown; two of them with `return_indices`."""
        time_distributed.refuse_two_outputs(self)
        self.check_shape(input_shape)
        shape = self.pooled_shape(input_shape)
        return (shape, shape) if self.return_indices else shape

    def compute_output_spec(self, inputs: keras.KerasTensor, *args: Any, **kwargs: Any) -> Any:
        """Returns the output's shape and dtype for a symbolic input; two of them with `return_indices`.

        Further arguments of the call, such as a mask or those of a subclass, make no difference.
        """
        self.check_shape(inputs.shape)
        shape = self.pooled_shape(inputs.shape)
        return output_spec(shape, inputs.dtype, "int64" if self.return_indices else None)
