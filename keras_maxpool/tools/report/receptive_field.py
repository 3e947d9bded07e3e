"""Computes receptive fields: how much of a model's input one element of a layer's output is computed from.

The size r and the step (or jump) j of Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural
Networks", Distill, 2019, https://distill.pub/2019/computing-receptive-fields. On a chain of layers with windows of
k elements that move by s their recurrence is j' = j * s and r' = r + (k - 1) * j. Here the same is found backwards, as
they do for branches: from a position of the output to the first and last positions that it reads, over all paths.
That holds for upsampling and for regions of different sizes too. Padding counts as if it were data.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from keras_maxpool.tools.observe import Tensor
from keras_maxpool.tools.report.layer_kinds import GLOBAL, SPATIAL, spatial_axes, wrapped
from keras_maxpool.tools.report.model_graph import Call
from keras_maxpool.tools.report.ranges import Range
from keras_maxpool.tools.report.reading import CannotFollowError, reads

FAR = math.lcm(*range(1, 17))
"""A position that upsampling and regions treat as position 0: a multiple of their periods."""

FINEST = 512
"""The largest denominator of a step: regions as uneven as 24 elements in 17 have no period that divides FAR."""

POSITIONS = np.array([*range(16), FAR], float)
"""The output positions to follow: the size of the field may differ by an element or so from one to the next."""

WHOLE: Range = (np.full(len(POSITIONS), -np.inf), np.full(len(POSITIONS), np.inf))


@dataclass(frozen=True)
class Field:
    """The receptive field of a layer, in elements of the model's input.

    Attributes:
        sizes: the largest size along each spatial axis; None is the whole axis.
        steps: the step from one output to the next along each spatial axis: an integer, or a Fraction after
            upsampling or uneven regions; None where the size is.
    """

    sizes: tuple[int | None, ...]
    steps: tuple[int | Fraction | None, ...]


@dataclass(frozen=True)
class Unknown:
    """A receptive field that cannot be known.

    Attributes:
        reason: why not.
    """

    reason: str


def receptive_fields(calls: Sequence[Call]) -> dict[Call, Field | Unknown]:
    """Returns the fields of all spatial layers, such as convolutions and poolings; where branches meet, the larger one.

    Args:
        calls: the calls of a model, as `model_graph.calls` returns them.
    """
    return {
        call: _field(calls[:count])
        for count, call in enumerate(calls, start=1)
        if isinstance(wrapped(call.layer), SPATIAL)
    }


def _field(calls: Sequence[Call]) -> Field | Unknown:
    """Returns the field of the last call."""
    call = calls[-1]
    try:
        if isinstance(wrapped(call.layer), GLOBAL):
            tensor = call.inputs[0]
            axes = spatial_axes(call.layer, len(tensor.shape) - 1)
            _follow(calls[:-1], tensor, None)
            return Field((None,) * len(axes), (None,) * len(axes))
        tensor = call.outputs[0]
        axes = spatial_axes(call.layer, len(tensor.shape) - 1)
        pairs = [_follow(calls, tensor, axis) for axis in axes]
    except CannotFollowError as error:
        return Unknown(str(error))
    return Field(tuple(size for size, _ in pairs), tuple(step for _, step in pairs))


def _follow(
    calls: Sequence[Call], tensor: Tensor, axis: int | None
) -> tuple[int | None, int | Fraction | None]:
    """Returns the size and step along one axis of a tensor; with None, that all of it can be followed to the inputs."""
    start = [WHOLE] * (len(tensor.shape) - 1)
    if axis is not None:
        start[axis] = (POSITIONS, POSITIONS)
    wanted = {tensor: start}
    found: dict[Tensor, list[Range]] = {}
    for call in reversed(calls):
        ranges = _hull([wanted[output] for output in call.outputs if output in wanted])
        if ranges and call.inputs:
            for source, axes in zip(call.inputs, reads(call), strict=False):
                read = [WHOLE if r is None else r[1](*ranges[r[0]]) for r in axes]
                wanted[source] = _hull([read, *([wanted[source]] if source in wanted else [])])
        elif ranges:
            found[call.outputs[0]] = ranges
    return _largest(found)


def _hull(parts: list[list[Range]]) -> list[Range]:
    """Returns for each axis the range that covers those of all parts."""
    return [
        (np.minimum.reduce([low for low, _ in axis]), np.maximum.reduce([high for _, high in axis]))
        for axis in zip(*parts, strict=True)
    ]


def _largest(found: dict[Tensor, list[Range]]) -> tuple[int | None, int | Fraction | None]:
    """Returns the size and step in the input with the largest size; inputs of lower rank than another do not count."""
    rank = max((len(tensor.shape) for tensor in found), default=0)
    fields = [_size_and_step(s) for tensor, s in found.items() if len(tensor.shape) == rank]
    return max(
        fields, key=lambda field: math.inf if field[0] is None else field[0], default=(None, None)
    )


def _size_and_step(ranges: list[Range]) -> tuple[int | None, int | Fraction | None]:
    for low, high in ranges:
        if np.isfinite(low).all():
            sizes = high - low + 1
            if sizes[-1] > 2 * sizes[:-1].max():
                raise CannotFollowError("branches with different steps meet before it")
            step = Fraction(int(low[-1] - low[0]), FAR).limit_denominator(FINEST)
            return int(sizes.max()), int(step) if step.denominator == 1 else step
    return None, None
