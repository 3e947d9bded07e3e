"""Treats NaN, infinities and unsigned integers alike in every mode, where TensorFlow's operations do not."""

import math
from collections.abc import Callable

import tensorflow as tf

from keras_maxpool.backend.tensorflow.context import Context
from keras_maxpool.backend.tensorflow.export import select
from keras_maxpool.backend.tensorflow.gradients import substitute

SIGNED = {tf.uint32: tf.int32, tf.uint64: tf.int64}
"""The unsigned dtypes that kernels do not take, with the signed ones that replace them."""


def lowest(dtype: tf.DType) -> tf.Tensor:
    """Returns the value that never wins a maximum: -inf, or an integer type's smallest value."""
    return tf.constant(-math.inf if dtype.is_floating else dtype.min, dtype)


def first_index(wins: tf.Tensor, order: tf.Tensor, beyond: tf.Tensor, axis: int) -> tf.Tensor:
    """Returns the smallest `order` along an axis among the elements that win, or `beyond` where none does.

    Not tf.argmax, which does not define which of several ties it returns, and treats NaN differently by mode.
    """
    return tf.reduce_min(tf.where(wins, order, beyond), axis)


def maximum_or_nan(x: tf.Tensor, axis: int | list[int], keepdims: bool = False) -> tf.Tensor:
    """Computes `tf.reduce_max` so that NaN propagates in every mode; XLA's own ignores NaN."""
    has_nan = tf.reduce_any(tf.math.is_nan(x), axis, keepdims)
    return tf.where(has_nan, tf.constant(math.nan, x.dtype), tf.reduce_max(x, axis, keepdims))


def signed(x: tf.Tensor) -> tf.Tensor:
    """Returns unsigned `x` as signed integers in the same order, and others as they are.

    The first bit is flipped, the others are the same.
    """
    if x.dtype not in SIGNED:
        return x
    to = SIGNED[x.dtype]
    return tf.bitwise.bitwise_xor(tf.bitcast(x, to), tf.constant(to.min, to))


def unsigned(x: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns `x` as integers of the unsigned `dtype`: the inverse of `signed`."""
    return tf.bitcast(tf.bitwise.bitwise_xor(x, tf.constant(x.dtype.min, x.dtype)), dtype)


def ieee(
    pool: Callable[[tf.Tensor], tf.Tensor],
    x: tf.Tensor,
    visible: tf.Tensor | None,
    context: Context,
) -> tf.Tensor:
    """Computes `pool(x)` by IEEE 754: NaN propagates, -inf stays, gradients go to the first NaN or element.

    Kernels agree on finite values above the dtype's lowest. So a second pooling is of ranks: -inf has 0, the lowest
    value 1, other numbers 2, NaN 3. A window of rank 2 returns the maximum of its values. The other windows return
    the value that their rank means, and the gradient of the pooled ranks.

    `visible` is False where a mask hides an element. Its rank is -1, so that a visible -inf wins.
    """
    smallest, three = tf.constant(x.dtype.min, x.dtype), tf.constant(3, x.dtype)
    is_nan = tf.math.is_nan(x)
    rank = tf.cast(x >= smallest, x.dtype) + tf.cast(x > smallest, x.dtype)
    rank += three * tf.cast(is_nan, x.dtype)
    if visible is not None:
        rank = tf.where(visible, rank, tf.constant(-1, x.dtype))
    ranks = pool(substitute(rank, x))
    # Not a tf.where for -inf: tf2onnx turns it into a sum of products, and infinities into NaN.
    values = pool(tf.maximum(tf.where(is_nan, smallest, x), smallest))
    rare = tf.where(tf.equal(ranks, 1), smallest, tf.constant(-math.inf, x.dtype))
    rare = tf.where(tf.equal(ranks, three), tf.constant(math.nan, x.dtype), rare)
    return select(tf.equal(ranks, 2), values, substitute(rare, ranks), context)
