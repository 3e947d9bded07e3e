"""uint32 and uint64 through kernels that know only signed integers."""

import tensorflow as tf

from keras_maxpool.ops.gradients import Formula

SIGNED = {tf.uint32: tf.int32, tf.uint64: tf.int64}


def as_signed(kernel: Formula) -> Formula:
    """`kernel` over the signed integers that stand in the same order: the same bits with the first one flipped."""

    def function(x: tf.Tensor) -> tf.Tensor:
        signed = SIGNED[x.dtype]
        first_bit = tf.constant(signed.min, signed)
        y = kernel(tf.bitwise.bitwise_xor(tf.bitcast(x, signed), first_bit))
        return tf.bitcast(tf.bitwise.bitwise_xor(y, first_bit), x.dtype)

    return function
