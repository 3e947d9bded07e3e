"""Receptive fields: how much of a model's input one element of a layer's output is computed from.

The size r and the step (or jump) j of Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural
Networks", Distill, 2019, https://distill.pub/2019/computing-receptive-fields. On a chain of layers with windows of
k elements that move by s their recurrence is j' = j * s and r' = r + (k - 1) * j. Here the same is found backwards, as
they do for branches: from the output's place to the first and last places that it is computed from, over all paths.
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
from keras_maxpool.tools.report.reading import CannotFollowError, reads
from keras_maxpool.tools.report.stretches import Stretch

FAR = math.lcm(*range(1, 17))
"""A place after which upsampling and regions stand as at place 0: a multiple of their periods."""

FINEST = 512
"""The largest denominator of a step: regions as uneven as 24 elements in 17 have no period that divides FAR."""

PLACES = np.array([*range(16), FAR], float)
"""Where an output is asked: where it lies may change what it sees, by an element or so."""

WHOLE: Stretch = (np.full(len(PLACES), -np.inf), np.full(len(PLACES), np.inf))


@dataclass(frozen=True)
class Field:
    """The receptive field of a layer: for each spatial axis its largest size, and the step from element to element.

    Both in elements of the model's input; a size of None is the whole axis, and has no step.
    """

    sizes: tuple[int | None, ...]
    steps: tuple[Fraction | None, ...]


@dataclass(frozen=True)
class Unknown:
    """There is no way to know, for a reason."""

    reason: str


def receptive_fields(calls: Sequence[Call]) -> dict[Call, Field | Unknown]:
    """Those of all convolutions, pooling and other spatial layers; where branches meet, the larger counts.

    Args:
        calls: those of a model, as `model_graph.calls` gives them.
    """
    return {
        call: _field(calls[: place + 1])
        for place, call in enumerate(calls)
        if isinstance(wrapped(call.layer), SPATIAL)
    }


def _field(calls: Sequence[Call]) -> Field | Unknown:
    """Of the last call."""
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
) -> tuple[int | None, Fraction | None]:
    """The size and step along one axis of a tensor; with None, that all of it can be followed to the inputs."""
    start = [WHOLE] * (len(tensor.shape) - 1)
    if axis is not None:
        start[axis] = (PLACES, PLACES)
    wanted = {tensor: start}
    found: dict[Tensor, list[Stretch]] = {}
    for call in reversed(calls):
        stretches = _hull([wanted[output] for output in call.outputs if output in wanted])
        if stretches and call.inputs:
            for source, axes in zip(call.inputs, reads(call), strict=False):
                read = [WHOLE if r is None else r[1](*stretches[r[0]]) for r in axes]
                wanted[source] = _hull([read, *([wanted[source]] if source in wanted else [])])
        elif stretches:
            found[call.outputs[0]] = stretches
    return _largest(found)


def _hull(parts: list[list[Stretch]]) -> list[Stretch]:
    """For each axis one stretch that covers those of all parts."""
    return [
        (np.minimum.reduce([low for low, _ in axis]), np.maximum.reduce([high for _, high in axis]))
        for axis in zip(*parts, strict=True)
    ]


def _largest(found: dict[Tensor, list[Stretch]]) -> tuple[int | None, Fraction | None]:
    """The size and step in that input which is seen widest; what has fewer axes than another input has no places."""
    rank = max((len(tensor.shape) for tensor in found), default=0)
    fields = [_size_and_step(s) for tensor, s in found.items() if len(tensor.shape) == rank]
    return max(
        fields, key=lambda field: math.inf if field[0] is None else field[0], default=(None, None)
    )


def _size_and_step(stretches: list[Stretch]) -> tuple[int | None, Fraction | None]:
    for low, high in stretches:
        if np.isfinite(low).all():
            sizes = high - low + 1
            if sizes[-1] > 2 * sizes[:-1].max():
                raise CannotFollowError("branches with different steps meet before it")
            step = Fraction(int(low[-1] - low[0]), FAR).limit_denominator(FINEST)
            return int(sizes.max()), step
    return None, None
