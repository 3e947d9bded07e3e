"""Numbers that TensorFlow's operations treat differently by mode or not at all: NaN, infinities, unsigned integers."""

import math
from collections.abc import Callable

import tensorflow as tf

from keras_maxpool.backend.tensorflow.context import Context
from keras_maxpool.backend.tensorflow.export import select
from keras_maxpool.backend.tensorflow.gradients import substitute

SIGNED = {tf.uint32: tf.int32, tf.uint64: tf.int64}
"""The dtypes that kernels do not know, and those that stand for them."""


def lowest(dtype: tf.DType) -> tf.Tensor:
    """Returns what never wins a maximum: -inf, or an integer type's smallest value."""
    return tf.constant(-math.inf if dtype.is_floating else dtype.min, dtype)


def first_index(wins: tf.Tensor, order: tf.Tensor, beyond: tf.Tensor, axis: int) -> tf.Tensor:
    """Returns the least `order` along an axis of those that win, or `beyond` where none does.

    Not tf.argmax, which promises nothing of ties, and whose NaN depends on the mode.
    """
    return tf.reduce_min(tf.where(wins, order, beyond), axis)


def maximum_or_nan(x: tf.Tensor, axis: int | list[int], keepdims: bool = False) -> tf.Tensor:
    """Computes `tf.reduce_max`, and NaN where there is one, which XLA's own ignores."""
    has_nan = tf.reduce_any(tf.math.is_nan(x), axis, keepdims)
    return tf.where(has_nan, tf.constant(math.nan, x.dtype), tf.reduce_max(x, axis, keepdims))


def signed(x: tf.Tensor) -> tf.Tensor:
    """Returns unsigned `x` as signed integers in the same order, and others as they are.

    The bits are the same but for the first one, which is flipped.
    """
    if x.dtype not in SIGNED:
        return x
    to = SIGNED[x.dtype]
    return tf.bitwise.bitwise_xor(tf.bitcast(x, to), tf.constant(to.min, to))


def unsigned(x: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns the integers of unsigned `dtype` that `signed` has made `x` of."""
    return tf.bitcast(tf.bitwise.bitwise_xor(x, tf.constant(x.dtype.min, x.dtype)), dtype)


def ieee(
    pool: Callable[[tf.Tensor], tf.Tensor],
    x: tf.Tensor,
    visible: tf.Tensor | None,
    context: Context,
) -> tf.Tensor:
    """Computes `pool(x)` as IEEE 754 has it: NaN propagates, -inf stays, gradients go to the first NaN or element.

    Kernels agree on finite values above the dtype's lowest. So every element gets a rank that is such a value, -inf 0,
    lowest 1, others 2, NaN 3; the pooled ranks say what kind of window each is, and have the gradient of all but the
    ordinary kind, whose values are pooled as ever.

    `visible` is False where a mask hides an element, which then has the rank -1: a -inf beside it wins.
    """
    smallest, three = tf.constant(x.dtype.min, x.dtype), tf.constant(3, x.dtype)
    is_nan = tf.math.is_nan(x)
    rank = tf.cast(x >= smallest, x.dtype) + tf.cast(x > smallest, x.dtype)
    rank += three * tf.cast(is_nan, x.dtype)
    if visible is not None:
        rank = tf.where(visible, rank, tf.constant(-1, x.dtype))
    ranks = pool(substitute(rank, x))
    # Not one tf.where, of which tf2onnx makes sums of products, and so NaN of infinities.
    values = pool(tf.maximum(tf.where(is_nan, smallest, x), smallest))
    rare = tf.where(tf.equal(ranks, 1), smallest, tf.constant(-math.inf, x.dtype))
    rare = tf.where(tf.equal(ranks, three), tf.constant(math.nan, x.dtype), rare)
    return select(tf.equal(ranks, 2), values, substitute(rare, ranks), context)
