"""One `tf.nn.max_pool` with the faults of its gradients mended."""

from collections.abc import Sequence
from functools import partial

import tensorflow as tf

from keras_maxpool.backend.tensorflow import context as mode
from keras_maxpool.backend.tensorflow import layout, shapes
from keras_maxpool.backend.tensorflow.gradients import (
    Formula,
    gradient_of,
    with_gradient,
    with_second_order,
)
from keras_maxpool.backend.tensorflow.kernels.guard import guarded
from keras_maxpool.geometry.layout import spatial_sizes
from keras_maxpool.geometry.window import Axis


def max_pool(
    x: tf.Tensor,
    pool: Sequence[int],
    strides: Sequence[int],
    padding: str | shapes.Pads,
    data_format: str = "channels_last",
) -> tf.Tensor:
    """`tf.nn.max_pool` over 2 or 3 spatial axes, with a gradient that is safe, fast and right.

    Mended, all seen in TensorFlow 2.21 on the CPU:
    - In graphs only a MaxPoolGrad beside its MaxPool runs in oneDNN, which alone favours the first of 3D ties and
      is ten times as fast; so the backward pass brings a MaxPool of its own, which TensorFlow merges with the
      first one where both stand in one graph.
    - oneDNN's gradient ends the process where the input or the output has no elements; where that cannot be excluded
      while tracing, its MaxPool gets a guard. Values that no tape sees stay one plain node, as exporters like it.
    - MaxPoolGradGrad writes over its own argument if both are of one shape, as "SAME" with a stride or size of 1 has
      it, a size not yet known included: second-order gradients and forward mode are those of explicit pads there,
      and windows of one element, which need no pads, are a slice.
    - Channels first only oneDNN pools, in float32 and bfloat16, with a gradient in graphs and no second one: that is
      done channels last.
    """
    if max(*pool, *strides) == 1:
        return x
    if max(pool) == 1:
        spatial = [slice(None, None, stride) for stride in strides]
        return x[
            (slice(None), *([slice(None)] if data_format == "channels_first" else []), *spatial)
        ]
    now, taped = mode.current(), mode.tape_is_active()
    untaped = now == "eager" and not taped
    if not isinstance(padding, str) and not (untaped and len(pool) == 2):
        x, padding = shapes.pad(x, padding), "VALID"

    def of_axes(sizes: Sequence[int]) -> tuple[int, ...]:
        return (1, *sizes, 1) if data_format == "channels_last" else (1, 1, *sizes)

    def operation(x: tf.Tensor, padding: str | shapes.Pads) -> tf.Tensor:
        # What tf.nn.max_pool calls; it takes 25 of an eager call's 230 microseconds to do so.
        raw, name = RAW[len(pool), data_format]
        how = {"ksize": of_axes(pool), "strides": of_axes(strides), "data_format": name}
        if isinstance(padding, str):
            return raw(input=x, padding=padding, **how)
        explicit = [0, 0, *(n for pair in padding for n in pair), 0, 0]
        return raw(input=x, padding="EXPLICIT", explicit_paddings=explicit, **how)

    plain: Formula = partial(operation, padding=padding)
    least = of_axes(pool if padding == "VALID" else [1] * len(pool))
    if now == "graph" and 0 in x.shape.as_list():
        # Refused while a graph is traced; eager mode takes it.
        plain = guarded(plain, least, x.shape)
    if not x.dtype.is_floating or now == "xla" or untaped:
        return plain(x)

    def transposed(x: tf.Tensor) -> tf.Tensor:
        y = max_pool(layout.channels_last(x, data_format), pool, strides, padding)
        return layout.restored(y, data_format)

    def padded(x: tf.Tensor) -> tf.Tensor:
        axes = [Axis(*of_axis, "same") for of_axis in zip(pool, strides, strict=True)]
        return operation(shapes.pad(x, shapes.pads(axes, shapes.sizes(x)[1:-1])), "VALID")

    keeps_shape = padding == "SAME" and all(
        stride == 1 or size in (1, None)
        for stride, size in zip(strides, spatial_sizes(x.shape, data_format), strict=True)
    )
    if now == "eager" and not keeps_shape:
        return plain(x)
    first = guarded(plain, least, x.shape)
    gradient = gradient_of(first)
    if data_format == "channels_first" or keeps_shape:
        last = data_format == "channels_last"
        further = guarded(padded, least, x.shape) if last else transposed
        if mode.has_tangent(x):
            return further(x)
        gradient = with_second_order(gradient, gradient_of(further))
    return with_gradient(first if taped else plain, gradient)(x)


RAW = {
    (2, "channels_last"): (tf.raw_ops.MaxPool, "NHWC"),
    (2, "channels_first"): (tf.raw_ops.MaxPool, "NCHW"),
    (3, "channels_last"): (tf.raw_ops.MaxPool3D, "NDHWC"),
    (3, "channels_first"): (tf.raw_ops.MaxPool3D, "NCDHW"),
}
