"""Turns PyTorch's max pooling modules into layers, and layers into arguments for PyTorch; never imports PyTorch."""

from typing import Any

import keras

import keras_maxpool
from keras_maxpool.geometry import window as windows

# PyTorch's kernel sizes that come closest to adjacent and to overlapping regions.
FRACTIONAL_KERNELS = {2: False, 3: True}


def from_torch(
    module: Any,
    *,
    data_format: str = "channels_last",
    nonfinite: str = "backend",
    **kwargs: Any,
) -> keras.layers.Layer:
    """Returns the layer that does what a PyTorch module does.

    The conventions are those of https://pytorch.org/docs/stable/nn.html#pooling-layers: the module's attributes
    are read, and PyTorch itself is not needed.

    Args:
        module: a `torch.nn.MaxPool1d/2d/3d`, `MaxUnpool1d/2d/3d`, `AdaptiveMaxPool1d/2d/3d` or
            `FractionalMaxPool2d/3d`, or anything else with such a class name and such attributes.
        data_format: that of the layer's tensors. PyTorch's own are `"channels_first"`; a model in Keras is, as a
            rule, `"channels_last"`. Indices are the same numbers for both.
        nonfinite: how `MaxPool` treats NaN, as in `keras_maxpool.MaxPooling2D`. PyTorch propagates NaN, which is
            `"ieee"` and costs a second pooling; finite inputs have the same results with both.
        **kwargs: more arguments for the layer, such as `name`, `dtype`, or `output_size` for unpooling.

    Returns:
        A `MaxPooling`, `MaxUnpooling`, `AdaptiveMaxPooling` or `FractionalMaxPooling` layer of the module's rank. All
        but the last return PyTorch's values bit for bit, with two exceptions: where several unpooled values have one
        index, the layer adds them and PyTorch keeps one; and `MaxUnpool`'s `output_size`, which PyTorch takes
        in the call, is an argument of the layer, or `like=` in its call. Fractional pooling is random: the
        layer's output has PyTorch's shape, its regions are Graham's, drawn again in each training call.

    Raises:
        ValueError: a module of another kind, or an option that the layer does not have, by its name.

    Example:
    >>> from keras_maxpool.tools.convert import from_torch
    >>> class MaxPool2d:  # replaces torch.nn.MaxPool2d(3, stride=2, padding=1), the stem of ResNet18
    ...     kernel_size, stride, padding = 3, 2, 1
    ...     dilation, return_indices, ceil_mode = 1, False, False
    >>> pool = from_torch(MaxPool2d(), name="pool")
    >>> pool.compute_output_shape((None, 112, 112, 64))
    (None, 56, 56, 64)
    """
    kind = type(module).__name__
    family, rank = kind[:-2], kind[-2:-1]
    if family not in _LAYERS or kind[-1:] != "d" or rank not in ("1", "2", "3"):
        known = ", ".join(f"{name}{_RANKS.get(name, '1d/2d/3d')}" for name in _LAYERS)
        raise ValueError(f"`module` is a {kind}; from_torch takes {known} of torch.nn.")
    name, translate = _LAYERS[family]
    options = translate(module)
    if family == "MaxPool":
        options["nonfinite"] = nonfinite
    layer = getattr(keras_maxpool, f"{name}{rank}D")
    return layer(**options, data_format=data_format, **kwargs)


def to_torch_kwargs(layer: keras.layers.Layer) -> dict[str, Any]:
    """Returns the arguments that make PyTorch's module of the same kind.

    Args:
        layer: a `MaxPooling`, `MaxUnpooling`, `AdaptiveMaxPooling` or `FractionalMaxPooling` layer of
            `keras_maxpool`. Its `data_format` and `nonfinite` are dropped: PyTorch's tensors have their channels
            first, and NaN wins there.

    Returns:
        Keyword arguments for `torch.nn.MaxPool1d/2d/3d` or its relative, which can be made without them all:
        options that the layer's kind lacks are left out.

    Raises:
        ValueError: a layer of another kind; padding that PyTorch does not have, since it takes one integer per axis, up
            to half of the kernel.

    Example:
    >>> import keras_maxpool
    >>> from keras_maxpool.tools.convert import to_torch_kwargs
    >>> kwargs = to_torch_kwargs(keras_maxpool.MaxPooling2D(5, strides=1, padding="same"))
    >>> kwargs["kernel_size"], kwargs["stride"], kwargs["padding"]
    ((5, 5), (1, 1), (2, 2))
    """
    family = getattr(layer, "family", None)
    if not isinstance(layer, keras.layers.Layer) or family not in _MODULES:
        known = ", ".join(f"{name}1D/2D/3D" for name in _MODULES)
        raise ValueError(
            f"`layer` is a {type(layer).__name__}; to_torch_kwargs takes {known} of keras_maxpool. "
            "Swap layers of keras.layers first: keras_maxpool.tools.convert.to_keras_maxpool."
        )
    return _MODULES[family](layer)


