"""Max pooling over regions that may differ in size and overlap, for adaptive and fractional pooling."""

from collections.abc import Sequence
from typing import Any

import torch

from keras_maxpool.backend.torch import first_maxima, layout
from keras_maxpool.backend.torch.integers import as_signed, from_signed


def between(starts: torch.Tensor, ends: torch.Tensor, longest: int) -> first_maxima.Views:
    """Returns views of the regions from `starts` to before `ends`; one shorter than the longest repeats its last."""
    return [torch.minimum(starts + number, ends - 1) for number in range(longest)]


def pool(
    x: torch.Tensor,
    views: Sequence[first_maxima.Views | None],
    data_format: str,
    return_indices: bool,
) -> Any:
    """Returns the maxima of all regions, and, if asked for, the flat indices of the first ones.

    `views` are those of the regions along each spatial axis; None leaves an axis as it is.
    """
    y, at = first_maxima.pool_views(layout.channels_first(as_signed(x), data_format), views)
    y = layout.restored(from_signed(y, x.dtype), data_format)
    return (y, layout.restored(at, data_format)) if return_indices else y
