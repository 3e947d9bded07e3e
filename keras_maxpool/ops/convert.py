"""Flat indices of maxima in the conventions of other libraries."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from keras_maxpool import arguments
from keras_maxpool.ops import layout
from keras_maxpool.ops.inputs import dense

CONVENTIONS = ("torch", "tensorflow", "tensorflow_batch", "onnx", "onnx_column_major")


@tf.autograph.experimental.do_not_convert
def convert_indices(
    indices: Any,
    shape: Sequence[int] | tf.Tensor,
    *,
    to: str = "torch",
    source: str = "torch",
    data_format: str | None = None,
) -> tf.Tensor:
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
    found = dense(indices, "indices")
    arguments.choice(to, "to", CONVENTIONS)
    arguments.choice(source, "source", CONVENTIONS)
    if found.dtype.name not in arguments.INDICES_DTYPES:
        raise TypeError(
            f"`indices` takes {' or '.join(arguments.INDICES_DTYPES)}; received {found.dtype.name}. "
            "Cast them, for example with tf.cast(indices, tf.int64)."
        )
    sizes = tf.convert_to_tensor(shape)
    if sizes.shape != (found.shape.rank,):
        raise ValueError(
            f"`shape` must tell one size for each of the {found.shape.rank} axes of the indices; received {shape!r}. "
            "Pass the shape of the tensor that was pooled."
        )
    data_format = layout.resolved(data_format)
    if found.dtype == tf.int32:
        with tf.control_dependencies(_checks(sizes, (source, to), data_format)):
            sizes = tf.identity(sizes)
    sizes = tf.cast(sizes, found.dtype)
    channels_axis = -1 if data_format == "channels_last" else 1
    channels, spatial = sizes[channels_axis], sizes[1:-1] if channels_axis == -1 else sizes[2:]
    volume = tf.reduce_prod(spatial)
    sample = _along(found, 0)
    channel = _along(found, channels_axis)
    plane = sample * channels + channel
    backwards = tf.reverse(spatial, [0])

    # From each convention to this package's, and back.
    tables: dict[str, tuple[Callable[[tf.Tensor], tf.Tensor], Callable[[tf.Tensor], tf.Tensor]]] = {
        "torch": (lambda i: i, lambda i: i),
        "tensorflow": (lambda i: i // channels, lambda i: i * channels + channel),
        "tensorflow_batch": (
            lambda i: i // channels - sample * volume,
            lambda i: (sample * volume + i) * channels + channel,
        ),
        "onnx": (lambda i: i - plane * volume, lambda i: plane * volume + i),
        "onnx_column_major": (
            lambda i: _transposed(i, backwards),
            lambda i: plane * volume + _transposed(i, spatial),
        ),
    }
    place = tables[source][0](found)
    return tf.where(found < 0, found, tables[to][1](place))


def _checks(sizes: tf.Tensor, conventions: Sequence[str], data_format: str) -> list[tf.Operation]:
    """That 32 bits count the elements: known sizes are checked now, and others when a graph runs."""
    known = tf.get_static_value(sizes)
    shape = tf.unstack(tf.cast(sizes, tf.int64)) if known is None else known.tolist()
    counted = {"torch": layout.spatial(shape, data_format), "tensorflow": shape[1:]}
    checks = []
    for convention in conventions:
        of = counted.get(convention, shape)
        fix = f'"{convention}" needs indices in 64 bits: tf.cast(indices, tf.int64).'
        if known is None:
            message = f"`indices` of int32 count fewer than 2**31 elements. {fix} Received sizes of"
            fits = tf.reduce_prod(of) < arguments.INT_LIMIT
            checks.append(tf.debugging.Assert(fits, [message, *of]))
        else:
            arguments.counted_in_32_bits(of, "indices", fix)
    return checks


def _along(indices: tf.Tensor, axis: int) -> tf.Tensor:
    """The position along one axis, shaped to broadcast against `indices`."""
    shape = [1] * indices.shape.rank
    shape[axis] = -1
    return tf.reshape(tf.range(tf.shape(indices)[axis], dtype=indices.dtype), shape)


def _transposed(place: tf.Tensor, sizes: tf.Tensor) -> tf.Tensor:
    """A place in a row-major volume of `sizes` as one in the volume with the axes in reverse order.

    Whole volumes before it fall away.
    """
    result, factor = tf.zeros_like(place), tf.reduce_prod(sizes)
    rest = place
    for size in reversed(tf.unstack(sizes)):
        factor //= size
        result += rest % size * factor
        rest //= size
    return result
