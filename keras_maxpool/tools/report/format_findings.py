"""Rules for data whose shape does not fit the layer that reads it: another data format, or another rank."""

from keras_maxpool.tools.report.layer_graph import LayerGraph
from keras_maxpool.tools.report.layer_kinds import spatial_axes, wrapped
from keras_maxpool.tools.report.model_graph import Call

FEW = 4
MANY = 8
"""Images have up to 4 channels, and at least 8 elements along each axis."""

Said = tuple[str, str] | None


def other_format(call: Call, graph: LayerGraph) -> Said:
    """Finds a model input with few elements along the axis of the other format's channels, and many elsewhere.

    An unknown size counts as many. The output of element-wise layers counts as the input.
    """
    given = _format(call)
    sizes = _sizes(call)
    few, others = (sizes[0], sizes[1:]) if given == "channels_last" else (sizes[-1], sizes[:-1])
    if not _reads_input(call, graph) or few is None or few > FEW:
        return None
    if any(size is not None and size < MANY for size in others):
        return None
    # The axes that Permute counts from 1: the channels go to the other end.
    axes = tuple(range(1, len(sizes) + 1))
    moved = (*axes[1:], 1) if given == "channels_last" else (len(axes), *axes[:-1])
    other = "channels_first" if given == "channels_last" else "channels_last"
    return (
        f'it reads the model\'s input {_shown(sizes)} as "{given}", and {few} along one end with {MANY} or more '
        f'elsewhere looks like "{other}"',
        f'Use data_format="{other}" in this layer and those after it, or put keras.layers.Permute({moved}) after '
        "the input.",
    )


def mixed_formats(call: Call, graph: LayerGraph) -> Said:
    """Finds a convolution or pooling before it that has the other data format, if nothing between moves axes."""
    given = _format(call)
    for before in graph.before(call):
        if before.inputs and _format(before) != given:
            return (
                f'it pools axes as "{given}", and reads the output of {before.path!r}, which is "{_format(before)}"',
                f'Use data_format="{_format(before)}", or put keras.layers.Permute before it.',
            )
    return None


def other_rank(call: Call, graph: LayerGraph) -> Said:
    """Finds a model input with as many channels as elements along each axis, or with an axis of one element."""
    if not _reads_input(call, graph):
        return None
    sizes = _sizes(call)
    rank = len(sizes) - 1
    first = sizes[0]
    if first is not None and first >= MANY and set(sizes) == {first}:
        return (
            f"it reads the model's input {_shown(sizes)} as {rank}D with {first} channels, and that looks like "
            f"{rank + 1}D without an axis for channels",
            f"If it is, add that axis (keras.layers.Reshape, or x[..., None]) and use the {rank + 1}D layer.",
        )
    spatial = [sizes[axis] for axis in spatial_axes(wrapped(call.layer), len(sizes))]
    if 1 in spatial and set(spatial) != {1}:
        return (
            f"it reads the model's input {_shown(sizes)} as {rank}D, and one of the {rank} axes has one element",
            f"Use the {rank - 1}D layer on data without that axis, or check the order of the axes.",
        )
    return None


def _reads_input(call: Call, graph: LayerGraph) -> bool:
    return any(not before.inputs for before in graph.before(call))


def _format(call: Call) -> str:
    return getattr(wrapped(call.layer), "data_format", None) or "channels_last"


def _sizes(call: Call) -> tuple[int | None, ...]:
    """Returns the sizes that the layer reads, without the axes of the batch and of a TimeDistributed."""
    return call.inputs[0].shape[1 if wrapped(call.layer) is call.layer else 2 :]


def _shown(sizes: tuple[int | None, ...]) -> str:
    return f"({', '.join('?' if size is None else str(size) for size in sizes)})"
