"""Flat indices of maxima in the conventions of other libraries, on PyTorch."""

from collections.abc import Sequence
from math import prod
from typing import Any

import torch

from keras_maxpool.geometry.checks import int32_limit
from keras_maxpool.geometry.layout import spatial_sizes


def convert_indices(
    indices: torch.Tensor, sizes: Any, to: str, source: str, data_format: str
) -> torch.Tensor:
    """Computes `convert_indices` for checked arguments."""
    sizes = [int(size) for size in sizes]
    channels_axis = indices.ndim - 1 if data_format == "channels_last" else 1
    channels, spatial = sizes[channels_axis], spatial_sizes(sizes, data_format)
    if indices.dtype == torch.int32:
        counted = {"torch": spatial, "tensorflow": sizes[1:]}
        for convention in (source, to):
            int32_limit(counted.get(convention, sizes), f'"{convention}" needs indices of int64.')
    sample, channel = (_positions(indices, axis) for axis in (0, channels_axis))
    # The elements before an index's own volume, which some conventions count too.
    plane = (sample * channels + channel) * prod(spatial)
    before = {
        "tensorflow_batch": sample * prod(spatial),
        "onnx": plane,
        "onnx_column_major": plane,
    }
    index = indices // channels if source.startswith("tensorflow") else indices
    index = index - before.get(source, 0)
    if source == "onnx_column_major":
        index = _transposed(index, spatial[::-1])
    if to == "onnx_column_major":
        index = _transposed(index, spatial)
    index = index + before.get(to, 0)
    if to.startswith("tensorflow"):
        index = index * channels + channel
    return torch.where(indices < 0, indices, index)


def _positions(indices: torch.Tensor, axis: int) -> torch.Tensor:
    """Returns the positions along one axis, shaped to broadcast against `indices`."""
    shape = [-1 if other == axis else 1 for other in range(indices.ndim)]
    size = indices.shape[axis]
    return torch.arange(size, dtype=indices.dtype, device=indices.device).reshape(shape)


def _transposed(index: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    """Returns flat indices in a row-major volume of `sizes` as those in the volume with the axes in reverse order."""
    result, factor, rest = torch.zeros_like(index), prod(sizes), index
    for size in reversed(sizes):
        factor //= size
        result = result + rest % size * factor
        rest = rest // size
    return result
