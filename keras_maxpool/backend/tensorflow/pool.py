"""`max_pool`: checks, then layout, then the kernel that the plan names."""

from functools import lru_cache
from typing import Any

import tensorflow as tf

from keras_maxpool.backend.tensorflow import context as mode
from keras_maxpool.backend.tensorflow import export as converter
from keras_maxpool.backend.tensorflow import layout, masks, onednn, plan, shapes
from keras_maxpool.backend.tensorflow.gradients import Formula, Gradient, gradient_of, with_gradient
from keras_maxpool.backend.tensorflow.indices import first_maxima
from keras_maxpool.backend.tensorflow.kernels import KERNELS
from keras_maxpool.backend.tensorflow.kernels.direct import direct_channels_first
from keras_maxpool.backend.tensorflow.nonfinite import ieee
from keras_maxpool.backend.tensorflow.select import select
from keras_maxpool.backend.tensorflow.unsigned import SIGNED, as_signed, signed
from keras_maxpool.backend.tensorflow.widened import widened
from keras_maxpool.geometry import output_shapes
from keras_maxpool.geometry.layout import spatial_sizes
from keras_maxpool.geometry.window import Window


@converter.carried
def max_pool(
    x: tf.Tensor,
    window: Window,
    data_format: str,
    nonfinite: str,
    implementation: str,
    mask: Any = None,
    indices: str | None = None,
) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
    """`max_pool` for arguments and a shape that have been checked; `indices` names their dtype, if they are wanted."""
    if mask is not None:
        mask = masks.convert_mask(mask, x.shape, data_format)
    shape = x.shape.as_list()
    if 0 in shape:
        results = shapes.without_elements(
            x, output_shapes.max_pooled(shape, window, data_format), indices
        )
        if results is not None:
            return results
    static_shape = output_shapes.max_pooled(shape, window, data_format) if None in shape else None
    if static_shape is not None and mode.current() == "graph":
        x = _where_windows_fit(x, window, data_format)
    shown = None
    if mask is not None:
        mask = masks.of_places(mask, x, data_format)
        shown = layout.over_channels(mask, data_format)
        x = masks.hide(x, shown)
    # Quantised tensors hold neither NaN nor infinities.
    ieee_floats = nonfinite == "ieee" and x.dtype.is_floating and not converter.quantized_bits()
    repeat = _may_repeat(x, window, data_format)
    kernel = _kernel(x, window, data_format, implementation, repeat=repeat)
    if x.dtype in SIGNED:
        kernel = as_signed(kernel)
    elif ieee_floats:
        kernel = ieee(kernel, shown)
    y = kernel(x)
    seen = None
    if mask is not None:
        seen = masks.pool_mask(mask, window, repeat)
        y = select(layout.over_channels(seen, data_format), y, tf.zeros([], y.dtype))
    results = [y]
    if indices is not None:
        how = {"in_steps": implementation == "shifted", "repeat": repeat}
        places = _indices(x, y, window, data_format, ieee_floats, tf.as_dtype(indices), **how)
        if mask is not None:
            places = layout.channels_last(places, data_format)
            places = masks.seen_places(places, mask, seen, window, **how)
            places = layout.restored(places, data_format)
        results.append(places)
    if static_shape is not None:
        # What is known stays known: operations that pad by tensors forget it.
        for result in results:
            result.set_shape(static_shape)
    return results[0] if indices is None else (results[0], results[1])


def _indices(
    x: tf.Tensor,
    y: tf.Tensor,
    window: Window,
    data_format: str,
    ieee_floats: bool,
    dtype: tf.DType,
    **how: bool,
) -> tf.Tensor:
    """The flat indices of the maxima `y` of `x`; `how` are the flags of `first_maxima`."""
    x = tf.stop_gradient(x)
    first = layout.arranged(lambda x: first_maxima(x, window, dtype, **how), data_format)
    places = first(signed(x) if x.dtype in SIGNED else x)
    if ieee_floats:
        first_nan = first(tf.cast(tf.math.is_nan(x), x.dtype))
        places = tf.where(tf.math.is_nan(y), first_nan, places)
    return places


def _where_windows_fit(x: tf.Tensor, window: Window, data_format: str) -> tf.Tensor:
    """`x`, which a graph that learns its sizes when it runs hands on only if at least one window fits each axis."""
    sizes = spatial_sizes(shapes.sizes(x), data_format)
    checks = [
        tf.debugging.Assert(
            axis.output_size(size, shapes.maximum) > 0,
            [axis.too_large(place, "these elements"), size],
        )
        for place, (axis, size) in enumerate(zip(window.axes, sizes, strict=True))
        if isinstance(size, tf.Tensor) and isinstance(axis.padding, tuple)
    ]
    with tf.control_dependencies(checks):
        return tf.identity(x)


