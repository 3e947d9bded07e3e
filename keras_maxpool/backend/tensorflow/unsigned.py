"""uint32 and uint64 through kernels that know only signed integers."""

import tensorflow as tf

from keras_maxpool.backend.tensorflow.gradients import Formula

SIGNED = {tf.uint32: tf.int32, tf.uint64: tf.int64}


def signed(x: tf.Tensor) -> tf.Tensor:
    """`x` in signed integers that stand in the same order: the same bits with the first one flipped."""
    to = SIGNED[x.dtype]
    return tf.bitwise.bitwise_xor(tf.bitcast(x, to), tf.constant(to.min, to))


def as_signed(kernel: Formula) -> Formula:
    """`kernel`, over integers that are unsigned."""

    def function(x: tf.Tensor) -> tf.Tensor:
        y = kernel(signed(x))
        return tf.bitcast(tf.bitwise.bitwise_xor(y, tf.constant(y.dtype.min, y.dtype)), x.dtype)

    return function
