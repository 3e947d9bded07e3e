"""Converts the masks of pooling functions and layers to tensors, and checks them."""

from collections.abc import Sequence
from typing import Any

from keras_maxpool import backend
from keras_maxpool.geometry import checks


def convert_mask(mask: Any, shape: Sequence[int | None], data_format: str) -> Any:
    """Returns `mask` as a boolean tensor that fits inputs of `shape`, or None; raises a TypeError or ValueError."""
    if mask is None:
        return None
    mask = backend.as_dense(mask, "mask")
    try:
        tensor = backend.convert_to_tensor(mask, "mask")
    except (TypeError, ValueError) as error:
        raise checks.no_mask(mask) from error
    checks.mask(tensor, shape, data_format)
    return tensor
