"""`fractional_max_pool`: pooling that shrinks by a ratio such as 1.44, over random regions."""

from typing import Any

from keras_maxpool import arguments, backend
from keras_maxpool.compat import keras
from keras_maxpool.geometry import checks, output_shapes
from keras_maxpool.ops.operation import Operation, is_symbolic, output_spec


class FractionalMaxPool(Operation):
    """A call of `fractional_max_pool` in a functional model."""

    tensors = ("inputs",)


@FractionalMaxPool.wrap
def fractional_max_pool(
    inputs: Any,
    pooling_ratio: arguments.Ratios,
    pseudo_random: bool = False,
    overlapping: bool = False,
    data_format: arguments.DataFormat | None = None,
    *,
    seed: Any = None,
    return_indices: bool = False,
) -> Any:
    """Computes fractional max pooling over 1, 2 or 3 spatial axes.

    Graham's pooling ("Fractional Max-Pooling", 2014, arXiv:1412.6071), with the arguments of
    `tf.nn.fractional_max_pool`. An axis of n elements has m = floor(n / pooling_ratio) outputs. Each
    region is floor(n / m) or ceil(n / m) elements long, and which ones are long is random: one draw
    per axis and call, the same for all samples and channels. The gradient of a region goes to its
    first maximum in row-major order, and NaN counts as the largest value, in every mode.

    Args:
        inputs: tensor, or what converts to one, of shape `(batch, *spatial, channels)` with 1 to 3
            spatial axes, or `(batch, channels, *spatial)` with `data_format="channels_first"`.
            Its dtype is float16, bfloat16, float32, float64 or one of (u)int8 to (u)int64.
        pooling_ratio: factor by which each spatial axis shrinks: one number of at least 1, or one
            per spatial axis.
        pseudo_random: whether the long regions are spread as evenly as possible from a random start
            (Graham's a_i = ceil(alpha * (i + u)) for a random u), rather than in random order.
        overlapping: whether each region also includes the first element of the next one.
        data_format: `"channels_last"` or `"channels_first"`, which says whether the channels are the
            last axis of a tensor or the axis after the batch. `None` uses
            `keras.config.image_data_format()`.
        seed: an integer from 0 to 2**31 - 1, which draws the same regions in every call and mode; a
            `keras.random.SeedGenerator`, which draws new ones in every call; or `None`, which uses
            Keras's own generator.
        return_indices: whether to return a pair `(values, indices)`. The indices are int64 and have
            the shape of the values. Each is the flat index of the region's first maximum in the
            spatial volume of its own sample and channel, in row-major order: PyTorch's convention,
            in both data formats.

    Returns:
        The pooled tensor, with the dtype of `inputs` and spatial sizes of floor(n / pooling_ratio),
        for the ratio's nearest fraction with a denominator up to 10**6; with `return_indices`, a pair
        of that and the indices.

    Raises:
        TypeError: if an argument has the wrong type, or the dtype of `inputs` cannot be pooled.
        ValueError: if an argument is out of range, `inputs` has another rank, or an axis would have
            no outputs.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(100.0).reshape(1, 10, 10, 1)
    >>> keras_maxpool.ops.fractional_max_pool(ramp, 1.44, seed=0).shape
    TensorShape([1, 6, 6, 1])
    """
    x = backend.convert_to_tensor(inputs, "inputs")
    shape, dtype = checks.op_inputs(x)
    ratios = arguments.ratios(pooling_ratio, len(shape) - 2)
    arguments.flag(pseudo_random, "pseudo_random")
    arguments.flag(overlapping, "overlapping")
    data_format = arguments.data_format(data_format, keras.config.image_data_format())
    if not isinstance(seed, keras.random.SeedGenerator):
        seed = arguments.seed(seed)
    arguments.flag(return_indices, "return_indices")
    if is_symbolic(x):
        pooled = output_shapes.fractional_max_pooled(shape, ratios, data_format)
        return output_spec(pooled, dtype, "int64" if return_indices else None)
    return backend.fractional_max_pool(
        x, ratios, pseudo_random, overlapping, data_format, seed, return_indices
    )
