"""Floats of 16 bits as float32, which holds them all."""

import tensorflow as tf


def widened(x: tf.Tensor) -> tf.Tensor:
    """`x`, of 16 bits, in float32, as it was rounded; without a gradient for bfloat16.

    Not by a cast where XLA may see it: it drops a rounding to bfloat16 that is cast back, and with it the ties that
    rounding makes (seen in TensorFlow 2.16).
    """
    if x.dtype != tf.bfloat16:
        return tf.cast(x, tf.float32)
    # A bfloat16 is the upper half of a float32.
    bits = tf.cast(tf.bitcast(x, tf.uint16), tf.uint32)
    return tf.bitcast(tf.bitwise.left_shift(bits, tf.constant(16, tf.uint32)), tf.float32)
