"""`max_unpool`: writes values back to the flat indices that pooling took them from."""

from typing import Any

from keras_maxpool import arguments, backend
from keras_maxpool.compat import keras
from keras_maxpool.geometry import checks, output_shapes
from keras_maxpool.geometry import window as windows
from keras_maxpool.ops.operation import Operation, is_symbolic, output_spec


class MaxUnpool(Operation):
    """A call of `max_unpool` in a functional model."""

    tensors = ("values", "indices", "like")


@MaxUnpool.wrap
def max_unpool(
    values: Any,
    indices: Any,
    pool_size: arguments.Ints = 2,
    strides: arguments.Ints | None = None,
    padding: arguments.Padding = "valid",
    data_format: arguments.DataFormat | None = None,
    *,
    output_size: arguments.Ints | None = None,
    like: Any = None,
    indices_convention: arguments.IndicesConvention = "torch",
) -> Any:
    """Computes the inverse of max pooling: writes values to their flat indices, and zeros elsewhere.

    Values with the same index, which overlapping windows produce, are added. So unpooling is the
    adjoint of gathering the maxima, and its gradient is that gather.

    Args:
        values: tensor, or what converts to one, of shape `(batch, *spatial, channels)` with 1 to 3
            spatial axes, or `(batch, channels, *spatial)` with `data_format="channels_first"`. Its
            dtype is float16, bfloat16, float32, float64 or one of (u)int8 to (u)int64.
        indices: int32 or int64 tensor of the shape of `values`: the flat index of each value in the
            spatial volume of its own sample and channel, as max pooling with `return_indices=True`
            returns it. Values with the index -1 are dropped.
        pool_size: size of the window of the pooling, from which the output size is inferred: one
            integer, or one per spatial axis.
        strides: strides of the pooling: one integer, one per spatial axis, or `None`, which uses
            `pool_size`.
        padding: padding of the pooling: `"valid"`, `"same"`, `"same_lower"`, in 1D `"causal"`, one
            integer, one integer per spatial axis, or one `(before, after)` pair per spatial axis.
        data_format: `"channels_last"` or `"channels_first"`, which says whether the channels are the
            last axis of a tensor or the axis after the batch. `None` uses
            `keras.config.image_data_format()`.
        output_size: spatial size of the output, in place of the inferred one: one integer, or one per
            spatial axis.
        like: tensor whose spatial sizes the output takes, usually the tensor that was pooled; so odd
            sizes and unknown ones are recovered. It has the rank and data format of `values`, and
            excludes `output_size`.
        indices_convention: how the indices count: `"torch"` (as above), `"tensorflow"`,
            `"tensorflow_batch"`, `"onnx"` or `"onnx_column_major"`, which
            `keras_maxpool.ops.convert_indices` explains. With all but `"torch"`, indices may also be
            float32 or float64, to which TensorFlow code often casts them.

    Returns:
        The unpooled tensor, with the dtype of `values`. Its spatial sizes are those of `like`, or
        else `output_size`, or else, for a size n and the sum P of the padding before and after,
        (n - 1) * strides - P + pool_size, as PyTorch infers them; n * strides for the named paddings
        other than `"valid"`.

    Raises:
        TypeError: if an argument has the wrong type, or a tensor the wrong dtype.
        ValueError: if an argument is out of range, shapes do not fit together, or an index is beyond
            the output. For the latter a graph raises a `tf.errors.InvalidArgumentError` when it runs.
            XLA, `jax.jit` and exported models have no errors then, and drop such values.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> x = np.array([[1.0, 5.0, 2.0, 4.0, 3.0]])[..., None]
    >>> values, indices = keras_maxpool.ops.max_pool(x, 2, return_indices=True)
    >>> keras_maxpool.ops.max_unpool(values, indices, 2, like=x)[0, :, 0].numpy().tolist()
    [0.0, 5.0, 0.0, 4.0, 0.0]
    """
    values = backend.convert_to_tensor(values, "values")
    shape, dtype = checks.op_inputs(values, "values", pool_size=pool_size)
    window = windows.parse(len(shape) - 2, pool_size, strides, padding, 1, False)
    data_format = arguments.data_format(data_format, keras.config.image_data_format())
    size = arguments.optional_sizes(output_size, len(shape) - 2, "output_size")
    arguments.choice(indices_convention, "indices_convention", arguments.INDICES_CONVENTIONS)
    indices = backend.convert_to_tensor(indices, "indices")
    like = None if like is None else backend.convert_to_tensor(like, "like")
    checks.unpooling(values, indices, like, size, indices_convention)
    if is_symbolic(values, indices, like):
        like_shape = None if like is None else tuple(like.shape)
        unpooled = output_shapes.max_unpooled(shape, window, data_format, size, like_shape)
        return output_spec(unpooled, dtype)
    return backend.max_unpool(values, indices, window, data_format, size, like, indices_convention)
