"""One `tf.nn.max_pool` with the faults of its gradients mended."""

from collections.abc import Sequence
from functools import partial

import tensorflow as tf

from keras_maxpool.ops import mode, shapes
from keras_maxpool.ops.gradients import gradient_of, with_gradient, with_second_order
from keras_maxpool.ops.kernels.guard import guarded
from keras_maxpool.window import Axis


def max_pool(x: tf.Tensor, pool: Sequence[int], strides: Sequence[int], padding: str) -> tf.Tensor:
    """`tf.nn.max_pool` over (batch, *2 or 3 spatial, channels), with a gradient that is safe, fast and right.

    Mended, all seen in TensorFlow 2.21 on the CPU:
    - In graphs only a MaxPoolGrad beside its MaxPool runs in oneDNN, which alone favours the first of 3D ties and
      is ten times as fast; so the backward pass brings a MaxPool of its own, which TensorFlow merges with the
      first one where both stand in one graph.
    - oneDNN's gradient ends the process where the input or the output has no elements; where that cannot be excluded
      while tracing, its MaxPool gets a guard. Values that no tape sees stay one plain node, as exporters like it.
    - MaxPoolGradGrad writes over its own argument if both are of one shape, as "SAME" with a stride or size of 1 has
      it: second-order gradients and forward mode are those of explicit pads there.
    """
    if max(*pool, *strides) == 1:
        return x
    # What tf.nn.max_pool calls; it takes 25 of an eager call's 230 microseconds to do so.
    raw = tf.raw_ops.MaxPool if len(pool) == 2 else tf.raw_ops.MaxPool3D

    def operation(x: tf.Tensor, padding: str) -> tf.Tensor:
        return raw(input=x, ksize=(1, *pool, 1), strides=(1, *strides, 1), padding=padding)

    plain = partial(operation, padding=padding)
    now, taped = mode.current(), mode.tape_is_active()
    if not x.dtype.is_floating or now == "xla" or (now == "eager" and not taped):
        return plain(x)

    def padded(x: tf.Tensor) -> tf.Tensor:
        axes = [Axis(*of_axis, "same") for of_axis in zip(pool, strides, strict=True)]
        return operation(shapes.pad(x, shapes.pads(axes, shapes.sizes(x)[1:-1])), "VALID")

    keeps_shape = padding == "SAME" and all(
        stride == 1 or size == 1 for stride, size in zip(strides, x.shape[1:-1], strict=True)
    )
    if now == "eager" and not keeps_shape:
        return plain(x)
    least = [1, *(pool if padding == "VALID" else [1] * len(pool)), 1]
    first = guarded(plain, least, x.shape)
    if not keeps_shape:
        return with_gradient(first if taped else plain, gradient_of(first))(x)
    further = guarded(padded, least, x.shape)
    if mode.has_tangent(x):
        return further(x)
    gradient = with_second_order(gradient_of(first), gradient_of(further))
    return with_gradient(first if taped else plain, gradient)(x)
