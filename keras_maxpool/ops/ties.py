"""A question that only the running TensorFlow can answer: where does a graph send the gradient of a 3D tie?"""

from functools import cache

import tensorflow as tf


@cache
def graph_3d_favours_first(dtype: str) -> bool:
    """Whether MaxPool3D's gradient goes to a tie's first element alone in a graph: only oneDNN does so."""

    @tf.function
    def gradient(x: tf.Tensor) -> tf.Tensor:
        # The raw gradient: a tape records nothing inside init_scope.
        how = {"ksize": [1, 2, 2, 2, 1], "strides": [1, 2, 2, 2, 1], "padding": "VALID"}
        y = tf.raw_ops.MaxPool3D(input=x, **how)
        return tf.raw_ops.MaxPool3DGrad(orig_input=x, orig_output=y, grad=tf.ones_like(y), **how)

    with tf.init_scope(), tf.device("CPU:0"):
        return float(tf.reduce_sum(gradient(tf.zeros([1, 2, 2, 2, 1], dtype)))) == 1.0
