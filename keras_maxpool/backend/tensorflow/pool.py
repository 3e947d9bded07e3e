"""`max_pool` on TensorFlow: applies the mask, runs the kernel that the plan names, and finds the indices."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, NamedTuple

import tensorflow as tf

from keras_maxpool.backend.tensorflow import (
    export,
    layout,
    masks,
    numerics,
    onednn,
    plan,
    shapes,
)
from keras_maxpool.backend.tensorflow.context import Context, current_context
from keras_maxpool.backend.tensorflow.gradients import gradient_of, with_gradient
from keras_maxpool.backend.tensorflow.indices import first_maxima
from keras_maxpool.backend.tensorflow.kernels import KERNELS
from keras_maxpool.backend.tensorflow.kernels.direct import as_rows, direct, one_operation
from keras_maxpool.geometry import output_shapes
from keras_maxpool.geometry.layout import spatial_sizes
from keras_maxpool.geometry.window import Window


class Pooling(NamedTuple):
    """A pooling and its context; `private` says that the graph that is being built is used by nothing else."""

    window: Window
    data_format: str
    implementation: str
    context: Context
    private: bool = False


def max_pool(
    x: tf.Tensor,
    window: Window,
    data_format: str,
    nonfinite: str,
    implementation: str,
    mask: Any = None,
    indices: str | None = None,
) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
    """Computes `max_pool` for checked arguments; `indices` is their dtype, if they are wanted."""
    values_alone = mask is None and indices is None and nonfinite == "backend"
    if values_alone and tf.executing_eagerly():
        # Two thirds of an eager call of a small input are overhead, so what it comes down to is looked up.
        pooling = Pooling(window, data_format, implementation, current_context(x))
        function = _one_function(pooling, tuple(x.shape), x.dtype)
        if function is not None:
            return function(x)
    return _max_pool(x, window, data_format, nonfinite, implementation, mask, indices)


@lru_cache(maxsize=1024)
def _one_function(
    pooling: Pooling, shape: tuple[int, ...], dtype: tf.DType
) -> Callable[[tf.Tensor], tf.Tensor] | None:
    """Returns TensorFlow's operation or a traced function, where an eager call is no more than that."""
    window = pooling.window
    if window.needs_pads or 0 in shape or dtype in numerics.SIGNED:
        return None
    work = _work(pooling, shape, dtype.name)
    chosen = plan.choose(pooling.implementation, work)
    if chosen.layout == plan.AS_IS and chosen.gradient == plan.GRAPH:
        return _with_graph_gradient(pooling, chosen)
    if (chosen.layout, chosen.kernel, chosen.gradient) != (plan.AS_IS, "direct", plan.OWN):
        return None
    if work.may_keep_shape and (pooling.context.taped or max(window.pool) == 1):
        return None
    return partial(as_rows, rank=window.rank, pool=one_operation(window, pooling.data_format))


@export.in_context
def _max_pool(
    x: tf.Tensor,
    context: Context,
    window: Window,
    data_format: str,
    nonfinite: str,
    implementation: str,
    mask: Any,
    indices: str | None,
) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
    shape, static_shape = x.shape.as_list(), None
    if 0 in shape or None in shape:
        static_shape = output_shapes.max_pooled(shape, window, data_format)
        empty = shapes.without_elements(x, static_shape, indices)
        if empty is not None:
            return empty
        if context.mode == "graph":
            x = _where_windows_fit(x, window, data_format)
    visible = None
    if mask is not None:
        mask = masks.of_elements(mask, x, data_format)
        visible = layout.over_channels(mask, data_format)
        x = masks.hide(x, visible, context)
    if _may_repeat(x, window, data_format, context):
        context = replace(context, repeats=True)
    pooling = Pooling(window, data_format, implementation, context)
    # Quantised tensors hold neither NaN nor infinities.
    ieee = nonfinite == "ieee" and x.dtype.is_floating and not context.quantized_bits
    if x.dtype in numerics.SIGNED:
        plan.check(implementation, window, x.dtype.name)
        y = numerics.unsigned(_pool(pooling, numerics.signed(x)), x.dtype)
    elif ieee:
        y = numerics.ieee(partial(_pool, pooling), x, visible, context)
    else:
        y = _pool(pooling, x)
    if mask is not None:
        visible = masks.pooled(mask, window, context)
        hidden = tf.zeros([], y.dtype)
        y = export.select(layout.over_channels(visible, data_format), y, hidden, context)
    results = [y]
    if indices is not None:
        in_steps = implementation == "shifted"
        dtype = tf.as_dtype(indices)
        find = partial(first_maxima, window=window, dtype=dtype, context=context, in_steps=in_steps)
        found = _indices(find, x, y, ieee, plan.layout_for(data_format, context))
        if mask is not None:
            found = layout.channels_last(found, data_format)
            found = masks.visible_indices(find, found, mask, visible, context)
            found = layout.restored(found, data_format)
        results.append(found)
    if static_shape is not None:
        # Operations that pad by tensors lose the static shape.
        for result in results:
            result.set_shape(static_shape)
    return results[0] if indices is None else (results[0], results[1])


