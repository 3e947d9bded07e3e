"""`global_max_pool`: the maximum of each sample and channel over the whole spatial volume."""

from typing import Any

from keras_maxpool import arguments, backend
from keras_maxpool.compat import keras
from keras_maxpool.geometry import checks, output_shapes
from keras_maxpool.ops.masks import convert_mask
from keras_maxpool.ops.operation import Operation, is_symbolic, output_spec


class GlobalMaxPool(Operation):
    """A call of `global_max_pool` in a functional model."""

    tensors = ("inputs", "mask")


@GlobalMaxPool.wrap
def global_max_pool(
    inputs: Any,
    data_format: arguments.DataFormat | None = None,
    keepdims: bool = False,
    *,
    mask: Any = None,
    return_indices: bool = False,
    nonfinite: arguments.Nonfinite = "backend",
) -> Any:
    """Computes the maximum over all elements of 1, 2 or 3 spatial axes.

    Each channel of each sample is pooled on its own. The gradient is split evenly between the
    elements that equal the maximum, as in `keras.layers.GlobalMaxPooling2D`.

    Args:
        inputs: tensor, or what converts to one, of shape `(batch, *spatial, channels)` with 1 to 3
            spatial axes, or `(batch, channels, *spatial)` with `data_format="channels_first"`.
            Its dtype is float16, bfloat16, float32, float64 or one of (u)int8 to (u)int64.
        data_format: `"channels_last"` or `"channels_first"`, which says whether the channels are the
            last axis of a tensor or the axis after the batch. `None` uses
            `keras.config.image_data_format()`.
        keepdims: whether to keep the spatial axes, with one element each.
        mask: boolean tensor, or what converts to one, of shape `(batch, *spatial)` in both data
            formats, or `(batch,)` for whole samples; or `None`. An element whose mask is False never
            wins. The result of a sample with no visible element is 0, with the index -1 and without
            a gradient.
        return_indices: whether to return a pair `(values, indices)`. The indices are int64 and have
            the shape of the values. Each is the flat index of the first maximum in the spatial
            volume of its own sample and channel, in row-major order: PyTorch's convention, in both
            data formats. (Where NaN is the maximum, PyTorch returns the last.)
        nonfinite: the result for NaN. `"backend"` is TensorFlow's answer at no cost, which depends on the
            mode. `"ieee"` is the answer of NumPy and PyTorch in every mode, at the cost of a second
            reduction. Infinities are exact with both.

    Returns:
        The maxima, of shape `(batch, channels)` and with the dtype of `inputs`; with `keepdims`, of
        the rank of `inputs` with spatial sizes of 1. With `return_indices`, a pair of that and the
        indices.

    Raises:
        TypeError: if an argument has the wrong type, the dtype of `inputs` cannot be pooled, or the
            mask is not boolean.
        ValueError: if an argument is out of range, `inputs` has another rank or no spatial elements,
            or the mask has another shape. Where sizes become known only when a graph runs, a
            `tf.errors.InvalidArgumentError` then. XLA has no such check, and returns the dtype's
            lowest value.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> steps = np.array([[[3.0], [9.0], [7.0]]])
    >>> keras_maxpool.ops.global_max_pool(steps).numpy().tolist()
    [[9.0]]
    >>> visible = [[True, False, True]]
    >>> values, indices = keras_maxpool.ops.global_max_pool(steps, mask=visible, return_indices=True)
    >>> values.numpy().tolist(), indices.numpy().tolist()
    ([[7.0]], [[2]])
    """
    x = backend.convert_to_tensor(inputs, "inputs")
    shape, dtype = checks.op_inputs(x)
    data_format = arguments.data_format(data_format, keras.config.image_data_format())
    arguments.flag(keepdims, "keepdims")
    arguments.flag(return_indices, "return_indices")
    arguments.choice(nonfinite, "nonfinite", arguments.NONFINITE)
    pooled = output_shapes.global_max_pooled(shape, data_format, keepdims)
    mask = convert_mask(mask, shape, data_format)
    if is_symbolic(x, mask):
        return output_spec(pooled, dtype, "int64" if return_indices else None)
    return backend.global_max_pool(x, data_format, keepdims, mask, return_indices, nonfinite)
