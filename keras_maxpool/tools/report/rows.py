"""The rows of a report: each pooling layer in numbers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keras_maxpool.geometry.window import Window
from keras_maxpool.tools.observe import Tensor
from keras_maxpool.tools.report.layer_kinds import (
    ADAPTIVE,
    FRACTIONAL,
    WINDOWED,
    layer_window,
    spatial_axes,
)
from keras_maxpool.tools.report.model_graph import Call
from keras_maxpool.tools.report.poolings import Pooling
from keras_maxpool.tools.report.receptive_field import Field, Unknown

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Row:
    """One call of a pooling layer. None means not known, or not a property of the layer.

    Attributes:
        layer: the names that lead to the layer, joined by slashes.
        kind: the name of its class.
        package: `"keras"`, `"keras_maxpool"`, or the module of a class of the user's own.
        pools: what one output is the maximum or mean of, in words: `"3 x 3"`, `"all"`, `"to 7 x 7"`.
        pool_size, strides, dilation_rate: one integer per spatial axis.
        padding, ceil_mode, data_format: as the layer holds them.
        input_shape, output_shape: with the batch axis.
        spatial_sizes: the spatial sizes of the input.
        kept: output positions over input positions.
        dropped: elements at the end of each spatial axis that no window reaches.
        overlap: elements per spatial axis that a window shares with the next; below 0 there are gaps.
        receptive_field: that of one output, or why it is not known.
        bytes_saved: bytes of one sample's input, less those of its output.
    """

    layer: str
    kind: str
    package: str
    pools: str
    pool_size: tuple[int, ...] | None
    strides: tuple[int, ...] | None
    padding: Any
    dilation_rate: tuple[int, ...] | None
    ceil_mode: bool
    data_format: str
    input_shape: Shape | None
    output_shape: Shape | None
    spatial_sizes: Shape | None
    kept: float | None
    dropped: tuple[int | None, ...] | None
    overlap: tuple[int, ...] | None
    receptive_field: Field | Unknown
    bytes_saved: int | None


def row(pooling: Pooling, fields: Mapping[Call, Field | Unknown], no_graph: str) -> Row:
    """Returns the row of one pooling layer.

    Args:
        pooling: the layer.
        fields: receptive fields of the calls in the model's graph.
        no_graph: why a layer outside of the graph has no receptive field.
    """
    layer = pooling.layer
    window = layer_window(layer) if isinstance(layer, WINDOWED) else None
    before = spatial_sizes(layer, pooling.inputs)
    after = spatial_sizes(layer, pooling.outputs[0]) if pooling.outputs else None
    return Row(
        layer=pooling.path,
        kind=type(layer).__name__,
        package=_package(layer),
        pools=_pools(layer, window),
        pool_size=window.pool if window else None,
        strides=window.strides if window else None,
        padding=window.padding if window else None,
        dilation_rate=window.dilation if window else None,
        ceil_mode=getattr(layer, "ceil_mode", False),
        data_format=layer.data_format,
        input_shape=pooling.inputs.shape if pooling.inputs else None,
        output_shape=pooling.outputs[0].shape if pooling.outputs else None,
        spatial_sizes=before,
        kept=_kept(before, after),
        dropped=dropped(window, before) if window and before else None,
        overlap=tuple(a.length - a.stride for a in window.axes) if window else None,
        receptive_field=fields[pooling.call] if pooling.call else Unknown(no_graph),
        bytes_saved=_bytes_saved(pooling),
    )


def spatial_sizes(layer: Any, tensor: Tensor | None) -> Shape | None:
    """Returns the spatial sizes of a layer's input or output; none for vectors."""
    if tensor is None:
        return None
    shape = tensor.shape[1:]
    # A global pooling without keepdims returns channels alone.
    return tuple(shape[axis] for axis in spatial_axes(layer, len(shape))) if len(shape) > 1 else ()


def dropped(window: Window, sizes: Shape) -> Shape:
    """Returns the elements at the end of each axis that no window reaches; None where the size is not known."""
    return tuple(
        None if size is None else max(axis.pads(size)[0] + size - _reach(axis, size), 0)
        for axis, size in zip(window.axes, sizes, strict=True)
    )


def _reach(axis: Any, size: int) -> int:
    """Returns the end of the last window, counted from the start of the padding."""
    return (axis.output_size(size) - 1) * axis.stride + axis.length


def _package(layer: Any) -> str:
    module = type(layer).__module__
    home = module.partition(".")[0]
    return home if home in ("keras", "keras_maxpool") else module


def _pools(layer: Any, window: Window | None) -> str:
    if window:
        return _by(window.pool)
    if isinstance(layer, ADAPTIVE):
        sizes = layer.output_size
        return f"to {_by(sizes if isinstance(sizes, (tuple, list)) else [sizes])}"
    if isinstance(layer, FRACTIONAL):
        return f"about {_by(layer.pooling_ratio)}"
    return "all"


def _by(numbers: Any) -> str:
    return " x ".join("as it is" if n is None else f"{n:.4g}" for n in numbers)


def _kept(before: Shape | None, after: Shape | None) -> float | None:
    if before is None or after is None or None in (*before, *after) or 0 in before:
        return None
    return math.prod(n or 0 for n in after) / math.prod(n or 0 for n in before)


def _bytes_saved(pooling: Pooling) -> int | None:
    if pooling.inputs is None:
        return None
    tensors = (pooling.inputs, *pooling.outputs)
    if any(None in tensor.shape[1:] for tensor in tensors) or pooling.repeats is None:
        return None
    first, *others = (
        math.prod(n or 0 for n in tensor.shape[1:]) * _bytes(tensor.dtype) for tensor in tensors
    )
    return (first - sum(others)) * pooling.repeats


def _bytes(dtype: str) -> int:
    """Returns the size of an element; the names of dtypes end with their bits, but for bool's."""
    return int(dtype.lstrip("abcdefghijklmnopqrstuvwxyz") or 8) // 8
