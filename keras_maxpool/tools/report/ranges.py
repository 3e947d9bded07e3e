"""Ranges of positions along an axis, and rules that map a range of an output to the range of the input it reads.

Ranges may reach beyond the ends of a tensor, as receptive fields do: padding counts as if it were data.
"""

from collections.abc import Callable

import numpy as np

Positions = np.ndarray

Range = tuple[Positions, Positions]
"""The first and last positions of one range, or of many; infinite where it is the whole axis."""

Rule = Callable[[Positions, Positions], Range]


def same(low: Positions, high: Positions) -> Range:
    """Maps element by element."""
    return low, high


def slide(length: int, stride: int, before: int) -> Rule:
    """Returns the rule of a window that moves by `stride`."""
    return lambda low, high: (low * stride - before, high * stride - before + length - 1)


def spread(length: int, stride: int, before: int) -> Rule:
    """Returns the reverse of `slide`: each element of the input is written to a window of the output."""
    return lambda low, high: (
        np.ceil((low + before - length + 1) / stride),
        np.floor((high + before) / stride),
    )


def shift(by: int) -> Rule:
    """Returns the rule of padding and cropping."""
    return lambda low, high: (low + by, high + by)


def repeat(factor: int) -> Rule:
    """Returns the rule of an upsampling that repeats every element."""
    return lambda low, high: (np.floor(low / factor), np.floor(high / factor))


def interpolate(factor: int) -> Rule:
    """Returns the rule of an upsampling between the centres of the two nearest elements, as in Keras."""
    return lambda low, high: (
        np.floor((low + 0.5) / factor - 0.5),
        np.ceil((high + 0.5) / factor - 0.5),
    )


def share(size: int, outputs: int) -> Rule:
    """Returns the rule of PyTorch's regions of an adaptive pooling."""
    return lambda low, high: (
        np.floor(low * size / outputs),
        np.ceil((high + 1) * size / outputs) - 1,
    )


def longest(size: int, outputs: int, overlapping: bool) -> Rule:
    """Returns the rule of random regions, with the longest length and the mean position."""
    length = -(-size // outputs) + overlapping
    return lambda low, high: (
        np.floor(low * size / outputs),
        np.floor(high * size / outputs) + length - 1,
    )
