"""The maximum of a whole spatial volume, and its gradients.

Elements that tie share a gradient in equal parts, as in TensorFlow's `reduce_max` and PyTorch's `amax`.
"""

import math
from typing import NamedTuple

import numpy as np


class Whole(NamedTuple):
    """The values and indices, (batch, channels), and each element's share of the gradient, in the shape of x."""

    values: np.ndarray
    indices: np.ndarray
    shares: np.ndarray


def global_pool(x: np.ndarray, mask: np.ndarray | None = None) -> Whole:
    """Sample by sample and channel by channel, over what the mask, (batch, *spatial), shows.

    Where it shows nothing, the value is 0, the index -1, and nobody has a share.
    """
    batch, *spatial, channels = x.shape
    flat = x if x.dtype.kind in "iu" else x.astype(np.float64)
    flat = flat.reshape(batch, math.prod(spatial), channels)
    shown = np.full((batch, *spatial), True) if mask is None else mask
    values = np.zeros((batch, channels), flat.dtype)
    indices = np.full((batch, channels), -1)
    shares = np.zeros(flat.shape)
    for n, c in np.ndindex(batch, channels):
        candidates = np.flatnonzero(shown[n])
        if candidates.size == 0:
            continue
        numbers = flat[n, candidates, c]
        best = numbers.max()  # NaN, if there is one
        winners = candidates[np.isnan(numbers) if np.isnan(best) else numbers == best]
        values[n, c], indices[n, c] = best, winners[0]
        shares[n, winners, c] = 1 / len(winners)
    return Whole(values.astype(x.dtype), indices, shares.reshape(x.shape))


def global_gradient(shares: np.ndarray, upstream: np.ndarray) -> np.ndarray:
    """The gradient for x of the upstream one, (batch, channels): to each element its share."""
    batch, *spatial, channels = shares.shape
    return shares * upstream.astype(np.float64).reshape(batch, *[1] * len(spatial), channels)


def global_tangent(shares: np.ndarray, tangent: np.ndarray) -> np.ndarray:
    """The tangent of the values, (batch, channels), for a tangent of x: the transpose of `global_gradient`."""
    spatial = tuple(range(1, shares.ndim - 1))
    return (shares * tangent.astype(np.float64)).sum(spatial)
