"""Pooling over regions, as adaptive and fractional pooling cut them.

An axis is cut by two lists: where each region starts, and where it has ended. Arrays are channels-last.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from reference.windows import Pooled, maxima

Cut = tuple[list[int], list[int]]
"""The starts and the ends of the regions of one axis."""


def pool(x: np.ndarray, cuts: Sequence[Cut]) -> Pooled:
    """The maximum of each region, and its place in its own sample's and channel's spatial volume."""
    return maxima(x, [list(map(range, *cut)) for cut in cuts])


def adaptive(size: int, outputs: int | None) -> Cut:
    """PyTorch, AdaptiveMaxPool2d: region i is floor(i * size / outputs) to ceil((i + 1) * size / outputs)."""
    outputs = size if outputs is None else outputs
    length = Fraction(size, outputs)
    starts = [math.floor(i * length) for i in range(outputs)]
    return starts, [math.ceil((i + 1) * length) for i in range(outputs)]


def graham(size: int, outputs: int, u: Fraction) -> list[int]:
    """Graham 2014, section 2: a_i = ceil(alpha * (i + u)), for all i from 0; he counts elements from 1."""
    alpha = Fraction(size, outputs)
    return [math.ceil(alpha * (i + u)) for i in range(outputs + 1)]


def pseudo_random(size: int, outputs: int, bits: Sequence[int]) -> list[int]:
    """Graham's formula, counted from 0, for u = (1 + remainder) / size: the first bits' remainder by `outputs`."""
    u = Fraction(bits[0] % outputs + 1, size)
    return [bound - 1 for bound in graham(size, outputs, u)]


def shuffled(size: int, outputs: int, bits: Sequence[int]) -> list[int]:
    """Graham 2014, section 2: floor(alpha) and ceil(alpha) in random order, which is that of sorting the bits."""
    short, longer = divmod(size, outputs)
    order = sorted(range(outputs), key=lambda i: bits[i])
    lengths = [short + 1 if place < longer else short for place in order]
    return [sum(lengths[:i]) for i in range(outputs + 1)]


def from_bounds(bounds: Sequence[int], size: int, overlapping: bool) -> Cut:
    """Graham's regions: disjoint up to before the next one's start, or overlapping with it; counted from 0."""
    ends = [min(bound + overlapping, size) for bound in bounds[1:]]
    return list(bounds[:-1]), ends