_RANKS = {"FractionalMaxPool": "2d/3d"}  # the others have three


def _max_pool(module: Any) -> dict[str, Any]:
    return _window(module) | {
        "dilation_rate": module.dilation,
        "ceil_mode": module.ceil_mode,
        "return_indices": module.return_indices,
    }


def _window(module: Any) -> dict[str, Any]:
    return {
        "pool_size": module.kernel_size,
        "strides": module.stride,
        "padding": module.padding,
    }


def _adaptive(module: Any) -> dict[str, Any]:
    return {"output_size": module.output_size, "return_indices": module.return_indices}


def _fractional(module: Any) -> dict[str, Any]:
    if module.output_ratio is None:
        raise ValueError(
            f"`output_size` of {type(module).__name__} depends on the input's size, and the layer takes a ratio; "
            f"received output_size={module.output_size!r}. Make the module with output_ratio."
        )
    if getattr(module, "_random_samples", None) is not None:
        raise ValueError(
            f"`_random_samples` of {type(module).__name__} fix its regions; the layer draws its own. "
            "Leave them out, and pass seed= for repeatable ones."
        )
    sizes = module.kernel_size
    kernels = set(sizes) if isinstance(sizes, tuple) else {sizes}
    if len(kernels) != 1 or not kernels <= FRACTIONAL_KERNELS.keys():
        raise ValueError(
            f"`kernel_size` of {type(module).__name__} must be 2 or 3, which mean adjacent regions and "
            f"overlapping ones; received kernel_size={sizes!r}."
        )
    ratios = module.output_ratio
    return {
        "pooling_ratio": tuple(1 / ratio for ratio in ratios)
        if isinstance(ratios, tuple)
        else 1 / ratios,
        "pseudo_random": True,  # PyTorch too takes even steps from a random start
        "overlapping": FRACTIONAL_KERNELS[kernels.pop()],
        "return_indices": module.return_indices,
    }


_LAYERS = {
    "MaxPool": ("MaxPooling", _max_pool),
    "MaxUnpool": ("MaxUnpooling", _window),
    "AdaptiveMaxPool": ("AdaptiveMaxPooling", _adaptive),
    "FractionalMaxPool": ("FractionalMaxPooling", _fractional),
}


def _to_max_pool(layer: Any) -> dict[str, Any]:
    return _to_window(layer) | {
        "dilation": layer.dilation_rate,
        "ceil_mode": layer.ceil_mode,
        "return_indices": layer.return_indices,
    }


def _to_window(layer: Any) -> dict[str, Any]:
    if layer.indices_convention != "torch":
        raise ValueError(
            f"`indices_convention` of {layer.name!r} does not exist in PyTorch; received "
            f'indices_convention={layer.indices_convention!r}. Write "torch".'
        )
    return {
        "kernel_size": layer.pool_size,
        "stride": layer.strides,
        "padding": tuple(_pad(layer, axis) for axis in layer._window.axes),
    }


def _pad(layer: Any, axis: windows.Axis) -> int:
    """Returns PyTorch's one integer for both sides."""
    # Named paddings depend on the input's size, but not where the window moves by single steps.
    if isinstance(axis.padding, str) and axis.stride > 1:
        fix = "Write the padding as integers."
    else:
        before, after = axis.pads(axis.length)
        if not isinstance(axis.padding, str):
            before, after = axis.padding
        if before == after and 2 * before <= axis.pool:  # dilated or not
            return before
        fix = "Pad the input there with torch.nn.functional.pad and float('-inf')."
    raise ValueError(
        f"`padding` of {layer.name!r} does not exist in PyTorch, which takes one integer per axis for both sides, up "
        f"to half of pool_size; received padding={layer.padding!r}. {fix}"
    )


def _to_adaptive(layer: Any) -> dict[str, Any]:
    return {"output_size": layer.output_size, "return_indices": layer.return_indices}


def _to_fractional(layer: Any) -> dict[str, Any]:
    return {
        "kernel_size": 3 if layer.overlapping else 2,
        "output_ratio": tuple(1 / ratio for ratio in layer.pooling_ratio),
        "return_indices": layer.return_indices,
    }


_MODULES = {
    "MaxPool": _to_max_pool,
    "MaxUnpool": _to_window,
    "AdaptiveMaxPool": _to_adaptive,
    "FractionalMaxPool": _to_fractional,
}
