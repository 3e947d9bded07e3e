"""`adaptive_max_pool`: pooling to a given size, whatever the inputs' own."""

from typing import Any

from keras_maxpool import arguments, backend
from keras_maxpool.compat import keras


@backend.do_not_convert
def adaptive_max_pool(
    inputs: Any, output_size: Any, data_format: str | None = None, *, return_indices: bool = False
) -> Any:
    """Max pooling over 1, 2 or 3 spatial axes to a given output size.

    Args:
        inputs: a tensor, or what converts to one: batch, 1 to 3 spatial axes, channels.
        output_size, data_format, return_indices: as `keras_maxpool.AdaptiveMaxPooling2D` takes them, with one
            integer or None for each spatial axis.

    Returns:
        The pooled tensor, of the inputs' dtype; with `return_indices`, that and the int64 indices.

    Raises:
        TypeError, ValueError: as `keras_maxpool.AdaptiveMaxPooling2D` does.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> x = np.array([[3.0, 1.0, 2.0, 5.0, 4.0]])[..., None]
    >>> values, indices = keras_maxpool.ops.adaptive_max_pool(x, 3, return_indices=True)
    >>> values[0, :, 0].numpy().tolist(), indices[0, :, 0].numpy().tolist()
    ([3.0, 5.0, 5.0], [0, 3, 3])
    """
    x = backend.dense(inputs)
    outputs = arguments.output_sizes(output_size, arguments.spatial_rank(backend.shape(x)))
    data_format = arguments.data_format(data_format, keras.config.image_data_format())
    arguments.flag(return_indices, "return_indices")
    arguments.dtype(x.dtype.name)
    return backend.adaptive_max_pool(x, outputs, data_format, return_indices)
