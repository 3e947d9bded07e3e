"""One `tf.nn.max_pool` with the faults of its gradients mended."""

from collections.abc import Sequence

import tensorflow as tf

from keras_maxpool.ops import mode, shapes
from keras_maxpool.ops.gradients import gradient_of, with_gradient
from keras_maxpool.window import Axis


def max_pool(x: tf.Tensor, pool: Sequence[int], strides: Sequence[int], padding: str) -> tf.Tensor:
    """`tf.nn.max_pool` over (batch, *2 or 3 spatial, channels), with a gradient that is safe, fast and right.

    Mended, all seen in TensorFlow 2.21 on the CPU:
    - In graphs only a MaxPoolGrad beside its MaxPool runs in oneDNN, which alone favours the first of 3D ties and
      is ten times as fast; so the backward pass brings a MaxPool of its own, which TensorFlow merges with the
      first one where both stand in one graph.
    - oneDNN's gradient ends the process on an input without elements; where that cannot be excluded while tracing, its
      MaxPool gets a guard. Values that no tape sees stay one plain node, as exporters like it.
    - MaxPoolGradGrad writes over its own argument if both are of one shape, as "SAME" with a stride or size of 1 has
      it: what is to be differentiated gets explicit pads there.
    """
    if all(n == 1 for n in (*pool, *strides)):
        return x
    # The functions for one rank skip what tf.nn.max_pool does to find it, 7 microseconds of an eager call's 128.
    operation = tf.nn.max_pool2d if len(pool) == 2 else tf.nn.max_pool3d

    def plain(x: tf.Tensor) -> tf.Tensor:
        return operation(x, pool, strides, padding)

    def differentiable(x: tf.Tensor) -> tf.Tensor:
        keeps_shape = (
            stride == 1 or n == 1 for stride, n in zip(strides, x.shape[1:-1], strict=True)
        )
        if padding == "VALID" or not all(keeps_shape):
            return plain(x)
        axes = (Axis(*of_axis, "same") for of_axis in zip(pool, strides, strict=True))
        sizes = shapes.sizes(x)[1:-1]
        pads = [axis.pads(size, shapes.maximum) for axis, size in zip(axes, sizes, strict=True)]
        return operation(shapes.pad(x, pads), pool, strides, "VALID")

    def guarded(x: tf.Tensor) -> tf.Tensor:
        # Both the pad and the slice hand their input on without a copy where nothing is empty.
        shape = tf.shape(x)
        empty = tf.equal(shape, 0)
        one_if_empty = tf.cast(empty, tf.int32)
        y = differentiable(tf.pad(x, tf.stack([tf.zeros_like(one_if_empty), one_if_empty], axis=1)))
        return tf.slice(y, tf.zeros_like(shape), tf.where(empty, 0, tf.shape(y)))

    now, taped = mode.current(), mode.tape_is_active()
    if not x.dtype.is_floating or now == "xla" or (now == "eager" and not taped):
        return plain(x)
    if now == "eager":
        return differentiable(x)
    backward = differentiable if x.shape.is_fully_defined() else guarded
    return with_gradient(backward if taped else plain, gradient_of(backward))(x)
