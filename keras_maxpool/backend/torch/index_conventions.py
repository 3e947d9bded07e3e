"""Flat indices of maxima in the conventions of other libraries, on PyTorch."""

from typing import Any

import torch

from keras_maxpool.geometry.checks import int32_limit, known_sizes
from keras_maxpool.geometry.index_conventions import converted
from keras_maxpool.geometry.layout import spatial_sizes


def convert_indices(
    indices: torch.Tensor, sizes: Any, to: str, source: str, data_format: str
) -> torch.Tensor:
    """Computes `convert_indices` for checked arguments."""
    # Exporters trace for any size, as a tensor or a symbol.
    traced = torch.Tensor, torch.SymInt
    sizes = [size if isinstance(size, traced) else int(size) for size in sizes]
    channels_axis = indices.ndim - 1 if data_format == "channels_last" else 1
    channels, spatial = sizes[channels_axis], spatial_sizes(sizes, data_format)
    if indices.dtype == torch.int32:
        counted = {"torch": spatial, "tensorflow": sizes[1:]}
        for convention in (source, to):
            int32_limit(
                known_sizes(counted.get(convention, sizes)),
                f'"{convention}" needs indices of int64.',
            )
    sample, channel = (_positions(indices, axis) for axis in (0, channels_axis))
    index = converted(indices, sample, channel, channels, spatial, to, source)
    return torch.where(indices < 0, indices, index)


def _positions(indices: torch.Tensor, axis: int) -> torch.Tensor:
    """Returns the positions along one axis, shaped to broadcast against `indices`."""
    shape = [-1 if other == axis else 1 for other in range(indices.ndim)]
    size = indices.shape[axis]
    return torch.arange(size, dtype=indices.dtype, device=indices.device).reshape(shape)
