"""`global_max_pool`: the one maximum of each sample's and channel's whole spatial volume."""

from typing import Any

from keras_maxpool import arguments, backend
from keras_maxpool.compat import keras
from keras_maxpool.geometry import output_shapes


@backend.do_not_convert
def global_max_pool(
    inputs: Any,
    data_format: str | None = None,
    keepdims: bool = False,
    *,
    mask: Any = None,
    return_indices: bool = False,
    nonfinite: str = "backend",
) -> Any:
    """The maximum over all of 1, 2 or 3 spatial axes.

    Args:
        inputs: a tensor, or what converts to one: batch, 1 to 3 spatial axes, channels.
        data_format, keepdims, return_indices, nonfinite: as `keras_maxpool.GlobalMaxPooling2D` takes them.
        mask: None, or booleans of shape `(batch, *spatial)` in both data formats, or `(batch,)` for whole samples: a
            tensor, or what converts to one. What is False never wins. A sample without any True gives 0, passes no
            gradient on, and has the index -1.

    Returns:
        The maxima, of the inputs' dtype, `(batch, channels)`; with `keepdims`, of the inputs' rank with spatial
        sizes of 1. With `return_indices`, a pair with their places, int64 and of the same shape.

    Raises:
        TypeError: an argument of the wrong type; a dtype that cannot be pooled; a mask of another dtype than bool.
        ValueError: an argument out of range; inputs of another rank, or without spatial elements; a mask whose
            shape is another. Where a graph learns sizes only when it runs, a
            `tf.errors.InvalidArgumentError` then; XLA has no such check, and gives the dtype's lowest value.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> steps = np.array([[[3.0], [9.0], [7.0]]])
    >>> keras_maxpool.ops.global_max_pool(steps).numpy().tolist()
    [[9.0]]
    >>> values, places = keras_maxpool.ops.global_max_pool(steps, mask=[[True, False, True]], return_indices=True)
    >>> values.numpy().tolist(), places.numpy().tolist()
    ([[7.0]], [[2]])
    """
    x = backend.dense(inputs)
    arguments.spatial_rank(backend.shape(x))
    data_format = arguments.data_format(data_format, keras.config.image_data_format())
    arguments.flag(keepdims, "keepdims")
    arguments.flag(return_indices, "return_indices")
    arguments.choice(nonfinite, "nonfinite", arguments.NONFINITE)
    arguments.dtype(x.dtype.name)
    output_shapes.global_max_pooled(x.shape, data_format, keepdims)
    return backend.global_max_pool(x, data_format, keepdims, mask, return_indices, nonfinite)
