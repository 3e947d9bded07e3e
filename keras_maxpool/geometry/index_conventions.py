"""Flat indices of maxima in the conventions of other libraries: arithmetic on integers, and on arrays of them."""

from collections.abc import Sequence
from math import prod
from typing import Any


def converted(
    indices: Any,
    sample: Any,
    channel: Any,
    channels: int,
    spatial: Sequence[int],
    to: str,
    source: str,
) -> Any:
    """Returns indices in convention `source` as those in convention `to`, but for negative ones.

    Args:
        indices: flat indices.
        sample, channel: the positions of each index along the axes of the batch and the channels.
        channels: the number of channels.
        spatial: the spatial sizes of what was pooled.
        to, source: names of conventions, as `keras_maxpool.ops.convert_indices` takes them.
    """
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
    return index


def _transposed(index: Any, sizes: Sequence[int]) -> Any:
    """Returns flat indices in a row-major volume of `sizes` as those in the volume with the axes in reverse order."""
    result, factor, rest = 0, prod(sizes), index
    for size in reversed(sizes):
        factor //= size
        result = result + rest % size * factor
        rest = rest // size
    return result
