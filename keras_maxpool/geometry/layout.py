"""The order of axes in a shape, in both data formats."""

from collections.abc import Sequence
from typing import Any


def spatial_sizes(shape: Sequence[Any], data_format: str) -> tuple[Any, ...]:
    """Returns the spatial sizes in a shape."""
    return tuple(shape[1:-1] if data_format == "channels_last" else shape[2:])


def with_spatial_sizes(
    shape: Sequence[int | None], data_format: str, sizes: Sequence[int | None]
) -> tuple[int | None, ...]:
    """Returns a shape with other spatial sizes."""
    if data_format == "channels_last":
        return (shape[0], *sizes, shape[-1])
    return (shape[0], shape[1], *sizes)