def _pool(pooling: Pooling, x: tf.Tensor) -> tf.Tensor:
    """Pools `x` as the plan says."""
    chosen = plan.choose(pooling.implementation, _work(pooling, x.shape.as_list(), x.dtype.name))
    inputs = layout.for_kernel(x, chosen.layout)
    if chosen.layout != plan.AS_IS:
        pooling = pooling._replace(data_format="channels_last")
    if chosen.gradient == plan.OWN:
        y = _forward(pooling, chosen, inputs)
    elif chosen.gradient == plan.GRAPH:
        y = _with_graph_gradient(pooling, chosen)(inputs)
    else:
        forward = partial(_forward, pooling, chosen)
        y = with_gradient(forward, partial(_surrogate_gradient, pooling, chosen), inputs)
    return layout.from_kernel(y, chosen.layout, x)


def _work(pooling: Pooling, shape: Sequence[int | None], dtype: str) -> plan.Work:
    """Returns what the plan depends on, for inputs of a shape and a dtype."""
    window, data_format, _, context, private = pooling
    rank = window.rank
    graph_3d = context.mode == "graph" and rank == 3 and dtype in plan.NATIVE_3D
    graph_3d = graph_3d and context.on_cpu and not context.vectorized
    # Other graphs may be exported to runtimes that take channels last alone, or be traced by tf.vectorized_map, which
    # keeps the gradient out of oneDNN. Forward mode ignores the custom gradient that channels first needs.
    first = data_format == "channels_first" and rank > 1 and (private or context.mode == "eager")
    first = first and context.on_cpu and not context.has_tangent
    return plan.Work(
        window,
        dtype,
        context,
        (shape[0], *spatial_sizes(shape, data_format), _channels(shape, data_format)),
        data_format=data_format,
        onednn_3d=graph_3d and onednn.favours_first_in_3d(dtype),
        native_channels_first=first and onednn.takes_channels_first(dtype, rank),
    )


def _channels(shape: Sequence[int | None], data_format: str) -> int | None:
    return shape[-1 if data_format == "channels_last" else 1]


def _forward(pooling: Pooling, chosen: plan.Plan, x: tf.Tensor) -> tf.Tensor:
    if pooling.data_format == "channels_first":
        return direct(x, pooling.window, pooling.context, data_format="channels_first")
    return KERNELS[chosen.kernel](x, pooling.window, pooling.context)


def _surrogate_gradient(
    pooling: Pooling, chosen: plan.Plan, x: tf.Tensor, upstream: tf.Tensor, context: Context
) -> tf.Tensor:
    """Computes the gradient of the kernel that the plan names."""
    kernel = KERNELS[chosen.gradient]
    gradient = gradient_of(lambda x, context: kernel(x, pooling.window, context))
    if not chosen.widened:
        return gradient(x, upstream, context)
    wide = gradient(tf.cast(x, tf.float32), tf.cast(upstream, tf.float32), context)
    return tf.cast(wide, x.dtype)


