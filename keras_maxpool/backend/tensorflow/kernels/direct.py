"""The kernel "direct": one `tf.nn.max_pool` over all spatial axes."""

from collections.abc import Callable

import tensorflow as tf

from keras_maxpool.backend.tensorflow import padding, shapes
from keras_maxpool.backend.tensorflow.context import Context
from keras_maxpool.backend.tensorflow.kernels import native
from keras_maxpool.geometry.window import Window


def direct(
    x: tf.Tensor, window: Window, context: Context, data_format: str = "channels_last"
) -> tf.Tensor:
    """Pools without dilation in one operation.

    With channels first it takes 2 or 3 axes, no explicit pads, and needs oneDNN.
    """
    pads = None
    if window.needs_pads:
        pads = padding.explicit_pads(window.axes, shapes.sizes(x)[1:-1])
    operation = one_operation(window, data_format, pads)
    return as_rows(x, window.rank, lambda x: native.max_pool(x, operation, context))


def one_operation(
    window: Window, data_format: str, pads: padding.Pads | None = None
) -> native.MaxPool:
    """Returns the operation that pools 2 or 3 spatial axes, or one row of a series, with explicit `pads` if any."""
    # As one column of many rows, a series with few channels takes up to 3 times as long.
    one, none = ((1,), ((0, 0),)) if window.rank == 1 else ((), ())
    named = "SAME" if window.padding == "same" else "VALID"
    return native.MaxPool(
        (*one, *window.pool),
        (*one, *window.strides),
        named if pads is None else (*none, *pads),
        data_format,
    )


def as_rows(x: tf.Tensor, rank: int, pool: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """Applies `pool` to `x`, or to series of shape (batch, steps, channels) as images of one row."""
    return pool(x) if rank > 1 else tf.squeeze(pool(tf.expand_dims(x, 1)), 1)
