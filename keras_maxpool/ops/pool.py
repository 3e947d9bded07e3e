"""`max_pool`: checks, then layout, then the kernel that the plan names."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import tensorflow as tf

from keras_maxpool import arguments
from keras_maxpool import window as windows
from keras_maxpool.ops import converter, layout, masks, mode, onednn, plan, shapes
from keras_maxpool.ops.gradients import Formula, Gradient, gradient_of, with_gradient
from keras_maxpool.ops.indices import first_maxima
from keras_maxpool.ops.inputs import dense
from keras_maxpool.ops.kernels import KERNELS
from keras_maxpool.ops.kernels.direct import direct_channels_first
from keras_maxpool.ops.nonfinite import ieee
from keras_maxpool.ops.select import select
from keras_maxpool.ops.unsigned import SIGNED, as_signed, signed
from keras_maxpool.ops.widened import widened
from keras_maxpool.window import Window


@tf.autograph.experimental.do_not_convert
def max_pool(
    inputs: Any,
    pool_size: Any = 2,
    strides: Any = None,
    padding: Any = "valid",
    data_format: str | None = None,
    *,
    dilation_rate: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    nonfinite: str = "backend",
    implementation: str = "auto",
    mask: Any = None,
    indices_dtype: str = "int64",
) -> tf.Tensor | tuple[tf.Tensor, tf.Tensor]:
    """Max pooling over 1, 2 or 3 spatial axes.

    Args:
        inputs: a tensor, or what converts to one: batch, 1 to 3 spatial axes, channels.
        pool_size, strides, padding, data_format, dilation_rate, ceil_mode, return_indices, nonfinite, implementation:
            as `keras_maxpool.MaxPooling2D` takes them, with one integer or pair for each spatial axis.
        mask: booleans of shape (batch, *spatial) in either data format, or (batch,), or None. What is False never
            wins; a window that sees nothing else gives 0, and -1 as its index.
        indices_dtype: `"int64"` or `"int32"`, which counts volumes of fewer than 2**31 elements.

    Returns:
        The pooled tensor, of the inputs' dtype; with `return_indices` the pair of it and the indices, equally shaped.
        An index is the place of a window's first maximum in the spatial volume of its own sample and channel, counted
        in row-major order without padding: PyTorch's convention, in both data formats. A window of padding alone has
        the index -1. `keras_maxpool.ops.convert_indices` gives other conventions.

    Raises:
        TypeError, ValueError: as `keras_maxpool.MaxPooling2D` does.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> keras_maxpool.ops.max_pool(ramp, 2, dilation_rate=2, strides=1)[0, :, :, 0].numpy().tolist()
    [[10.0, 11.0], [14.0, 15.0]]
    >>> values, indices = keras_maxpool.ops.max_pool(ramp, 2, return_indices=True)
    >>> indices[0, :, :, 0].numpy().tolist()
    [[5, 7], [13, 15]]
    """
    x = dense(inputs)
    rank = arguments.spatial_rank(x.shape)
    window = windows.parse(rank, pool_size, strides, padding, dilation_rate, ceil_mode)
    data_format = layout.resolved(data_format)
    arguments.choice(nonfinite, "nonfinite", arguments.NONFINITE)
    arguments.choice(implementation, "implementation", arguments.IMPLEMENTATIONS)
    arguments.dtype(x.dtype.name)
    arguments.choice(indices_dtype, "indices_dtype", arguments.INDICES_DTYPES)
    output_shape(x.shape, window, data_format)
    indices = indices_dtype if arguments.flag(return_indices, "return_indices") else None
    if indices == "int32":
        sizes = layout.spatial(x.shape.as_list(), data_format)
        arguments.counted_in_32_bits(sizes, "indices", 'Write indices_dtype="int64".')
    return pool(x, window, data_format, nonfinite, implementation, mask, indices)


@converter.carried
def pool(
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
        mask = masks.checked(mask, x.shape, data_format)
    shape = x.shape.as_list()
    if 0 in shape:
        results = shapes.without_elements(x, output_shape(shape, window, data_format), indices)
        if results is not None:
            return results
    static_shape = output_shape(shape, window, data_format) if None in shape else None
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
        seen = masks.pooled(mask, window, repeat)
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
    sizes = layout.spatial(shapes.sizes(x), data_format)
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
    sizes = layout.spatial(x.shape.as_list(), data_format)
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


def output_shape(
    shape: Sequence[int | None], window: Window, data_format: str
) -> tuple[int | None, ...]:
    """The shape that pooling gives for inputs of `shape`, None where unknown; a ValueError where no window fits."""
    return _output_shape(tuple(shape), window, data_format)


# Asked at every eager call.
@lru_cache(maxsize=1024)
def _output_shape(
    shape: tuple[int | None, ...], window: Window, data_format: str
) -> tuple[int | None, ...]:
    channels = shape[-1 if data_format == "channels_last" else 1]
    sizes = layout.spatial(shape, data_format)
    pooled = window.output_sizes(sizes, data_format, channels)
    result = layout.with_spatial(shape, data_format, pooled)
    arguments.countable(result, f"`padding` {window.padding!r} makes", "Write less of it.")
    return result
