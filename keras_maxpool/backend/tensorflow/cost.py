"""Estimates how long a pooling takes in one operation and axis by axis, in nanoseconds: plain arithmetic.

The constants are of TensorFlow 2.21 on two x86 cores: `.ci/fit_cost` fitted them to the kernels' times on 90 drawn
layers in graph mode. Layers drawn later check them: README has the figures.
"""

from collections.abc import Sequence
from math import prod
from typing import Literal, NamedTuple

from keras_maxpool.geometry.window import Window

NARROW = 16
"""With fewer channels than this the kernels for channels-last tensors leave their vector units idle."""

LAUNCH = {"graph": 4e4, "eager": 6e5, "xla": 0}
"""Starting the operations of one axis, by mode."""

UNKNOWN_BATCH, UNKNOWN_SIZE, UNKNOWN_CHANNELS = 8, 32, 64
"""What stands for sizes that a graph does not know."""

Mode = Literal["eager", "graph", "xla"]


class Constants(NamedTuple):
    """What was fitted.

    Attributes:
        read: the time to read one element of one window.
        vector: how many channels an operation reads in the time of one.
        move, move_narrow: the time to read or write one element of a tensor; the second below `NARROW` channels.
        per_channel, per_square: how long the sums of one operation's gradient wait for each other, over the number of
            channels, and over its square.
        backward: the time of a pooling axis by axis with its gradient, over the time without it.
    """

    read: float = 0.049
    vector: float = 9.3
    move: float = 0.23
    move_narrow: float = 0.56
    per_channel: float = 3.2
    per_square: float = 1.0
    backward: float = 2.1


FITTED = Constants()


def separable_is_faster(
    shape: Sequence[int | None], window: Window, mode: Mode, gradient: bool
) -> bool:
    """Returns whether pooling (batch, *spatial, channels) axis by axis takes at most 0.8 of one operation's time."""
    batch, *spatial, channels = shape
    sizes = [size or UNKNOWN_SIZE for size in spatial]
    known = [batch or UNKNOWN_BATCH, *sizes, channels or UNKNOWN_CHANNELS]
    one, by_axis = estimates(known, window, gradient)
    return by_axis + window.rank * LAUNCH[mode] < 0.8 * one


def estimates(
    shape: Sequence[int], window: Window, gradient: bool, constants: Constants = FITTED
) -> tuple[float, float]:
    """Returns the times of one operation and axis by axis, without that of starting them."""
    batch, *sizes, channels = shape
    outputs = [axis.output_size(size) for axis, size in zip(window.axes, sizes, strict=True)]

    reads = prod(outputs) * prod(window.pool)
    one = reads * constants.read * max(1, constants.vector / channels)
    if gradient:
        waits = constants.per_channel / channels + constants.per_square / channels**2
        one += reads * waits + prod(sizes) * constants.move

    move = constants.move if channels >= NARROW else constants.move_narrow
    by_axis, left = 0.0, sizes
    for i in reversed(range(window.rank)):
        before, left[i] = prod(left), outputs[i]
        by_axis += (before + prod(left)) * move + prod(left) * window.pool[i] * constants.read
    if gradient:
        by_axis *= constants.backward
    samples = batch * channels
    return samples * one, samples * by_axis
