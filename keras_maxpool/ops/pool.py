"""`max_pool`: checks, then layout, then the kernel that the plan names."""

from typing import Any

from keras_maxpool import arguments, backend
from keras_maxpool.compat import keras
from keras_maxpool.geometry import output_shapes
from keras_maxpool.geometry import window as windows
from keras_maxpool.geometry.layout import spatial_sizes


@backend.do_not_convert
def max_pool(
    inputs: Any,
    pool_size: Any = 2,
    strides: Any = None,
    padding: Any = "valid",
    data_format: str | None = None,
    *,
    dilation_rate: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    nonfinite: str = "backend",
    implementation: str = "auto",
    mask: Any = None,
    indices_dtype: str = "int64",
) -> Any:
    """Max pooling over 1, 2 or 3 spatial axes.

    Args:
        inputs: a tensor, or what converts to one: batch, 1 to 3 spatial axes, channels.
        pool_size, strides, padding, data_format, dilation_rate, ceil_mode, return_indices, nonfinite, implementation:
            as `keras_maxpool.MaxPooling2D` takes them, with one integer or pair for each spatial axis.
        mask: booleans of shape (batch, *spatial) in either data format, or (batch,), or None. What is False never
            wins; a window that sees nothing else gives 0, and -1 as its index.
        indices_dtype: `"int64"` or `"int32"`, which counts volumes of fewer than 2**31 elements.

    Returns:
        The pooled tensor, of the inputs' dtype; with `return_indices` the pair of it and the indices, equally shaped.
        An index is the place of a window's first maximum in the spatial volume of its own sample and channel, counted
        in row-major order without padding: PyTorch's convention, in both data formats. A window of padding alone has
        the index -1. `keras_maxpool.ops.convert_indices` gives other conventions.

    Raises:
        TypeError, ValueError: as `keras_maxpool.MaxPooling2D` does.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> keras_maxpool.ops.max_pool(ramp, 2, dilation_rate=2, strides=1)[0, :, :, 0].numpy().tolist()
    [[10.0, 11.0], [14.0, 15.0]]
    >>> values, indices = keras_maxpool.ops.max_pool(ramp, 2, return_indices=True)
    >>> indices[0, :, :, 0].numpy().tolist()
    [[5, 7], [13, 15]]
    """
    x = backend.dense(inputs)
    rank = arguments.spatial_rank(backend.shape(x))
    window = windows.parse(rank, pool_size, strides, padding, dilation_rate, ceil_mode)
    data_format = arguments.data_format(data_format, keras.config.image_data_format())
    arguments.choice(nonfinite, "nonfinite", arguments.NONFINITE)
    implementation = arguments.implementation(implementation)
    arguments.dtype(x.dtype.name)
    arguments.choice(indices_dtype, "indices_dtype", arguments.INDICES_DTYPES)
    output_shapes.max_pooled(x.shape, window, data_format)
    indices = indices_dtype if arguments.flag(return_indices, "return_indices") else None
    if indices == "int32":
        sizes = spatial_sizes(x.shape.as_list(), data_format)
        arguments.counted_in_32_bits(sizes, "indices", 'Write indices_dtype="int64".')
    return backend.max_pool(x, window, data_format, nonfinite, implementation, mask, indices)
