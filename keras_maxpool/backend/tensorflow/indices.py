"""Finds the flat indices of maxima, in PyTorch's convention."""

import tensorflow as tf

from keras_maxpool.backend.tensorflow import shapes
from keras_maxpool.backend.tensorflow.context import Context
from keras_maxpool.backend.tensorflow.kernels.indexed import indexed
from keras_maxpool.backend.tensorflow.kernels.planar import planar
from keras_maxpool.geometry.window import Axis, Window, ceil_divide


def first_maxima(
    x: tf.Tensor, window: Window, dtype: tf.DType, context: Context, *, in_steps: bool
) -> tf.Tensor:
    """Returns the flat index of each window's first maximum in the volume of its sample and channel, or -1.

    `x` is (batch, *spatial, channels) of signed numbers. `in_steps` avoids tf.nn.max_pool_with_argmax. A window
    of padding alone has the index -1.
    """
    if window.rank == 1:
        # A single axis is pooled as a plane of height 1.
        x, window = tf.expand_dims(x, 1), Window((Axis(1, 1, (0, 0)), *window.axes))
        flat = first_maxima(x, window, dtype, context, in_steps=in_steps)
        return tf.squeeze(flat, 1)
    sizes = shapes.sizes(x)[1:-1]
    axes, tensors = window.axes, [x]
    flat_planes = not any(axis.dilated for axis in axes[-2:])
    if flat_planes and not in_steps and _has_argmax(x.dtype, context):
        # Where nothing is fused, one operation takes a fifth of the steps' time.
        axes, tensors = axes[:-2], list(planar(x, axes[-2:], context))
    found = indexed(tensors, axes, context)
    flat, first_in_plane, real = tf.zeros([], dtype), tf.zeros([], dtype), tf.constant(True)
    for i, (axis, size) in enumerate(zip(window.axes, sizes, strict=True)):
        along = [-1 if other == i else 1 for other in range(window.rank)] + [1]
        start, first = (tf.reshape(n, along) for n in _first_elements(axis, size))
        if i < len(axes):
            # If padding ties with the smallest value and wins, the window's first real element is the maximum.
            # On a plane of padding the offset is negative.
            element = tf.maximum(start + tf.maximum(tf.cast(found[i], tf.int32), 0), first)
            if context.repeats:
                # Rounding in a quantised graph can prefer a copy of the last element, in the padding, to that element.
                element = tf.minimum(element, size - 1 - (size - 1 - first) % axis.dilation)
            flat = flat * tf.cast(size, dtype) + tf.cast(element, dtype)
        else:
            first_in_plane = first_in_plane * tf.cast(size, dtype) + tf.cast(first, dtype)
        real &= first < size
    if len(axes) < window.rank:
        in_plane = found[-1]
        if axes:
            # A plane of padding has a negative index, which 32 bits may not hold.
            first_in_plane = tf.cast(first_in_plane, in_plane.dtype)
            in_plane = tf.where(in_plane < 0, first_in_plane, in_plane)
        in_plane = tf.cast(in_plane, dtype)
        flat = flat * tf.cast(sizes[-2], dtype) * tf.cast(sizes[-1], dtype) + in_plane
    return tf.where(real, flat, tf.constant(-1, dtype))


def _has_argmax(dtype: tf.DType, context: Context) -> bool:
    """Returns whether tf.nn.max_pool_with_argmax exists where this will run."""
    runtime = context.runtime
    if runtime in ("LiteRT", "OpenVINO") or (runtime == "ONNX" and not dtype.is_floating):
        return False
    return context.mode != "xla" and not context.vectorized


def _first_elements(axis: Axis, size: shapes.Size) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns where each window along an axis starts, and its first element that is not in the padding before.

    There always is one, as no window lies in the padding before the input; it may lie beyond the last element.
    """
    before, _ = axis.pads(size, shapes.maximum)
    start = tf.range(axis.output_size(size, shapes.maximum)) * axis.stride - before
    # Steps of the dilation up to index 0 or beyond. Not by a remainder: ONNX defines it otherwise if negative.
    gaps = ceil_divide(tf.maximum(-start, 0), axis.dilation, shapes.maximum)
    return start, start + gaps * axis.dilation
