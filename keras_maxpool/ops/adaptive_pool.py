"""`adaptive_max_pool`: pooling to a given size, whatever the inputs' own."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf

from keras_maxpool import arguments
from keras_maxpool.ops import converter, layout, mode, regions, shapes
from keras_maxpool.ops.inputs import dense
from keras_maxpool.ops.regions import Regions


@tf.autograph.experimental.do_not_convert
def adaptive_max_pool(
    inputs: Any, output_size: Any, data_format: str | None = None, *, return_indices: bool = False
) -> Any:
    """Max pooling over 1, 2 or 3 spatial axes to a given output size.

    Args:
        inputs: a tensor, or what converts to one: batch, 1 to 3 spatial axes, channels.
        output_size, data_format, return_indices: as `keras_maxpool.AdaptiveMaxPooling2D` takes them, with one
            integer or None for each spatial axis.

    Returns:
        The pooled tensor, of the inputs' dtype; with `return_indices`, that and the int64 indices.

    Raises:
        TypeError, ValueError: as `keras_maxpool.AdaptiveMaxPooling2D` does.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> x = np.array([[3.0, 1.0, 2.0, 5.0, 4.0]])[..., None]
    >>> values, indices = keras_maxpool.ops.adaptive_max_pool(x, 3, return_indices=True)
    >>> values[0, :, 0].numpy().tolist(), indices[0, :, 0].numpy().tolist()
    ([3.0, 5.0, 5.0], [0, 3, 3])
    """
    x = dense(inputs)
    outputs = arguments.output_sizes(output_size, arguments.spatial_rank(x.shape))
    data_format = layout.resolved(data_format)
    arguments.flag(return_indices, "return_indices")
    arguments.dtype(x.dtype.name)
    return pool(x, outputs, data_format, return_indices)


@converter.carried
def pool(
    x: tf.Tensor, outputs: Sequence[int | None], data_format: str, return_indices: bool
) -> Any:
    """`adaptive_max_pool` for arguments that have been checked."""
    static_shape = output_shape(x.shape, outputs, data_format)
    nothing = shapes.without_elements(x, static_shape, "int64" if return_indices else None)
    if nothing is not None:
        return nothing
    sizes = layout.spatial(shapes.sizes(x), data_format)
    if mode.current() == "graph":
        checks = [
            tf.debugging.Assert(size > 0, [_no_elements(place)])
            for place, size in enumerate(sizes)
            if isinstance(size, tf.Tensor) and outputs[place] is not None
        ]
        with tf.control_dependencies(checks):
            x = tf.identity(x)
    axes = [_regions(size, output) for size, output in zip(sizes, outputs, strict=True)]
    return regions.pool(x, axes, data_format, static_shape, return_indices)


def output_shape(
    shape: Sequence[int | None], outputs: Sequence[int | None], data_format: str
) -> tuple[int | None, ...]:
    """The shape that pooling gives for inputs of `shape`, None where unknown."""
    sizes = layout.spatial(shape, data_format)
    for place, (size, output) in enumerate(zip(sizes, outputs, strict=True)):
        if size == 0 and output is not None:
            raise ValueError(f"{_no_elements(place)} Received spatial sizes {tuple(sizes)}.")
    pooled = [s if o is None else o for s, o in zip(sizes, outputs, strict=True)]
    result = layout.with_spatial(shape, data_format, pooled)
    arguments.countable(result, f"`output_size` {tuple(outputs)} makes", "Write smaller sizes.")
    return result


def _no_elements(place: int) -> str:
    return (
        f"Spatial axis {place} has no elements, and no maximum. "
        "Give it at least one, or keep its size with None in `output_size`."
    )


def _regions(size: shapes.Size, outputs: int | None) -> Regions | None:
    """Region i of `outputs` goes from floor(i * size / outputs) to before ceil((i + 1) * size / outputs)."""
    if outputs is None:
        return None
    if isinstance(size, int):
        if size == outputs:
            return None
        if size % outputs == 0:
            return Regions(tiles=(outputs, size // outputs))
        if max(size, outputs) <= shapes.MOST_STATIC:
            return _static_regions(size, outputs)
    # 32 bits, where they are enough: LiteRT divides no others.
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
