"""`max_unpool`: values back to the places that pooling took them from."""

from typing import Any

from keras_maxpool import arguments, backend
from keras_maxpool.compat import keras
from keras_maxpool.geometry import window as windows


@backend.do_not_convert
def max_unpool(
    values: Any,
    indices: Any,
    pool_size: Any = 2,
    strides: Any = None,
    padding: Any = "valid",
    data_format: str | None = None,
    *,
    output_size: Any = None,
    like: Any = None,
    indices_convention: str = "torch",
) -> Any:
    """Puts values at the flat indices that `max_pool(..., return_indices=True)` gave, and zeros elsewhere.

    Values that meet at one place, as overlapping windows make them, are added: this is the adjoint of gathering the
    maxima, and its gradient is that gather.

    Args:
        values, indices, pool_size, strides, padding, data_format, output_size, like, indices_convention: as
            `keras_maxpool.MaxUnpooling2D` takes them, with one integer or pair for each spatial axis.

    Returns:
        The unpooled tensor, of the values' dtype.

    Raises:
        TypeError, ValueError: as `keras_maxpool.MaxUnpooling2D` does.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> x = np.array([[1.0, 5.0, 2.0, 4.0, 3.0]])[..., None]
    >>> values, indices = keras_maxpool.ops.max_pool(x, 2, return_indices=True)
    >>> keras_maxpool.ops.max_unpool(values, indices, 2, like=x)[0, :, 0].numpy().tolist()
    [0.0, 5.0, 0.0, 4.0, 0.0]
    """
    y = backend.dense(values, "values")
    rank = arguments.spatial_rank(backend.shape(y), "values")
    window = windows.parse(rank, pool_size, strides, padding, 1, False)
    data_format = arguments.data_format(data_format, keras.config.image_data_format())
    size = arguments.optional_sizes(output_size, rank, "output_size")
    arguments.dtype(y.dtype.name)
    arguments.choice(indices_convention, "indices_convention", arguments.INDICES_CONVENTIONS)
    found = backend.dense(indices, "indices")
    like = None if like is None else backend.dense(like, "like")
    like_shape = getattr(like, "shape", None)
    arguments.unpooling(
        y.shape, found.shape, found.dtype.name, size, like_shape, indices_convention
    )
    return backend.max_unpool(y, found, window, data_format, size, like, indices_convention)
