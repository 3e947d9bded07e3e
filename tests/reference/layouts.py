"""The two data formats."""

import numpy as np


def channels_last(array: np.ndarray) -> np.ndarray:
    """(batch, channels, *spatial) as (batch, *spatial, channels)."""
    return np.moveaxis(array, 1, -1)


def channels_first(array: np.ndarray) -> np.ndarray:
    """(batch, *spatial, channels) as (batch, channels, *spatial)."""
    return np.moveaxis(array, -1, 1)
