"""`fractional_max_pool`: pooling that shrinks by a ratio between whole numbers, over random regions."""

from typing import Any

from keras_maxpool import arguments, backend
from keras_maxpool.compat import keras


@backend.do_not_convert
def fractional_max_pool(
    inputs: Any,
    pooling_ratio: Any,
    pseudo_random: bool = False,
    overlapping: bool = False,
    data_format: str | None = None,
    *,
    seed: Any = None,
    return_indices: bool = False,
) -> Any:
    """Fractional max pooling over 1, 2 or 3 spatial axes.

    Args:
        inputs: a tensor, or what converts to one: batch, 1 to 3 spatial axes, channels.
        pooling_ratio, pseudo_random, overlapping, data_format, return_indices: as
            `keras_maxpool.FractionalMaxPooling2D` takes them, with one ratio for each spatial axis.
        seed: as Keras's random functions take it: an integer, which gives the same regions in every call and
            mode; a `keras.random.SeedGenerator`, which gives others in every call; None for Keras's own.

    Returns:
        The pooled tensor, of the inputs' dtype; with `return_indices`, that and the int64 indices.

    Raises:
        TypeError, ValueError: as `keras_maxpool.FractionalMaxPooling2D` does.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(100.0).reshape(1, 10, 10, 1)
    >>> keras_maxpool.ops.fractional_max_pool(ramp, 1.44, seed=0).shape
    TensorShape([1, 6, 6, 1])
    """
    x = backend.dense(inputs)
    ratios = arguments.ratios(pooling_ratio, arguments.spatial_rank(backend.shape(x)))
    arguments.flag(pseudo_random, "pseudo_random")
    arguments.flag(overlapping, "overlapping")
    data_format = arguments.data_format(data_format, keras.config.image_data_format())
    if not isinstance(seed, keras.random.SeedGenerator):
        arguments.seed(seed)
    arguments.flag(return_indices, "return_indices")
    arguments.dtype(x.dtype.name)
    return backend.fractional_max_pool(
        x, ratios, pseudo_random, overlapping, data_format, seed, return_indices
    )
