"""One `tf.nn.max_pool` that never aborts the process."""

from collections.abc import Sequence

import tensorflow as tf

from keras_maxpool.ops import mode
from keras_maxpool.ops.gradients import gradient_of, with_gradient


def max_pool(x: tf.Tensor, pool: Sequence[int], strides: Sequence[int], padding: str) -> tf.Tensor:
    """`tf.nn.max_pool` over (batch, *2 or 3 spatial, channels), safe for inputs without elements.

    In graph mode oneDNN's gradient kernel ends the process on an empty input (TensorFlow 2.21). Where emptiness cannot
    be excluded while tracing, a differentiated pool gets a guard around it, and any other stays one plain
    MaxPool node, as exporters like it, that brings the guarded one up only if its gradient is asked for after all.
    """

    # The functions for one rank skip what tf.nn.max_pool does to find it, 7 microseconds of an eager call's 128.
    operation = tf.nn.max_pool2d if len(pool) == 2 else tf.nn.max_pool3d

    def plain(x: tf.Tensor) -> tf.Tensor:
        return operation(x, pool, strides, padding)

    def guarded(x: tf.Tensor) -> tf.Tensor:
        # Both the pad and the slice hand their input on without a copy where nothing is empty.
        shape = tf.shape(x)
        empty = tf.equal(shape, 0)
        one_if_empty = tf.cast(empty, tf.int32)
        y = plain(tf.pad(x, tf.stack([tf.zeros_like(one_if_empty), one_if_empty], axis=1)))
        return tf.slice(y, tf.zeros_like(shape), tf.where(empty, 0, tf.shape(y)))

    if not x.dtype.is_floating or x.shape.is_fully_defined() or mode.current() != "graph":
        return plain(x)
    if mode.tape_is_active():
        return guarded(x)
    return with_gradient(plain, gradient_of(guarded))(x)