def _with_graph_gradient(pooling: Pooling, chosen: plan.Plan) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns an eager pooling with the gradient of graph mode."""
    # Its own values need no gradient.
    untaped = pooling._replace(context=replace(pooling.context, taped=False))

    @tf.custom_gradient
    def pool(x: tf.Tensor) -> tuple[tf.Tensor, Any]:
        return _forward(untaped, chosen, x), partial(_graph_gradient, pooling, x)

    return pool


def _graph_gradient(pooling: Pooling, x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    window, data_format, implementation, *_ = pooling
    context = current_context(x, upstream)
    if context.vectorized:
        # This is a graph already, which replaces the operations of a traced function by those of no plan.
        pool = partial(_in_context, window, data_format, implementation, False)
        return gradient_of(pool)(x, upstream, context)
    channels = _channels(x.shape.as_list(), data_format)
    return _traced_gradient(window, data_format, implementation, channels)(x, upstream)


@lru_cache(maxsize=128)
def _traced_gradient(
    window: Window, data_format: str, implementation: str, channels: int | None
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Returns the gradient as a `tf.function`, which is traced for unknown sizes when shapes change.

    It is made for one number of `channels`, which the plan then knows in that case, too.
    """
    pool = partial(
        _in_context, window, data_format, implementation, data_format == "channels_first"
    )

    def gradient(x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        return gradient_of(pool)(x, upstream, current_context(x, upstream))

    return tf.function(gradient, autograph=False, reduce_retracing=True)


def _in_context(
    window: Window,
    data_format: str,
    implementation: str,
    private: bool,
    x: tf.Tensor,
    context: Context,
) -> tf.Tensor:
    return _pool(Pooling(window, data_format, implementation, context, private), x)


def _indices(
    find: Callable[[tf.Tensor], tf.Tensor], x: tf.Tensor, y: tf.Tensor, ieee: bool, how: str
) -> tf.Tensor:
    """Returns the flat indices of the maxima `y` of `x`, which `find` finds in the layout `how`."""
    x = tf.stop_gradient(x)
    found = layout.from_kernel(find(layout.for_kernel(numerics.signed(x), how)), how, x)
    if ieee:
        is_nan = layout.for_kernel(tf.cast(tf.math.is_nan(x), x.dtype), how)
        found = tf.where(tf.math.is_nan(y), layout.from_kernel(find(is_nan), how, x), found)
    return found


def _where_windows_fit(x: tf.Tensor, window: Window, data_format: str) -> tf.Tensor:
    """Returns `x` with checks for when the graph runs: a window must fit on each axis of unknown size."""
    sizes = spatial_sizes(shapes.sizes(x), data_format)
    checks = [
        (axis.output_size(size, shapes.maximum) > 0, [axis.too_large(i, "these elements"), size])
        for i, (axis, size) in enumerate(zip(window.axes, sizes, strict=True))
        if isinstance(size, tf.Tensor) and isinstance(axis.padding, tuple)
    ]
    return shapes.asserted(x, checks)


def _may_repeat(x: tf.Tensor, window: Window, data_format: str, context: Context) -> bool:
    """Returns whether padding repeats elements of `x`, which a graph that is quantised later needs.

    In graphs that no tape watches it takes 0.7 to 1.1 of the time of smallest numbers (14 cases in 1D to 3D); a
    gradient would take up to 2.7 times as long. An unknown size may be 0, except in exported graphs.
    """
    if context.mode != "graph" or context.taped or not x.dtype.is_floating:
        return False
    sizes = spatial_sizes(x.shape.as_list(), data_format)
    possible = all(
        not axis.has_window_of_padding(size)
        if isinstance(size, int)
        else context.runtime is not None and not axis.dilated
        for axis, size in zip(window.axes, sizes, strict=True)
    )
    if not possible and window.dilated and context.quantized_bits:
        raise ValueError(
            "`dilation_rate` must leave no window with padding alone in a model that is quantised, and with it the "
            f"spatial sizes must be known; received dilation_rate={window.dilation} for spatial sizes {sizes}. "
            "Use a smaller dilation_rate, or pass the sizes to keras.Input."
        )
    return possible
