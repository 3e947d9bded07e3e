"""`global_max_pool`: the one maximum of each sample's and channel's whole spatial volume."""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import tensorflow as tf

from keras_maxpool.backend.tensorflow import context as mode
from keras_maxpool.backend.tensorflow import export as converter
from keras_maxpool.backend.tensorflow import gather_scatter as places
from keras_maxpool.backend.tensorflow import masks, shapes
from keras_maxpool.backend.tensorflow.select import select
from keras_maxpool.geometry import output_shapes

Pooled: TypeAlias = tf.Tensor | tuple[tf.Tensor, tf.Tensor]
"""The values, or the values and their places."""


@converter.carried
def global_max_pool(
    x: tf.Tensor,
    data_format: str,
    keepdims: bool,
    mask: Any,
    return_indices: bool,
    nonfinite: str,
) -> Pooled:
    """`global_max_pool` for arguments and a shape that have been checked; the mask is checked here."""
    channel = 1 if data_format == "channels_first" else x.shape.rank - 1
    axes = [axis for axis in range(1, x.shape.rank) if axis != channel]
    if mask is not None:
        mask = masks.convert_mask(mask, x.shape, data_format)
    static_shape = output_shapes.global_max_pooled(x.shape, data_format, keepdims)
    nothing = shapes.without_elements(x, static_shape, "int64" if return_indices else None)
    if nothing is not None:
        return nothing
    if mode.current() == "graph":
        x, mask = _where_sizes_fit(x, mask, axes)
    valid = None
    if mask is not None:
        # Not tf.expand_dims, whose result would be broadcast where XLA learns late that a size does not fit.
        masked = _masked_axes(mask, axes)
        sizes = [n if axis in masked else 1 for axis, n in enumerate(shapes.sizes(x))]
        valid = tf.reshape(mask, sizes)
    values = _maximum(x, axes, valid, nonfinite)
    if not return_indices:
        return values if keepdims else tf.squeeze(values, axes)
    places = _places(x, values, axes, valid)
    return (values, places) if keepdims else (tf.squeeze(values, axes), tf.squeeze(places, axes))


def _masked_axes(mask: tf.Tensor, axes: list[int]) -> list[int]:
    """The input's axes that the mask has: the batch's, and with them or without the spatial ones."""
    return [0] if mask.shape.rank == 1 else [0, *axes]


def _where_sizes_fit(
    x: tf.Tensor, mask: tf.Tensor | None, axes: list[int]
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Both, which a graph that learns sizes when it runs hands on only if they are not empty and fit each other."""
    sizes = shapes.sizes(x)
    checks = []
    unknown = [axis for axis in axes if isinstance(sizes[axis], tf.Tensor)]
    if unknown:
        message = "`inputs` must have an element on every spatial axis; received shape"
        room = tf.reduce_all(tf.stack([sizes[axis] for axis in unknown]) > 0)
        checks.append(tf.debugging.Assert(room, [message, tf.shape(x)]))
    if mask is not None and not (mask.shape.is_fully_defined() and x.shape.is_fully_defined()):
        wanted = tf.stack([sizes[axis] for axis in _masked_axes(mask, axes)])
        message = "`mask` must have the shape (batch, *spatial) or (batch,), which is"
        alike = tf.reduce_all(tf.shape(mask) == wanted)
        facts = [message, wanted, "received a mask of shape", tf.shape(mask)]
        checks.append(tf.debugging.Assert(alike, facts))
    with tf.control_dependencies(checks):
        return tf.identity(x), None if mask is None else tf.identity(mask)


def _maximum(x: tf.Tensor, axes: list[int], valid: tf.Tensor | None, nonfinite: str) -> tf.Tensor:
    """The maxima of what is valid, on axes of size 1, with an even split of the gradient between ties."""
    # Quantised tensors hold neither NaN nor infinities.
    ieee = nonfinite == "ieee" and x.dtype.is_floating and not converter.quantized_bits()
    if valid is None and not ieee:
        return tf.reduce_max(x, axes, keepdims=True)

    def forward(x: tf.Tensor) -> tf.Tensor:
        if valid is not None:
            x = masks.hide(x, valid)
        y = tf.reduce_max(x, axes, keepdims=True)
        if ieee:  # XLA passes NaN over
            any_nan = tf.reduce_any(tf.math.is_nan(x), axes, keepdims=True)
            y = tf.where(any_nan, tf.constant(math.nan, x.dtype), y)
        if valid is not None:
            any_valid = tf.reduce_any(valid, axes, keepdims=True)
            y = select(any_valid, y, tf.zeros([], x.dtype))
        return y

    @tf.custom_gradient
    def function(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        y = forward(x)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            winners = tf.cast(_winners(x, y, valid), x.dtype)
            count = tf.reduce_sum(winners, axes, keepdims=True)
            return tf.math.divide_no_nan(winners, count) * upstream

        return y, gradient

    return function(x)


def _winners(x: tf.Tensor, y: tf.Tensor, valid: tf.Tensor | None) -> tf.Tensor:
    """Which elements are the maximum, NaN being equal to NaN."""
    winners = x == y
    if x.dtype.is_floating:
        winners |= tf.math.is_nan(x) & tf.math.is_nan(y)
    return winners if valid is None else winners & valid


def _places(x: tf.Tensor, y: tf.Tensor, axes: list[int], valid: tf.Tensor | None) -> tf.Tensor:
    """The flat place of the first winner, -1 where none has won, on axes of size 1."""
    converter.check_indices()
    # One spatial axis: LiteRT ends the process when it quantises comparisons of five axes.
    flat_x, flat_y, flat_valid = (None if t is None else _flattened(t, axes) for t in (x, y, valid))
    size = places.count([shapes.sizes(x)[axis] for axis in axes])
    size = tf.cast(size, places.index_type(size))
    order = tf.reshape(tf.range(size), [-1 if axis == axes[0] else 1 for axis in range(3)])
    # Not tf.argmax, which promises nothing of ties, and whose NaN depends on the mode.
    own = tf.where(_winners(flat_x, flat_y, flat_valid), order, size)
    first = tf.reduce_min(own, axes[0])
    return tf.reshape(tf.cast(tf.where(first < size, first, -1), tf.int64), shapes.sizes(y))


def _flattened(x: tf.Tensor, axes: list[int]) -> tf.Tensor:
    """`x` with one axis in place of several neighbours."""
    sizes = shapes.sizes(x)
    first, last = axes[0], axes[-1]
    return tf.reshape(
        x, [*sizes[:first], shapes.product(sizes[first : last + 1]), *sizes[last + 1 :]]
    )
