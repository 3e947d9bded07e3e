"""Stretches of an axis, and the rules by which a stretch of an output comes from one of an input.

They go on beyond the ends of a tensor, as receptive fields do: padding counts as if it were data.
"""

from collections.abc import Callable

import numpy as np

Places = np.ndarray

Stretch = tuple[Places, Places]
"""The first and last places of a stretch, or of many; infinite where it is the whole axis."""

Rule = Callable[[Places, Places], Stretch]


def same(low: Places, high: Places) -> Stretch:
    """Element by element."""
    return low, high


def slide(length: int, stride: int, before: int) -> Rule:
    """A window that moves by `stride`."""
    return lambda low, high: (low * stride - before, high * stride - before + length - 1)


def spread(length: int, stride: int, before: int) -> Rule:
    """What undoes `slide`: each element of the input goes to a window of the output."""
    return lambda low, high: (
        np.ceil((low + before - length + 1) / stride),
        np.floor((high + before) / stride),
    )


def shift(by: int) -> Rule:
    """Pads and crops."""
    return lambda low, high: (low + by, high + by)


def repeat(factor: int) -> Rule:
    """Every element so many times."""
    return lambda low, high: (np.floor(low / factor), np.floor(high / factor))


def interpolate(factor: int) -> Rule:
    """Between the centres of the two nearest elements, as Keras does."""
    return lambda low, high: (
        np.floor((low + 0.5) / factor - 0.5),
        np.ceil((high + 0.5) / factor - 0.5),
    )


def share(size: int, outputs: int) -> Rule:
    """PyTorch's regions of an adaptive pooling."""
    return lambda low, high: (
        np.floor(low * size / outputs),
        np.ceil((high + 1) * size / outputs) - 1,
    )


def longest(size: int, outputs: int, overlapping: bool) -> Rule:
    """The longest of regions that are drawn anew; they stand about there."""
    length = -(-size // outputs) + overlapping
    return lambda low, high: (
        np.floor(low * size / outputs),
        np.floor(high * size / outputs) + length - 1,
    )
