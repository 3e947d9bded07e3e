"""Flat indices of maxima in the conventions of other libraries."""

from typing import Any

from keras_maxpool import arguments, backend
from keras_maxpool.compat import keras


@backend.do_not_convert
def convert_indices(
    indices: Any,
    shape: Any,
    *,
    to: str = "torch",
    source: str = "torch",
    data_format: str | None = None,
) -> Any:
    """Flat indices of maxima, from one convention to another.

    With c the channel, n the sample, and y and x a place in the volume of H times W (likewise in 1D and 3D):

    | convention | index | as given by |
    | --- | --- | --- |
    | `"torch"` | y * W + x | this package, `torch.nn.MaxPool2d(return_indices=True)` |
    | `"tensorflow"` | (y * W + x) * C + c | `tf.nn.max_pool_with_argmax` |
    | `"tensorflow_batch"` | ((n * H + y) * W + x) * C + c | the same with `include_batch_in_index=True` |
    | `"onnx"` | ((n * C + c) * H + y) * W + x | ONNX MaxPool with `storage_order` 0 |
    | `"onnx_column_major"` | ((n * C + c) * W + x) * H + y | ONNX MaxPool with `storage_order` 1 |

    Args:
        indices: int32 or int64 of shape (batch, *any, channels), or (batch, channels, *any); -1 stays -1.
        shape: the shape of the tensor that was pooled, in the same data format, with nothing unknown; a tensor of
            sizes (`tf.shape(x)`) will do.
        to, source: two of the conventions above.
        data_format: of `indices` and `shape`; None takes `keras.config.image_data_format()`. The axes keep their order:
            transpose the result where the other library has another one.

    Returns:
        Indices of the same shape and dtype.

    Raises:
        TypeError: indices that are not int32 or int64.
        ValueError: an unknown convention; a shape of another rank; int32 where the conventions count to 2**31 and more.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> x = np.arange(32.0).reshape(1, 4, 4, 2)
    >>> _, indices = keras_maxpool.ops.max_pool(x, 2, return_indices=True)
    >>> converted = keras_maxpool.ops.convert_indices(indices, x.shape, to="tensorflow")
    >>> converted[0, :, :, 1].numpy().tolist()
    [[11, 15], [27, 31]]
    """
    found = backend.dense(indices, "indices")
    arguments.choice(to, "to", arguments.INDICES_CONVENTIONS)
    arguments.choice(source, "source", arguments.INDICES_CONVENTIONS)
    if found.dtype.name not in arguments.INDICES_DTYPES:
        raise TypeError(
            f"`indices` takes {' or '.join(arguments.INDICES_DTYPES)}; received {found.dtype.name}. "
            "Cast them, for example with tf.cast(indices, tf.int64)."
        )
    sizes = backend.convert_to_tensor(shape)
    if sizes.shape != (found.shape.rank,):
        raise ValueError(
            f"`shape` must tell one size for each of the {found.shape.rank} axes of the indices; received {shape!r}. "
            "Pass the shape of the tensor that was pooled."
        )
    return backend.convert_indices(
        found,
        sizes,
        to,
        source,
        arguments.data_format(data_format, keras.config.image_data_format()),
    )
