"""`fractional_max_pool` on PyTorch: computes the output sizes, and draws the regions of each axis."""

from collections.abc import Sequence
from typing import Any

import torch

from keras_maxpool import arguments
from keras_maxpool.backend.torch import layout, regions, sequences
from keras_maxpool.compat import keras
from keras_maxpool.geometry import output_shapes, philox
from keras_maxpool.geometry.layout import spatial_sizes
from keras_maxpool.geometry.window import ceil_divide


def fractional_max_pool(
    x: torch.Tensor,
    ratios: Sequence[float],
    pseudo_random: bool,
    overlapping: bool,
    data_format: str,
    seed: Any,
    return_indices: bool,
) -> Any:
    """Computes `fractional_max_pool` for checked arguments."""
    if isinstance(x.shape[0], torch.Tensor):
        raise ValueError(
            "Fractional pooling cannot be traced, as for an export from PyTorch to ONNX or OpenVINO. Export the model "
            'with format="torch", or load it with KERAS_BACKEND=tensorflow and export it there.'
        )
    shape = output_shapes.fractional_max_pooled(tuple(x.shape), ratios, data_format)
    words = _seed(seed, x.device)
    if 0 in shape:
        return layout.without_elements(x, shape, "int64" if return_indices else None)
    sizes: Any
    outputs: Any
    sizes, outputs = (spatial_sizes(tuple(s), data_format) for s in (x.shape, shape))
    sequence = sequences.pseudo_random if pseudo_random else sequences.random
    counts = [1] * len(sizes) if pseudo_random else outputs
    bits = sequences.random_bits(words, sum(counts))
    views, extra = [], 1 if overlapping else 0
    for size, output, own in zip(sizes, outputs, torch.split(bits, list(counts)), strict=True):
        bounds = sequence(size, output, own)
        ends = (bounds[1:] + extra).clamp(max=size)
        views.append(regions.between(bounds[:-1], ends, ceil_divide(size, output) + extra))
    return regions.pool(x, views, data_format, return_indices)


def _seed(seed: Any, device: torch.device) -> list[torch.Tensor]:
    """Returns the four 32-bit words of the two integers that TensorFlow's random functions start from."""
    if isinstance(seed, int):
        words = seed & philox.MASK, seed >> 32 & philox.MASK
        low, high = (torch.tensor(word, device=device) for word in words)
        return [low, high, torch.zeros_like(low), torch.zeros_like(low)]
    if seed is None:
        low, high = keras.random.randint((2,), 0, arguments.INT_LIMIT - 1)
    else:
        low, high = seed.next()
    low, high = (word.to(device, torch.int64) for word in (low, high))
    return [low, torch.zeros_like(low), high, torch.zeros_like(low)]
