"""Finds the range of each input axis that a range of a layer's output axis is computed from."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_maxpool.tools.report import ranges
from keras_maxpool.tools.report.layer_kinds import (
    ADAPTIVE,
    CONVOLUTIONS,
    FRACTIONAL,
    GLOBAL,
    SPREADING,
    WINDOWED,
    layer_window,
    layers_named,
    spatial_axes,
)
from keras_maxpool.tools.report.model_graph import Call, is_keras_own

Read = tuple[int, ranges.Rule] | None
"""The output axis (the batch axis left out) that an input axis follows, and its rule; None reads the whole axis."""

Shape = Sequence[int | None]
Shapes = Sequence[Shape]


class CannotFollowError(Exception):
    """What a layer reads is not known; the message names the layer, and says why."""


def reads(call: Call) -> list[list[Read]]:
    """Returns how a call reads each axis, without the batch axis, of each tensor that it takes values from.

    Raises:
        CannotFollowError: that is not known.
    """
    layer = call.layer
    inputs = [tensor.shape[1:] for tensor in call.inputs]
    try:
        return _reads(layer, inputs, call.outputs[0].shape[1:])
    except CannotFollowError as error:
        reason = str(error)
        raise CannotFollowError(
            f"{type(layer).__name__} {call.path!r} {reason or 'cannot be followed'}"
        ) from None


def _reads(layer: Any, inputs: Shapes, output: Shape) -> list[list[Read]]:
    if isinstance(layer, keras.layers.TimeDistributed):
        inner = _reads(layer.layer, [shape[1:] for shape in inputs], output[1:])
        return [
            [(0, ranges.same), *(read and (read[0] + 1, read[1]) for read in of_input)]
            for of_input in inner
        ]
    if not is_keras_own(layer):
        raise CannotFollowError("is a class of your own")
    for kinds, rule in _BY_CLASS:
        if isinstance(layer, kinds):
            return rule(layer, inputs, output)
    if type(layer).__name__ in _POINTWISE_OPERATIONS and not isinstance(layer, keras.Layer):
        return _pointwise(layer, inputs, output)
    raise CannotFollowError("")


def _by_axis(
    layer: Any, inputs: Shapes, output: Shape, rules: Sequence[ranges.Rule]
) -> list[list[Read]]:
    """Returns a rule for each spatial axis, and all channels."""
    reads: list[Read] = [None] * len(inputs[0])
    for axis, rule in zip(spatial_axes(layer, len(inputs[0])), rules, strict=True):
        reads[axis] = (axis, rule)
    return [reads]


def _sizes(layer: Any, shape: Shape) -> list[int | None]:
    return [shape[axis] for axis in spatial_axes(layer, len(shape))]


def _windowed(layer: Any, inputs: Shapes, output: Shape) -> list[list[Read]]:
    rules = []
    for axis, size in zip(layer_window(layer).axes, _sizes(layer, inputs[0]), strict=True):
        # For an unknown size take the middle of the window: its position does not change its size.
        before = (axis.length - 1) // 2 if size is None else axis.pads(size)[0]
        rules.append(ranges.slide(axis.length, axis.stride, before))
    return _by_axis(layer, inputs, output, rules)


def _global(layer: Any, inputs: Shapes, output: Shape) -> list[list[Read]]:
    return [[None] * len(inputs[0])]


def _regions(layer: Any, inputs: Shapes, output: Shape) -> list[list[Read]]:
    rules = []
    sizes, outputs = _sizes(layer, inputs[0]), _sizes(layer, output)
    for size, regions in zip(sizes, outputs, strict=True):
        if size is None or regions is None:
            raise CannotFollowError(
                "has regions that depend on the size of its input, which is not known"
            )
        if isinstance(layer, FRACTIONAL):
            rules.append(ranges.longest(size, regions, layer.overlapping))
        else:
            rules.append(ranges.share(size, regions))
    return _by_axis(layer, inputs, output, rules)


def _spreading(layer: Any, inputs: Shapes, output: Shape) -> list[list[Read]]:
    """Reads as a transposed convolution or an unpooling: each input element is written to a window."""
    if getattr(layer, "output_padding", None) is not None:
        raise CannotFollowError("has an output_padding")
    # The pads of a size which the stride divides; only the positions of windows depend on it.
    rules = [
        ranges.spread(axis.length, axis.stride, axis.pads(axis.stride * axis.length)[0])
        for axis in layer_window(layer).axes
    ]
    # An unpooling's indices come from where its values come from; of a third tensor it takes the size alone.
    return _by_axis(layer, inputs, output, rules) * min(len(inputs), 2)


def _upsampling(layer: Any, inputs: Shapes, output: Shape) -> list[list[Read]]:
    factors = layer.size if isinstance(layer.size, (tuple, list)) else [layer.size]
    interpolation = getattr(layer, "interpolation", "nearest")
    if interpolation not in ("nearest", "bilinear"):
        raise CannotFollowError(f"interpolates by {interpolation!r}")
    rule = ranges.repeat if interpolation == "nearest" else ranges.interpolate
    return _by_axis(layer, inputs, output, [rule(factor) for factor in factors])


def _moved(layer: Any, inputs: Shapes, output: Shape) -> list[list[Read]]:
    padding = getattr(layer, "padding", None)
    sides = padding if padding is not None else layer.cropping
    sides = [sides] if isinstance(sides[0], int) else sides
    sign = -1 if padding is not None else 1
    return _by_axis(layer, inputs, output, [ranges.shift(sign * before) for before, _ in sides])


def _permuted(layer: Any, inputs: Shapes, output: Shape) -> list[list[Read]]:
    return [[(layer.dims.index(axis + 1), ranges.same) for axis in range(len(output))]]


def _pointwise(layer: Any, inputs: Shapes, output: Shape) -> list[list[Read]]:
    """Reads element by element; an axis of one element is broadcast."""
    if any(len(shape) != len(output) for shape in inputs):
        raise CannotFollowError("takes tensors of different ranks")
    return [
        [
            None if size == 1 != output[axis] else (axis, ranges.same)
            for axis, size in enumerate(shape)
        ]
        for shape in inputs
    ]


def _mixed(axes: Sequence[int], inputs: Shapes, output: Shape) -> list[list[Read]]:
    """Reads element by element, except for whole axes; axis 0 is the batch."""
    reads = _pointwise(None, [[None] * len(inputs[0])], output)
    for axis in axes:
        reads[0][axis - 1 if axis > 0 else axis] = None
    return reads


def _dense(layer: Any, inputs: Shapes, output: Shape) -> list[list[Read]]:
    return _mixed([-1], inputs, output)


def _normalized(layer: Any, inputs: Shapes, output: Shape) -> list[list[Read]]:
    axes = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
    return _mixed(axes, inputs, output)


def _embedded(layer: Any, inputs: Shapes, output: Shape) -> list[list[Read]]:
    return [[(axis, ranges.same) for axis in range(len(inputs[0]))]]


def _joined(layer: Any, inputs: Shapes, output: Shape) -> list[list[Read]]:
    axis = layer.axis % (len(output) + 1) - 1
    reads: list[Read] = [(index, ranges.same) for index in range(len(output))]
    reads[axis] = (axis, _only_whole)
    return [reads] * len(inputs)


def _reshaped(layer: Any, inputs: Shapes, output: Shape) -> list[list[Read]]:
    if len(inputs[0]) > 1 and not isinstance(layer, keras.layers.Flatten):
        raise CannotFollowError("moves positions to other axes")
    return [[None] * len(inputs[0])]


def _only_whole(low: ranges.Positions, high: ranges.Positions) -> ranges.Range:
    if np.isfinite(low).any():
        raise CannotFollowError("joins tensors along an axis that is pooled")
    return low, high


_BY_CLASS: tuple[tuple[tuple[type, ...], Callable[..., list[list[Read]]]], ...] = (
    ((*CONVOLUTIONS, *WINDOWED), _windowed),
    (GLOBAL, _global),
    ((*ADAPTIVE, *FRACTIONAL), _regions),
    (SPREADING, _spreading),
    (layers_named("UpSampling#D"), _upsampling),
    (layers_named("ZeroPadding#D", "Cropping#D"), _moved),
    (layers_named("Permute"), _permuted),
    (layers_named("Dense"), _dense),
    (layers_named("LayerNormalization", "UnitNormalization", "Softmax"), _normalized),
    (layers_named("Embedding"), _embedded),
    (layers_named("Concatenate"), _joined),
    (layers_named("Flatten", "Reshape"), _reshaped),
    (
        layers_named(
            *("Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "ThresholdedReLU", "Identity"),
            *("Dropout", "SpatialDropout#D", "AlphaDropout", "GaussianDropout", "GaussianNoise"),
            *("ActivityRegularization", "BatchNormalization", "Rescaling", "Normalization"),
            *("Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract", "Masking"),
            *("RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom"),
            *("RandomContrast", "RandomBrightness"),
        ),
        _pointwise,
    ),
)

_POINTWISE_OPERATIONS = {
    *("Abs", "Absolute", "Add", "Cast", "Clip", "Divide", "Elu", "Exp", "Gelu", "HardSigmoid"),
    *("HardSilu", "LeakyRelu", "Log", "Maximum", "Minimum", "Multiply", "Negative", "Power"),
    *("Relu", "Relu6", "Selu", "Sigmoid", "Silu", "Softplus", "Sqrt", "Square", "Subtract"),
    *("Tanh", "TrueDivide"),
}
