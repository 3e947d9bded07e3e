"""`convert_indices`: flat indices of maxima in the conventions of other libraries."""

from typing import Any

from keras_maxpool import arguments, backend
from keras_maxpool.compat import keras
from keras_maxpool.geometry import checks
from keras_maxpool.ops.operation import Operation, is_symbolic, output_spec


class ConvertIndices(Operation):
    """A call of `convert_indices` in a functional model."""

    tensors = ("indices", "shape")


@ConvertIndices.wrap
def convert_indices(
    indices: Any,
    shape: Any,
    *,
    to: arguments.IndicesConvention = "torch",
    source: arguments.IndicesConvention = "torch",
    data_format: arguments.DataFormat | None = None,
) -> Any:
    """Converts flat indices of maxima from one convention to another.

    For the channel c, the sample n, and the position (y, x) in a spatial volume of size H times W
    (likewise in 1D and 3D):

    | convention | index | returned by |
    | --- | --- | --- |
    | `"torch"` | y * W + x | this package, `torch.nn.MaxPool2d(return_indices=True)` |
    | `"tensorflow"` | (y * W + x) * C + c | `tf.nn.max_pool_with_argmax` |
    | `"tensorflow_batch"` | ((n * H + y) * W + x) * C + c | the same with `include_batch_in_index=True` |
    | `"onnx"` | ((n * C + c) * H + y) * W + x | ONNX MaxPool with `storage_order` 0 |
    | `"onnx_column_major"` | ((n * C + c) * W + x) * H + y | ONNX MaxPool with `storage_order` 1 |

    Args:
        indices: int32 or int64 tensor of shape `(batch, *any, channels)`, or
            `(batch, channels, *any)` with `data_format="channels_first"`. -1 stays -1.
        shape: shape of the tensor that was pooled, in the same data format: integers, or a tensor of
            them such as `tf.shape(x)`.
        to: the convention of the result, one of those above.
        source: the convention of `indices`, one of those above.
        data_format: `"channels_last"` or `"channels_first"`, of both `indices` and `shape`. `None`
            uses `keras.config.image_data_format()`. The axes keep their order: transpose the result
            where the other library has another order.

    Returns:
        The converted indices, with the shape and dtype of `indices`.

    Raises:
        TypeError: if `indices` is neither int32 nor int64.
        ValueError: if a convention is unknown, `shape` has another rank than `indices`, or an int32
            index would reach 2**31.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> x = np.arange(32.0).reshape(1, 4, 4, 2)
    >>> _, indices = keras_maxpool.ops.max_pool(x, 2, return_indices=True)
    >>> converted = keras_maxpool.ops.convert_indices(indices, x.shape, to="tensorflow")
    >>> converted[0, :, :, 1].numpy().tolist()
    [[11, 15], [27, 31]]
    """
    x = backend.convert_to_tensor(indices, "indices")
    arguments.choice(to, "to", arguments.INDICES_CONVENTIONS)
    arguments.choice(source, "source", arguments.INDICES_CONVENTIONS)
    dtype = checks.dtype_name(x)
    if dtype not in arguments.INDICES_DTYPES:
        raise TypeError(
            f"`indices` takes {' or '.join(arguments.INDICES_DTYPES)}; received {dtype}. "
            "Cast them, for example with tf.cast(indices, tf.int64)."
        )
    data_format = arguments.data_format(data_format, keras.config.image_data_format())
    rank = len(checks.known_shape(x.shape) or ())
    is_tensor = hasattr(shape, "shape")
    sizes: Any = shape if is_tensor else list(shape)
    fits = checks.known_shape(shape.shape) == (rank,) if is_tensor else len(sizes) == rank
    if not fits or (not is_tensor and any(size is None for size in sizes[1:])):
        raise ValueError(
            f"`shape` must have one size for each of the {rank} axes of the indices, and only the batch size may be "
            f"None; received {shape!r}. Pass the shape of the tensor that was pooled."
        )
    if is_symbolic(x, shape):
        return output_spec(tuple(x.shape), dtype)
    if not is_tensor and sizes[0] is None:
        sizes[0] = backend.sizes(x)[0]
    return backend.convert_indices(x, sizes, to, source, data_format)
