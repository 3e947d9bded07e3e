"""`global_max_pool` on TensorFlow: the maximum of each whole spatial volume, with its gradient and its index."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from keras_maxpool.backend.tensorflow import export, masks, shapes
from keras_maxpool.backend.tensorflow.context import Context
from keras_maxpool.backend.tensorflow.gather_scatter import count, index_type
from keras_maxpool.backend.tensorflow.numerics import first_index, maximum_or_nan
from keras_maxpool.geometry import output_shapes


@export.in_context
def global_max_pool(
    x: tf.Tensor,
    context: Context,
    data_format: str,
    keepdims: bool,
    mask: Any,
    return_indices: bool,
    nonfinite: str,
) -> Any:
    """Computes `global_max_pool` for checked arguments and a checked shape."""
    channel = 1 if data_format == "channels_first" else x.shape.rank - 1
    axes = [axis for axis in range(1, x.shape.rank) if axis != channel]
    static_shape = output_shapes.global_max_pooled(x.shape, data_format, keepdims)
    empty = shapes.without_elements(x, static_shape, "int64" if return_indices else None)
    if empty is not None:
        return empty
    if context.mode == "graph":
        x, mask = _where_sizes_fit(x, mask, axes)
    visible = None if mask is None else _over_channels(mask, x, axes)
    # Quantised tensors hold neither NaN nor infinities.
    ieee = nonfinite == "ieee" and x.dtype.is_floating and not context.quantized_bits
    if visible is None and not ieee:
        values = tf.reduce_max(x, axes, keepdims=True)
    else:
        values = _maximum(x, axes, visible, ieee, context)
    if not return_indices:
        return values if keepdims else tf.squeeze(values, axes)
    indices = _indices(x, values, axes, visible, context)
    return (values, indices) if keepdims else (tf.squeeze(values, axes), tf.squeeze(indices, axes))


def _masked_axes(mask: tf.Tensor, axes: list[int]) -> list[int]:
    """Returns the input's axes that the mask has too: the batch axis, and the spatial ones unless it is (batch,)."""
    return [0] if mask.shape.rank == 1 else [0, *axes]


def _over_channels(mask: tf.Tensor, x: tf.Tensor, axes: list[int]) -> tf.Tensor:
    # Not tf.expand_dims: under XLA its result would be broadcast if a size turns out not to fit.
    masked = _masked_axes(mask, axes)
    return tf.reshape(mask, [n if i in masked else 1 for i, n in enumerate(shapes.sizes(x))])


def _where_sizes_fit(
    x: tf.Tensor, mask: tf.Tensor | None, axes: list[int]
) -> tuple[tf.Tensor, tf.Tensor | None]:
    """Returns both, with checks for when the graph runs: no unknown size may be 0, and the mask must fit."""
    sizes = shapes.sizes(x)
    checks = []
    unknown = [axis for axis in axes if isinstance(sizes[axis], tf.Tensor)]
    if unknown:
        message = "`inputs` must have an element on every spatial axis; received shape"
        room = tf.reduce_all(tf.stack([sizes[axis] for axis in unknown]) > 0)
        checks.append((room, [message, tf.shape(x)]))
    if mask is not None and not (mask.shape.is_fully_defined() and x.shape.is_fully_defined()):
        wanted = tf.stack([sizes[axis] for axis in _masked_axes(mask, axes)])
        message = "`mask` must have the shape (batch, *spatial) or (batch,), which is"
        alike = tf.reduce_all(tf.equal(tf.shape(mask), wanted))
        checks.append((alike, [message, wanted, "received a mask of shape", tf.shape(mask)]))
    x = shapes.asserted(x, checks)
    with tf.control_dependencies([x]):
        return x, None if mask is None else tf.identity(mask)


def _maximum(
    x: tf.Tensor, axes: list[int], visible: tf.Tensor | None, ieee: bool, context: Context
) -> tf.Tensor:
    """Returns the maxima of the visible elements, on axes of size 1; ties share the gradient evenly."""

    @tf.custom_gradient
    def function(x: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        hidden = x if visible is None else masks.hide(x, visible, context)
        y = (maximum_or_nan if ieee else tf.reduce_max)(hidden, axes, keepdims=True)
        if visible is not None:
            any_visible = tf.reduce_any(visible, axes, keepdims=True)
            y = export.select(any_visible, y, tf.zeros([], x.dtype), context)
        return y, lambda upstream: _split(upstream, _winners(x, y, visible), axes)

    return function(x)


def _winners(x: tf.Tensor, y: tf.Tensor, visible: tf.Tensor | None) -> tf.Tensor:
    """Returns which elements equal the maximum, where NaN equals NaN."""
    winners = tf.equal(x, y)  # in graphs of TensorFlow 1, == compares identities
    if x.dtype.is_floating:
        winners |= tf.math.is_nan(x) & tf.math.is_nan(y)
    return winners if visible is None else winners & visible


def _split(upstream: tf.Tensor, winners: tf.Tensor, axes: list[int]) -> tf.Tensor:
    """Returns the gradient of the elements, split evenly between the winners."""
    winners = tf.cast(winners, upstream.dtype)
    number = tf.reduce_sum(winners, axes, keepdims=True)
    return tf.math.divide_no_nan(winners, number) * upstream


def _indices(
    x: tf.Tensor, y: tf.Tensor, axes: list[int], visible: tf.Tensor | None, context: Context
) -> tf.Tensor:
    """Returns the flat index of the first winner, or -1 without one, on axes of size 1."""
    export.check_indices(context)
    # One spatial axis: LiteRT ends the process when it quantises comparisons of five axes.
    flat_x, flat_y, flat_visible = (
        None if t is None else _merged(t, axes) for t in (x, y, visible)
    )
    size = count([shapes.sizes(x)[axis] for axis in axes], context)
    size = tf.cast(size, index_type(size))
    order = tf.reshape(tf.range(size), [-1 if axis == axes[0] else 1 for axis in range(3)])
    first = first_index(_winners(flat_x, flat_y, flat_visible), order, size, axes[0])
    return tf.reshape(tf.cast(tf.where(first < size, first, -1), tf.int64), shapes.sizes(y))


def _merged(x: tf.Tensor, axes: list[int]) -> tf.Tensor:
    """Returns `x` with the neighbouring `axes` merged into one."""
    sizes = shapes.sizes(x)
    first, last = axes[0], axes[-1]
    volume = shapes.product(sizes[first : last + 1])
    return tf.reshape(x, [*sizes[:first], volume, *sizes[last + 1 :]])