def _may_repeat(x: tf.Tensor, window: Window, data_format: str) -> bool:
    """Whether padding is made of elements of `x`, which a graph that is quantised later needs.

    In graphs that no tape watches it takes the time of smallest numbers, 0.7 to 1.1 of it (14 cases in 1D to 3D);
    a gradient would take up to 2.7 times as long. An unknown size may be 0, which exported graphs do not take.
    """
    if mode.current() != "graph" or mode.tape_is_active() or not x.dtype.is_floating:
        return False
    sizes = spatial_sizes(x.shape.as_list(), data_format)
    exported = converter.current() is not None
    possible = all(
        not axis.sees_only_padding(size) if isinstance(size, int) else exported and not axis.dilated
        for axis, size in zip(window.axes, sizes, strict=True)
    )
    if not possible and window.dilated and converter.quantized_bits():
        raise ValueError(
            "`dilation_rate` must leave no window with padding alone in a model that is quantised, and with it the "
            f"spatial sizes must be known; received dilation_rate={window.gaps} for spatial sizes {sizes}. "
            "Use a smaller dilation_rate, or give keras.Input its sizes."
        )
    return possible


def _kernel(
    x: tf.Tensor,
    window: Window,
    data_format: str,
    implementation: str,
    *,
    repeat: bool = False,
    own: bool = False,
) -> Formula:
    """The function that pools tensors like `x` with the gradient that the plan gives it.

    `repeat` is as `shapes.pad` has it. `own` says that the graph which is being built is for this package's own use.
    """
    now, taped, dtype = mode.current(), mode.tape_is_active(), x.dtype.name
    cpu = mode.is_on_cpu()
    graph_3d = cpu and now == "graph" and window.rank == 3 and dtype in plan.NATIVE_3D
    graph_3d = graph_3d and not mode.is_vectorized()
    # Other graphs may be exported to where only channels-last operations run, or come under tf.vectorized_map, which
    # keeps the gradient from oneDNN. Forward mode sees through custom gradients to where nothing else works.
    first = data_format == "channels_first" and window.rank > 1 and (own or now == "eager")
    first = first and cpu and not mode.has_tangent(x)
    work = plan.Work(
        window,
        dtype,
        now,
        taped,
        channels=x.shape[-1 if data_format == "channels_last" else 1],
        elements=x.shape.num_elements(),
        onednn_3d=graph_3d and onednn.favours_first_in_3d(dtype),
        channels_first=first and onednn.takes_channels_first(dtype, window.rank),
        measured=cpu,
        runtime=converter.current(),
    )
    chosen = plan.choose(implementation, work)
    if data_format == "channels_first" and not chosen.in_place:
        return layout.arranged(
            lambda x: _kernel(x, window, "channels_last", implementation, repeat=repeat)(x),
            data_format,
        )

    def forward(x: tf.Tensor) -> tf.Tensor:
        if chosen.in_place:
            return direct_channels_first(x, window)
        return KERNELS[chosen.kernel](x, window, repeat)

    def of_graph(x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        in_place = chosen.in_place and not mode.is_vectorized()
        gradient = _graph_gradient(window, data_format, implementation, work.channels, in_place)
        return gradient(x, upstream)

    def lent(x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        gradient = gradient_of(lambda x: KERNELS[chosen.gradient](x, window, False))
        if not chosen.widened:
            return gradient(x, upstream)
        return tf.cast(gradient(widened(x), tf.cast(upstream, tf.float32)), x.dtype)

    # Eagerly, what no open tape sees now is never differentiated.
    unseen = now == "eager" and not taped
    if not x.dtype.is_floating or unseen:
        return forward
    if chosen.gradient == plan.GRAPH:
        return with_gradient(forward, of_graph)
    # The gradient through repeated elements takes longer than that of smallest numbers.
    repeated = repeat and (window.needs_pads or window.dilated)
    if chosen.gradient == chosen.kernel and not chosen.widened and not repeated:
        return forward
    return with_gradient(forward, lent)


@lru_cache(maxsize=128)
def _graph_gradient(
    window: Window, data_format: str, implementation: str, channels: int | None, in_place: bool
) -> Gradient:
    """The gradient that graph mode has, for eager use; new shapes make it trace a general one, not ever more.

    One for each number of `channels`, which stays known to the plan in the general one, too.
    """

    def pooled(x: tf.Tensor) -> tf.Tensor:
        return _kernel(x, window, data_format, implementation, own=in_place)(x)

    return tf.function(gradient_of(pooled), autograph=False, reduce_retracing=True)
