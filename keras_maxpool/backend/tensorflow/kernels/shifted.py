"""Shifted views and maxima: slow op by op, fast where XLA fuses them.

A window is pooled in steps, so that time and memory grow with its logarithm: 63 elements are three steps of four views.
Steps go axis by axis, the innermost first, which keeps the first maximum in row-major order.
"""

import math

import tensorflow as tf

from keras_maxpool.backend.tensorflow import context as mode
from keras_maxpool.backend.tensorflow import shapes
from keras_maxpool.backend.tensorflow.kernels.views import Views, max_of_views
from keras_maxpool.geometry.window import Axis, Window

JOINT_VIEWS = 9
"""At most this many views are taken of all axes at once."""
LONG, CUT = 5, 4
"""A window of more than LONG elements is pooled in steps of CUT."""
NARROW = 16
"""With fewer channels than this each axis goes alone, the innermost one folded into the channels."""


def shifted(x: tf.Tensor, window: Window, repeat: bool = False) -> tf.Tensor:
    """Pools (batch, *spatial, channels); `repeat` as `shapes.pad` has it."""
    pads = shapes.pads(window.axes, shapes.sizes(x)[1:-1])
    wide = x.shape[-1] is None or x.shape[-1] >= NARROW
    # Three strided axes at once are compared in seven dimensions, and outside XLA TensorFlow broadcasts five.
    strided = sum(stride > 1 for stride in window.strides)
    possible = strided < 3 or mode.current() == "xla"
    if math.prod(window.pool) <= JOINT_VIEWS and (window.rank == 1 or wide) and possible:
        elements = [_elements(axis) for axis in window.axes]
        gaps = window.gaps if repeat else None
        return max_of_views(x, elements, pads, gaps, whole=wide and not window.dilated)
    for place in range(window.rank - 1, -1, -1):
        pad = pads[place]
        for views in cut(window.axes[place]):
            of_axes, of_pads = [Views()] * window.rank, [(0, 0)] * window.rank
            of_axes[place], of_pads[place] = views, pad
            x, pad = _step(x, of_axes, of_pads, window.gaps if repeat else None), (0, 0)
    return x


def _elements(axis: Axis) -> Views:
    return Views(tuple(range(0, axis.length, axis.dilation)), axis.stride)


def cut(axis: Axis) -> list[Views]:
    """Steps that together pool one axis: each maximum over CUT neighbours widens the next step's reach by as much."""
    done, steps = 1, []
    while -(-axis.pool // done) > LONG:
        steps.append(Views(tuple(j * done * axis.dilation for j in range(CUT)), 1))
        done *= CUT
    # The last maxima overlap where the window is no multiple: the earlier one wins their ties, as it should.
    last = (min(start, axis.pool - done) for start in range(0, axis.pool, done))
    return [*steps, Views(tuple(start * axis.dilation for start in last), axis.stride)]


def _step(
    x: tf.Tensor,
    axes: list[Views],
    pads: list[tuple[shapes.Size, shapes.Size]],
    gaps: shapes.Gaps,
) -> tf.Tensor:
    if all(axis == Views() for axis in axes):
        return x
    channels = x.shape[-1]
    if axes[-1].stride > 1 or channels is None or channels >= NARROW:
        return max_of_views(x, axes, pads, gaps)
    # A slice along the last axis is one along (last axis, channels): long and contiguous.
    *outer, last, _ = shapes.sizes(x)
    flat = tf.reshape(x, [*outer, last * channels, 1])
    wider = Views(tuple(place * channels for place in axes[-1].displacements))
    before, after = pads[-1]
    flat_pads = [*pads[:-1], (before * channels, after * channels)]
    flat_gaps = None if gaps is None else [*gaps[:-1], gaps[-1] * channels]
    y = max_of_views(flat, [*axes[:-1], wider], flat_pads, flat_gaps)
    *outer, last, _ = shapes.sizes(y)
    return tf.reshape(y, [*outer, last // channels, channels])
