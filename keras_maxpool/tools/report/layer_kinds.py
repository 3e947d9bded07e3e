"""Kinds of spatial layers, Keras's and ours, and the window and spatial axes of one."""

from typing import Any

import keras

import keras_maxpool
from keras_maxpool.geometry import window as windows


def layers_named(*names: str) -> tuple[Any, ...]:
    """Returns the classes of these names in Keras and here, where they exist; `#D` means 1D, 2D and 3D."""
    expanded = [n.replace("#", rank) for n in names for rank in ("123" if "#" in n else " ")]
    found = (
        getattr(home, name, None) for name in expanded for home in (keras.layers, keras_maxpool)
    )
    return tuple({kind: None for kind in found if kind is not None})


CONVOLUTIONS = layers_named("Conv#D", "DepthwiseConv#D", "SeparableConv#D")
WINDOWED = layers_named("MaxPooling#D", "AveragePooling#D")
GLOBAL = layers_named("GlobalMaxPooling#D", "GlobalAveragePooling#D")
ADAPTIVE = layers_named("AdaptiveMaxPooling#D", "AdaptiveAveragePooling#D")
FRACTIONAL = layers_named("FractionalMaxPooling#D")
POOLING = (*WINDOWED, *GLOBAL, *ADAPTIVE, *FRACTIONAL)
SPREADING = layers_named("Conv#DTranspose", "MaxUnpooling#D")
SPATIAL = (*CONVOLUTIONS, *POOLING, *SPREADING, *layers_named("UpSampling#D"))


def wrapped(layer: Any) -> Any:
    """Returns the layer itself, or the one inside a TimeDistributed."""
    return layer.layer if isinstance(layer, keras.layers.TimeDistributed) else layer


def spatial_axes(layer: Any, axes: int) -> list[int]:
    """Returns the indices of a layer's spatial axes among the `axes` axes of a tensor, without the batch axis."""
    if isinstance(layer, keras.layers.TimeDistributed):
        return [axis + 1 for axis in spatial_axes(layer.layer, axes - 1)]
    first = getattr(layer, "data_format", None) == "channels_first"
    return list(range(1, axes)) if first else list(range(axes - 1))


def layer_window(layer: Any) -> windows.Window:
    """Returns the window of a convolution, or of a pooling or unpooling layer with one."""
    own: windows.Window | None = getattr(layer, "_window", None)
    if own is not None:
        return own
    size = layer.kernel_size if hasattr(layer, "kernel_size") else layer.pool_size
    dilation = getattr(layer, "dilation_rate", 1)
    return windows.parse(len(size), size, layer.strides, layer.padding, dilation, False)
