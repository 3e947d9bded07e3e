"""Values back to their indices, and out of them: unpooling, and the gradients of all that has indices.

The gradient of pooling is unpooling, and the gradient of unpooling is a gather: each is the other's transpose.
"""

import math
from collections.abc import Sequence

import numpy as np

from reference.layouts import channels_first, channels_last


def unpool(
    values: np.ndarray,
    indices: np.ndarray,
    spatial: Sequence[int],
    *,
    dtype: np.dtype | type | None = None,
    data_format: str = "channels_last",
) -> np.ndarray:
    """Each value at its place, and 0 elsewhere. What meets at one place is added; a value at -1 is left out.

    Sums are in float64, or in the values' own dtype if that is of integers, then cast to `dtype`: the values' by
    default.
    """
    if data_format == "channels_first":
        values, indices = channels_last(values), channels_last(indices)
        return channels_first(unpool(values, indices, spatial, dtype=dtype))

    batch, *windows, channels = values.shape
    numbers = values if values.dtype.kind in "iu" else values.astype(np.float64)
    numbers = numbers.reshape(batch, math.prod(windows), channels)
    flat = indices.reshape(numbers.shape)
    volume = np.zeros((batch, math.prod(spatial), channels), numbers.dtype)
    sample, window, channel = np.nonzero(flat != -1)
    winner = flat[sample, window, channel]
    np.add.at(volume, (sample, winner, channel), numbers[sample, window, channel])
    return volume.reshape(batch, *spatial, channels).astype(dtype or values.dtype)


def gradient(
    x_shape: Sequence[int],
    indices: np.ndarray,
    upstream: np.ndarray,
    *,
    dtype: np.dtype | type = np.float64,
    data_format: str = "channels_last",
) -> np.ndarray:
    """The gradient of pooling for x: every upstream value is added at its winner's place."""
    spatial = x_shape[2:] if data_format == "channels_first" else x_shape[1:-1]
    return unpool(upstream, indices, spatial, dtype=dtype, data_format=data_format)


def gather(x: np.ndarray, indices: np.ndarray, *, data_format: str = "channels_last") -> np.ndarray:
    """What x holds at the indices, 0 at -1: the gradient of unpooling.

    With a tangent as x it is the tangent of pooling's values; with a second upstream gradient, what the gradient of
    pooling passes back.
    """
    if data_format == "channels_first":
        return channels_first(gather(channels_last(x), channels_last(indices)))
    batch, *spatial, channels = x.shape
    flat = x.reshape(batch, math.prod(spatial), channels)
    result = np.zeros(indices.shape, x.dtype)
    where = np.nonzero(indices != -1)
    result[where] = flat[where[0], indices[where], where[-1]]
    return result


def jacobian(x_shape: Sequence[int], indices: np.ndarray) -> np.ndarray:
    """That of pooling, (*outputs, *x_shape): 1 where an output comes from an input, 0 elsewhere."""
    result = np.zeros((*indices.shape, *x_shape), np.float32)
    for output in np.ndindex(*indices.shape):
        if indices[output] != -1:
            element = np.unravel_index(indices[output], x_shape[1:-1])
            result[(*output, output[0], *element, output[-1])] = 1
    return result
