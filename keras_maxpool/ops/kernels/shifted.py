"""Shifted slices and `tf.maximum`: slow op by op, fast where XLA fuses them."""

import tensorflow as tf

from keras_maxpool.ops import shapes
from keras_maxpool.window import Axis, Window


def shifted(x: tf.Tensor, window: Window) -> tf.Tensor:
    """Pools (batch, *spatial, channels) one axis at a time, the innermost first, so that the first maximum wins."""
    for place in range(window.rank, 0, -1):
        x = _pool_axis(x, place, window.axes[place - 1])
    return x


def _pool_axis(x: tf.Tensor, place: int, axis: Axis) -> tf.Tensor:
    size = shapes.sizes(x)[place]
    outputs = axis.output_size(size, shapes.maximum)
    pads: list[tuple[shapes.Size, shapes.Size]] = [(0, 0)] * (x.shape.rank - 2)
    pads[place - 1] = axis.pads(size, shapes.maximum)
    x = shapes.pad(x, pads)
    reach = (outputs - 1) * axis.stride + 1
    every = (slice(None),) * place
    result = x[(*every, slice(0, reach, axis.stride))]
    for step in range(axis.dilation, axis.length, axis.dilation):
        # The earlier slice stands first: `tf.maximum` gives it the gradient of a tie.
        result = tf.maximum(result, x[(*every, slice(step, step + reach, axis.stride))])
    return result
