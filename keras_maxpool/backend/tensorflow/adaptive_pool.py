"""`adaptive_max_pool` on TensorFlow: computes the regions of each axis from its size and its number of outputs."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf

from keras_maxpool.backend.tensorflow import export, regions, shapes
from keras_maxpool.backend.tensorflow.context import Context
from keras_maxpool.backend.tensorflow.regions import Regions
from keras_maxpool.geometry import output_shapes
from keras_maxpool.geometry.layout import spatial_sizes


@export.in_context
def adaptive_max_pool(
    x: tf.Tensor,
    context: Context,
    outputs: Sequence[int | None],
    data_format: str,
    return_indices: bool,
) -> Any:
    """Computes `adaptive_max_pool` for checked arguments."""
    static_shape = output_shapes.adaptive_max_pooled(x.shape, outputs, data_format)
    empty = shapes.without_elements(x, static_shape, "int64" if return_indices else None)
    if empty is not None:
        return empty
    sizes = spatial_sizes(shapes.sizes(x), data_format)
    if context.mode == "graph":
        checks = [
            (size > 0, [output_shapes.no_elements(i)])
            for i, size in enumerate(sizes)
            if isinstance(size, tf.Tensor) and outputs[i] is not None
        ]
        x = shapes.asserted(x, checks)
    axes = [_regions(size, output) for size, output in zip(sizes, outputs, strict=True)]
    return regions.pool(x, axes, context, data_format, static_shape, return_indices)


def _regions(size: shapes.Size, outputs: int | None) -> Regions | None:
    """Returns the regions: i starts at floor(i * size / outputs) and ends before ceil((i + 1) * size / outputs)."""
    if outputs is None:
        return None
    if isinstance(size, int):
        if size == outputs:
            return None
        if size % outputs == 0:
            return Regions(split=(outputs, size // outputs))
        if max(size, outputs) <= shapes.MAX_STATIC:
            return _static_regions(size, outputs)
    # 32 bits where they are enough: LiteRT cannot divide 64-bit integers.
    dtype = tf.int32 if outputs**2 < tf.int32.max else tf.int64
    size = tf.cast(size, dtype)
    starts, ends = _bounds(tf.range(outputs, dtype=dtype), size, outputs)
    # Rounding down and rounding up each add less than 1 to the size of a region.
    return regions.between(starts, ends, (size - 1) // outputs + 2)


@lru_cache(maxsize=512)
def _static_regions(size: int, outputs: int) -> Regions:
    starts, ends = _bounds(np.arange(outputs), size, outputs)
    return regions.between(starts, ends, int(np.max(ends - starts)))


def _bounds(i: Any, size: Any, outputs: int) -> tuple[Any, Any]:
    # Each product is below outputs squared, or no more than size.
    whole, rest = size // outputs, size % outputs
    ends = (i + 1) * whole + ((i + 1) * rest + (outputs - 1)) // outputs
    return i * whole + i * rest // outputs, ends
