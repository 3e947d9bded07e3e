"""`adaptive_max_pool` on PyTorch: its own for floats, which has the same regions, and comparisons for integers."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from keras_maxpool.backend.torch import first_maxima, layout, regions
from keras_maxpool.geometry import output_shapes

FUNCTIONS = F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d


def adaptive_max_pool(
    x: torch.Tensor, outputs: Sequence[int | None], data_format: str, return_indices: bool
) -> Any:
    """Computes `adaptive_max_pool` for checked arguments."""
    shape = output_shapes.adaptive_max_pooled(tuple(x.shape), outputs, data_format)
    if 0 in shape:
        return layout.without_elements(x, shape, "int64" if return_indices else None)
    first = layout.channels_first(x, data_format)
    sizes = [*zip(first.shape[2:], outputs, strict=True)]
    if not x.is_floating_point():
        views = [_views(size, output, x.device) for size, output in sizes]
        return regions.pool(x, views, data_format, return_indices)
    function = FUNCTIONS[len(outputs) - 1]
    pool: Any = partial(function, output_size=[size if n is None else n for size, n in sizes])
    if not return_indices:
        return layout.restored(pool(first), data_format)
    y, at = first_maxima.pool_twice(first, partial(pool, return_indices=True))
    return layout.restored(y, data_format), layout.restored(at, data_format)


def _views(size: int, outputs: int | None, device: torch.device) -> first_maxima.Views | None:
    """Returns the regions: i starts at floor(i * size / outputs) and ends before ceil((i + 1) * size / outputs)."""
    if outputs is None or size == outputs:
        return None
    i = torch.arange(outputs, device=device)
    starts, ends = i * size // outputs, -(-(i + 1) * size // outputs)
    return regions.between(starts, ends, -(-size // outputs) + (1 if size % outputs else 0))
