"""What looks wrong at a pooling layer, and what to do about it: one function per rule."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from keras_maxpool.tools.report.format_findings import mixed_formats, other_format, other_rank
from keras_maxpool.tools.report.layer_graph import LayerGraph
from keras_maxpool.tools.report.layer_kinds import SPATIAL, WINDOWED, layer_window, wrapped
from keras_maxpool.tools.report.model_graph import Call
from keras_maxpool.tools.report.poolings import Pooling
from keras_maxpool.tools.report.receptive_field import Field
from keras_maxpool.tools.report.rows import Row, spatial_sizes

EARLY_DEPTH = 3
EARLY_STEP = 4
"""Pooling is early before the third convolution, and aggressive where it keeps less than one in 4 along each axis: a
ResNet's stem, which keeps 1 of 16 positions after one convolution, is just not."""

AXES = {1: ("steps",), 2: ("rows", "columns"), 3: ("planes", "rows", "columns")}


@dataclass(frozen=True)
class Finding:
    """Something about one layer that may be a mistake.

    Attributes:
        kind: which rule found it.
        layer: the layer's path.
        what: what it found, in words.
        do: what to do about it, in words.
    """

    kind: str
    layer: str
    what: str
    do: str


@dataclass(frozen=True)
class Case:
    """A pooling layer, and what the rules look at."""

    pooling: Pooling
    row: Row
    graph: LayerGraph


def findings(poolings: Sequence[Pooling], rows: Sequence[Row], graph: LayerGraph) -> list[Finding]:
    """Returns what the rules find for the layers that read the model's input, or else for each pooling layer."""
    found = []
    for call in graph.calls:
        for kind, rule_of_call in RULES_OF_CALLS.items():
            said = rule_of_call(call, graph) if isinstance(wrapped(call.layer), SPATIAL) else None
            if said:
                found.append(Finding(kind, call.path, *said))
    if found:  # with the axes mistaken, all that other rules find would follow from it
        return found
    for pooling, row in zip(poolings, rows, strict=True):
        case = Case(pooling, row, graph)
        for kind, rule in RULES.items():
            said = rule(case)
            if said:
                found.append(Finding(kind, pooling.path, *said))
    return found


Said = tuple[str, str] | None


def _mixed_formats(case: Case) -> Said:
    """Finds a layer that follows one with the other data format."""
    return mixed_formats(case.pooling.call, case.graph) if case.pooling.call else None


def _does_nothing(case: Case) -> Said:
    """Finds a window of one element that moves by one, or as many regions as elements."""
    layer, row = case.pooling.layer, case.row
    if isinstance(layer, WINDOWED):
        nothing = set(row.pool_size or ()) == set(row.strides or ()) == {1}
    else:
        before = spatial_sizes(layer, case.pooling.inputs)
        after = spatial_sizes(layer, case.pooling.outputs[0]) if case.pooling.outputs else None
        nothing = bool(before) and before == after and None not in (before or ())
    if not nothing:
        return None
    return "every output is one input", "Leave it out."


def _cropped(case: Case) -> Said:
    """Finds last elements of an axis that no window reaches, if they are more than a gap between two windows."""
    dropped, sizes, overlap = case.row.dropped, case.row.spatial_sizes, case.row.overlap
    if dropped is None or sizes is None or overlap is None:
        return None
    parts = [
        f"the last {count} of {size} {name}"
        for count, size, shared, name in zip(dropped, sizes, overlap, AXES[len(sizes)], strict=True)
        if count and count > -shared
    ]
    if not parts:
        return None
    return (
        f"no window reaches {' and '.join(parts)}",
        'Use padding="same", or keras_maxpool with ceil_mode=True; or crop or resize the model\'s input, '
        "if the edge does not matter.",
    )


def _gaps(case: Case) -> Said:
    """Finds elements between windows that none reads: multiples of the dilation miss a remainder of the stride."""
    if not isinstance(case.pooling.layer, WINDOWED):
        return None
    window = layer_window(case.pooling.layer)
    sizes = (
        spatial_sizes(case.pooling.layer, case.pooling.outputs[0]) if case.pooling.outputs else None
    )
    parts = []
    for index, axis in enumerate(window.axes):
        # Multiples of the dilation repeat their remainders of the stride after so many.
        read = min(axis.pool, axis.stride // math.gcd(axis.dilation, axis.stride))
        if read < axis.stride and not (sizes and sizes[index] == 1):
            parts.append(f"{axis.stride - read} of {axis.stride} {AXES[window.rank][index]}")
    if not parts:
        return None
    return (
        f"no window reads {' and '.join(parts)}: strides={window.strides}, pool_size={window.pool}",
        "Make pool_size as large as strides, or larger; if the gaps are meant, slicing is cheaper.",
    )


def _early(case: Case) -> Said:
    """Finds few convolutions before a large step from output to output: see EARLY_DEPTH and EARLY_STEP."""
    field = case.row.receptive_field
    if case.pooling.call is None or not isinstance(field, Field) or None in field.steps:
        return None
    depth = case.graph.depth(case.pooling.call)
    share = math.prod(step or 0 for step in field.steps)
    if depth >= EARLY_DEPTH or share <= EARLY_STEP ** len(field.steps):
        return None
    return (
        f"after {depth} convolution{'s' * (depth != 1)}, 1 of {float(share):.4g} positions of the input is left; as a "
        f"rule of thumb keep at least 1 of {EARLY_STEP ** len(field.steps)} before convolution number {EARLY_DEPTH}",
        "Pool later or by less, or put more convolutions before it, unless what matters in the input is far larger.",
    )


def _same_from_pytorch(case: Case) -> Said:
    """Finds an odd window that moves by more than one, where "same" pads less before than PyTorch's half a window."""
    sizes = spatial_sizes(case.pooling.layer, case.pooling.inputs)
    if case.row.padding != "same" or sizes is None:
        return None
    for size, axis in zip(sizes, layer_window(case.pooling.layer).axes, strict=True):
        half = axis.length // 2
        if size is None or axis.length % 2 == 0 or axis.stride == 1 or axis.pads(size)[0] == half:
            continue
        before, after = axis.pads(size)
        return (
            f'padding="same" pads {size} elements by {before} before and {after} after, PyTorch\'s padding={half} by '
            f"{half} on both sides: windows are {half - before} further on",
            f"If the weights come from PyTorch, use keras_maxpool with padding={half}. If they were trained "
            "here, leave it.",
        )
    return None


def _mask_stops(case: Case) -> Said:
    """Finds a layer that a mask reaches and that ignores masks."""
    if not case.pooling.masked or case.pooling.layer.supports_masking:
        return None
    kind = case.row.kind
    return (
        "a mask reaches it; it pools masked steps too, and propagates no mask",
        f"Use keras_maxpool.{kind}, which honours masks."
        if "Max" in kind
        else "Set masked steps to a value that does no harm, or use max pooling of keras_maxpool.",
    )


RULES: dict[str, Callable[[Case], Said]] = {
    "mixed data formats": _mixed_formats,
    "does nothing": _does_nothing,
    "cropped edge": _cropped,
    "gaps": _gaps,
    "early pooling": _early,
    "same padding": _same_from_pytorch,
    "mask stops": _mask_stops,
}

RULES_OF_CALLS: dict[str, Callable[[Call, LayerGraph], Said]] = {
    "data format": other_format,
    "rank": other_rank,
}
