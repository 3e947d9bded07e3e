"""`max_unpool` on PyTorch: checks the indices, and writes the values to them."""

from math import prod

import torch

from keras_maxpool.backend.torch import layout
from keras_maxpool.backend.torch.gather_scatter import scatter
from keras_maxpool.backend.torch.index_conventions import convert_indices
from keras_maxpool.geometry import checks, output_shapes
from keras_maxpool.geometry.layout import spatial_sizes
from keras_maxpool.geometry.window import Window


def max_unpool(
    values: torch.Tensor,
    indices: torch.Tensor,
    window: Window,
    data_format: str,
    output_size: tuple[int, ...] | None,
    like: torch.Tensor | None,
    convention: str = "torch",
) -> torch.Tensor:
    """Computes `max_unpool` for checked arguments and shapes."""
    like_shape = None if like is None else tuple(like.shape)
    shape = output_shapes.max_unpooled(
        tuple(values.shape), window, data_format, output_size, like_shape
    )
    if convention != "torch":
        # Other conventions count beyond one volume, and may come as floats.
        indices = convert_indices(indices.long(), shape, "torch", convention, data_format)
    spatial = spatial_sizes(shape, data_format)
    _refuse_outside(indices, data_format, spatial)
    first, at = (layout.channels_first(x, data_format) for x in (values, indices))
    return layout.restored(scatter(first, at, spatial), data_format)


def _refuse_outside(indices: torch.Tensor, data_format: str, spatial: tuple[int, ...]) -> None:
    """Raises an error for indices outside the output, where they can be read: not in traced or mapped functions."""
    # Sizes are tensors where an exporter traces.
    if torch.compiler.is_compiling() or isinstance(indices.shape[0], torch.Tensor):
        return
    outside = (indices < -1) | (indices >= prod(spatial))
    try:
        found = bool(outside.any())
    except RuntimeError:
        return
    if found:
        last = layout.restored(layout.channels_first(outside, data_format), "channels_last")
        at = tuple(last.nonzero()[0].tolist())
        index = layout.restored(layout.channels_first(indices, data_format), "channels_last")[at]
        raise checks.index_outside(int(index), at, spatial)
