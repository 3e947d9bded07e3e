"""`max_pool`: checks, then layout, then the kernel that the plan names."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import keras
import tensorflow as tf

from keras_maxpool import arguments
from keras_maxpool import window as windows
from keras_maxpool.ops import mode, plan, shapes
from keras_maxpool.ops.gradients import Formula, Gradient, gradient_of, with_gradient
from keras_maxpool.ops.kernels import KERNELS
from keras_maxpool.ops.nonfinite import ieee
from keras_maxpool.ops.ties import graph_3d_favours_first
from keras_maxpool.ops.unsigned import as_signed
from keras_maxpool.window import Window


@tf.autograph.experimental.do_not_convert
def max_pool(
    inputs: Any,
    pool_size: Any = 2,
    strides: Any = None,
    padding: Any = "valid",
    data_format: str | None = None,
    *,
    dilation_rate: Any = 1,
    ceil_mode: bool = False,
    nonfinite: str = "backend",
    implementation: str = "auto",
) -> tf.Tensor:
    """Max pooling over 1, 2 or 3 spatial axes.

    Args:
        inputs: a tensor, or what converts to one: batch, 1 to 3 spatial axes, channels.
        pool_size, strides, padding, data_format, dilation_rate, ceil_mode, nonfinite, implementation: as
            `keras_maxpool.MaxPooling2D` takes them, with one integer or pair for each spatial axis.

    Returns:
        The pooled tensor, of the inputs' dtype.

    Raises:
        TypeError, ValueError: as `keras_maxpool.MaxPooling2D` does.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> keras_maxpool.ops.max_pool(ramp, 2, dilation_rate=2, strides=1)[0, :, :, 0].numpy().tolist()
    [[10.0, 11.0], [14.0, 15.0]]
    """
    x = tf.convert_to_tensor(inputs)
    arguments.spatial_rank(x.shape)
    window = windows.parse(x.shape.rank - 2, pool_size, strides, padding, dilation_rate, ceil_mode)
    data_format = (
        keras.config.image_data_format()
        if data_format is None
        else arguments.data_format(data_format)
    )
    arguments.choice(nonfinite, "nonfinite", arguments.NONFINITE)
    arguments.choice(implementation, "implementation", arguments.IMPLEMENTATIONS)
    arguments.dtype(x.dtype.name)
    output_shape(x.shape, window, data_format)
    return pool(x, window, data_format, nonfinite, implementation)


def pool(
    x: tf.Tensor, window: Window, data_format: str, nonfinite: str, implementation: str
) -> tf.Tensor:
    """`max_pool` for arguments and a shape that have been checked."""
    if 0 in x.shape:
        out_shape = output_shape(x.shape, window, data_format)
        if None not in out_shape and 0 in out_shape:
            # Nothing to pool, but the gradient still has to lead back to x.
            return tf.reshape(x, out_shape)
    static_shape = (
        None if x.shape.is_fully_defined() else output_shape(x.shape, window, data_format)
    )
    channels_first = data_format == "channels_first"
    if channels_first:
        x = tf.transpose(x, [0, *range(2, window.rank + 2), 1])
    if static_shape is not None and mode.current() == "graph":
        x = _where_windows_fit(x, window)
    kernel = _kernel(x, window, implementation)
    if x.dtype in (tf.uint32, tf.uint64):
        kernel = as_signed(kernel)
    elif nonfinite == "ieee" and x.dtype.is_floating:
        kernel = ieee(kernel)
    y = kernel(x)
    if channels_first:
        y = tf.transpose(y, [0, window.rank + 1, *range(1, window.rank + 1)])
    if static_shape is not None:
        # What is known stays known: operations that pad by tensors forget it.
        y.set_shape(static_shape)
    return y


def _where_windows_fit(x: tf.Tensor, window: Window) -> tf.Tensor:
    """`x`, which a graph that learns its sizes when it runs hands on only if at least one window fits each axis."""
    sizes = shapes.sizes(x)[1:-1]
    checks = [
        tf.debugging.Assert(
            axis.output_size(size, shapes.maximum) > 0,
            [axis.too_large(place, "these elements"), size],
        )
        for place, (axis, size) in enumerate(zip(window.axes, sizes, strict=True))
        if isinstance(size, tf.Tensor) and isinstance(axis.padding, tuple)
    ]
    with tf.control_dependencies(checks):
        return tf.identity(x)


def _kernel(x: tf.Tensor, window: Window, implementation: str) -> Formula:
    """The function that pools tensors like `x`, channels-last, with the gradient that the plan gives it."""
    now, taped, dtype = mode.current(), mode.tape_is_active(), x.dtype.name
    graph_3d = now == "graph" and window.rank == 3 and dtype in plan.NATIVE_3D
    graph_3d = graph_3d and not mode.is_vectorized()
    work = plan.Work(
        window,
        dtype,
        now,
        taped,
        channels=x.shape[-1],
        elements=x.shape.num_elements(),
        onednn_3d=graph_3d and graph_3d_favours_first(dtype),
    )
    chosen = plan.choose(implementation, work)

    def forward(x: tf.Tensor) -> tf.Tensor:
        return KERNELS[chosen.kernel](x, window)

    # Eagerly, what no open tape sees now is never differentiated.
    unseen = now == "eager" and not taped
    if chosen.gradient == chosen.kernel or not x.dtype.is_floating or unseen:
        return forward
    if chosen.gradient == plan.GRAPH:
        return with_gradient(forward, _graph_gradient(window, implementation))
    lender = KERNELS[chosen.gradient]
    return with_gradient(forward, gradient_of(lambda x: lender(x, window)))


@lru_cache(maxsize=128)
def _graph_gradient(window: Window, implementation: str) -> Gradient:
    """The gradient that graph mode has, for eager use; new shapes make it trace a general one, not ever more."""

    def pooled(x: tf.Tensor) -> tf.Tensor:
        return _kernel(x, window, implementation)(x)

    return tf.function(gradient_of(pooled), autograph=False, reduce_retracing=True)


def output_shape(shape: Sequence[int | None], window: Window, data_format: str) -> list[int | None]:
    """The shape that pooling gives for inputs of `shape`, None where unknown; a ValueError where no window fits."""
    if data_format == "channels_last":
        batch, *spatial, channels = shape
        return [batch, *window.output_sizes(spatial, data_format, channels), channels]
    batch, channels, *spatial = shape
    return [batch, channels, *window.output_sizes(spatial, data_format, channels)]
