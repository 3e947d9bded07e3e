"""Estimates how long a pooling takes in one operation and axis by axis, in nanoseconds: plain arithmetic.

The constants are of TensorFlow 2.21 on two x86 cores, fitted to the kernels' times on 90 drawn layers in graph mode, as
`keras-maxpool bench --sample N --kernels` measures them. Layers drawn later check them: README has the figures.
"""

from collections.abc import Sequence
from math import prod
from typing import Literal

from keras_maxpool.geometry.window import Window

READ = 0.049
"""Reading one element of one window."""

VECTOR = 9.3
"""The channels that an operation reads in the time of one."""

NARROW = 16
"""With fewer channels than this the kernels for channels-last tensors leave their vector units idle."""

MOVE, MOVE_NARROW = 0.23, 0.56
"""Reading or writing one element of a tensor; the second where it has fewer channels than `NARROW`."""

BACKWARD = 2.1
"""The time of a pooling axis by axis with its gradient, over the time without it."""

LAUNCH = {"graph": 4e4, "eager": 6e5, "xla": 0}
"""Starting the operations of one axis, by mode."""

UNKNOWN_BATCH, UNKNOWN_SIZE, UNKNOWN_CHANNELS = 8, 32, 64
"""What stands for sizes that a graph does not know."""

Mode = Literal["eager", "graph", "xla"]


def separable_is_faster(
    shape: Sequence[int | None], window: Window, mode: Mode, gradient: bool
) -> bool:
    """Returns whether pooling (batch, *spatial, channels) axis by axis takes at most 0.8 of one operation's time."""
    batch, *spatial, channels = shape
    batch, channels = batch or UNKNOWN_BATCH, channels or UNKNOWN_CHANNELS
    sizes = [size or UNKNOWN_SIZE for size in spatial]
    outputs = [axis.output_size(size) for axis, size in zip(window.axes, sizes, strict=True)]
    one = _one_operation(sizes, outputs, channels, window, gradient)
    by_axis = _axis_by_axis(sizes, outputs, channels, window, gradient)
    samples = batch * channels
    return samples * by_axis + window.rank * LAUNCH[mode] < 0.8 * samples * one


def _one_operation(
    sizes: Sequence[int], outputs: Sequence[int], channels: int, window: Window, gradient: bool
) -> float:
    reads = prod(outputs) * prod(window.pool)
    forward = reads * READ * max(1, VECTOR / channels)
    if not gradient:
        return forward
    # Few channels make the gradient's sums wait for each other.
    return forward + reads * (3.2 / channels + 1 / channels**2) + prod(sizes) * MOVE


def _axis_by_axis(
    sizes: Sequence[int], outputs: Sequence[int], channels: int, window: Window, gradient: bool
) -> float:
    move = MOVE if channels >= NARROW else MOVE_NARROW
    time, left = 0.0, list(sizes)
    for i in reversed(range(window.rank)):
        before, left[i] = prod(left), outputs[i]
        time += (before + prod(left)) * move + prod(left) * window.pool[i] * READ
    return time * (BACKWARD if gradient else 1)
