"""The kernel "shifted": maxima of shifted views, slow op by op, fast where XLA fuses them.

A window is pooled in steps, so that time and memory grow with its logarithm: 63 elements are three steps of four views.
Steps go axis by axis, the innermost first, which keeps the first maximum in row-major order.
"""

import math
from collections.abc import Sequence

import tensorflow as tf

from keras_maxpool.backend.tensorflow import cost, padding, shapes
from keras_maxpool.backend.tensorflow.context import Context
from keras_maxpool.backend.tensorflow.kernels.views import max_of_views
from keras_maxpool.geometry.views import Views, split_into_steps, views_of_window
from keras_maxpool.geometry.window import Window

JOINT_VIEWS = 9
"""The most views of all axes together that are pooled in a single step."""


def shifted(x: tf.Tensor, window: Window, context: Context) -> tf.Tensor:
    """Pools (batch, *spatial, channels)."""
    pads = padding.explicit_pads(window.axes, shapes.sizes(x)[1:-1])
    wide = x.shape[-1] is None or x.shape[-1] >= cost.NARROW
    # Three strided axes at once need comparisons in seven dimensions; outside XLA TensorFlow broadcasts up to five.
    strided = sum(stride > 1 for stride in window.strides)
    possible = strided < 3 or context.mode == "xla"
    if math.prod(window.pool) <= JOINT_VIEWS and (window.rank == 1 or wide) and possible:
        axes = [views_of_window(axis) for axis in window.axes]
        whole = wide and not window.dilated
        return max_of_views(x, axes, pads, context, window.dilation, whole=whole)
    for i in range(window.rank - 1, -1, -1):
        pad = pads[i]
        for views in split_into_steps(window.axes[i]):
            x, pad = _pool_axis(x, i, views, pad, context, window.dilation), (0, 0)
    return x


def _pool_axis(
    x: tf.Tensor,
    i: int,
    views: Views,
    pad: tuple[shapes.Size, shapes.Size],
    context: Context,
    gaps: Sequence[int],
) -> tf.Tensor:
    """Takes the maximum of views of spatial axis `i`."""
    if views == Views():
        return x
    rank, channels = x.shape.rank - 2, x.shape[-1]
    axes, pads = [Views()] * rank, [(0, 0)] * rank
    axes[i], pads[i] = views, pad
    if axes[-1].stride > 1 or channels is None or channels >= cost.NARROW:
        return max_of_views(x, axes, pads, context, gaps)
    # Merged with the channels, slices along the last axis are long and contiguous.
    *outer, last, _ = shapes.sizes(x)
    flat = tf.reshape(x, [*outer, last * channels, 1])
    axes[-1] = Views(tuple(channels * n for n in axes[-1].displacements))
    pads[-1] = tuple(channels * n for n in pads[-1])
    y = max_of_views(flat, axes, pads, context, [*gaps[:-1], gaps[-1] * channels])
    *outer, last, _ = shapes.sizes(y)
    return tf.reshape(y, [*outer, last // channels, channels])
