"""`adaptive_max_pool`: pooling to a given output size."""

from typing import Any

from keras_maxpool import arguments, backend
from keras_maxpool.compat import keras
from keras_maxpool.geometry import checks, output_shapes
from keras_maxpool.ops.operation import Operation, is_symbolic, output_spec


class AdaptiveMaxPool(Operation):
    """A call of `adaptive_max_pool` in a functional model."""

    tensors = ("inputs",)


@AdaptiveMaxPool.wrap
def adaptive_max_pool(
    inputs: Any,
    output_size: arguments.OutputSize,
    data_format: arguments.DataFormat | None = None,
    *,
    return_indices: bool = False,
) -> Any:
    """Computes max pooling over 1, 2 or 3 spatial axes to a given output size.

    Region i of an axis with n elements and m outputs spans floor(i * n / m) to ceil((i + 1) * n / m),
    the end excluded, as in PyTorch: regions overlap where m does not divide n, and m may be larger
    than n. Each channel of each sample is pooled on its own. The gradient of a region goes to its
    first maximum in row-major order, and NaN counts as the largest value, in every mode.

    Args:
        inputs: tensor, or what converts to one, of shape `(batch, *spatial, channels)` with 1 to 3
            spatial axes, or `(batch, channels, *spatial)` with `data_format="channels_first"`.
            Its dtype is float16, bfloat16, float32, float64 or one of (u)int8 to (u)int64.
        output_size: spatial size of the output: one integer, or one per spatial axis. `None` for an
            axis keeps its size.
        data_format: `"channels_last"` or `"channels_first"`, which says whether the channels are the
            last axis of a tensor or the axis after the batch. `None` uses
            `keras.config.image_data_format()`.
        return_indices: whether to return a pair `(values, indices)`. The indices are int64 and have
            the shape of the values. Each is the flat index of the region's first maximum in the
            spatial volume of its own sample and channel, in row-major order: PyTorch's convention,
            in both data formats.

    Returns:
        The pooled tensor, with the dtype of `inputs` and the spatial sizes of `output_size`; with
        `return_indices`, a pair of that and the indices.

    Raises:
        TypeError: if an argument has the wrong type, or the dtype of `inputs` cannot be pooled.
        ValueError: if an argument is out of range, `inputs` has another rank, or an axis to pool has
            no elements.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> x = np.array([[3.0, 1.0, 2.0, 5.0, 4.0]])[..., None]
    >>> values, indices = keras_maxpool.ops.adaptive_max_pool(x, 3, return_indices=True)
    >>> values[0, :, 0].numpy().tolist(), indices[0, :, 0].numpy().tolist()
    ([3.0, 5.0, 5.0], [0, 3, 3])
    """
    x = backend.convert_to_tensor(inputs, "inputs")
    shape, dtype = checks.op_inputs(x)
    outputs = arguments.output_sizes(output_size, len(shape) - 2)
    data_format = arguments.data_format(data_format, keras.config.image_data_format())
    arguments.flag(return_indices, "return_indices")
    if is_symbolic(x):
        pooled = output_shapes.adaptive_max_pooled(shape, outputs, data_format)
        return output_spec(pooled, dtype, "int64" if return_indices else None)
    return backend.adaptive_max_pool(x, outputs, data_format, return_indices)
