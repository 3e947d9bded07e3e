"""Finds out what the running TensorFlow computes in oneDNN, by pooling a few zeros in a graph."""

from functools import cache

import tensorflow as tf


@cache
def favours_first_in_3d(dtype: str) -> bool:
    """Returns whether MaxPool3D's gradient goes to a tie's first element alone in a graph: only oneDNN does so."""
    return _gradient_of_a_tie(dtype, "NDHWC") == 1.0


@cache
def takes_channels_first(dtype: str, rank: int) -> bool:
    """Returns whether graphs pool channels-first tensors of 2 or 3 spatial axes, with gradients: only oneDNN does."""
    try:
        return _gradient_of_a_tie(dtype, "NCHW" if rank == 2 else "NCDHW") == 1.0
    except (tf.errors.OpError, TypeError):
        return False


def _gradient_of_a_tie(dtype: str, data_format: str) -> float:
    """Computes the sum of the gradient that a window of zeros gets, for an upstream gradient of 1."""
    rank = len(data_format) - 2
    window = [1 if letter in "NC" else 2 for letter in data_format]
    options = {"ksize": window, "strides": window, "padding": "VALID", "data_format": data_format}
    if rank == 2:
        pool, grad = tf.raw_ops.MaxPool, tf.raw_ops.MaxPoolGrad
    else:
        pool, grad = tf.raw_ops.MaxPool3D, tf.raw_ops.MaxPool3DGrad

    def gradient(x: tf.Tensor) -> tf.Tensor:
        # The raw gradient: a tape records nothing inside init_scope.
        y = pool(input=x, **options)
        return grad(orig_input=x, orig_output=y, grad=tf.ones_like(y), **options)

    with tf.init_scope(), tf.device("CPU:0"):
        zeros = tf.zeros(window, dtype)
        # The concrete function, as tf.function warns of functions that are traced for one call.
        in_graph = tf.function(gradient, autograph=False).get_concrete_function(zeros)
        return float(tf.reduce_sum(tf.cast(in_graph(zeros), tf.float32)))
