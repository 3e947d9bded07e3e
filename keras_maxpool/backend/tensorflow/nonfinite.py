"""IEEE 754 maxima over any kernel: NaN propagates, -inf stays, gradients go to the first NaN or the first element."""

import math

import tensorflow as tf

from keras_maxpool.backend.tensorflow.gradients import Formula, substitute
from keras_maxpool.backend.tensorflow.select import select


def ieee(kernel: Formula, seen: tf.Tensor | None = None) -> Formula:
    """`kernel`, exact for infinities and NaN where TensorFlow's own answer depends on the mode.

    Kernels agree on finite values above the dtype's lowest. So every element gets a rank that is such a value, -inf 0,
    lowest 1, others 2, NaN 3; the pooled ranks say what kind of window each is, and carry the
    gradient of all but the ordinary kind, whose values are pooled as ever.

    `seen` is False where a mask hides an element, which then has the rank -1: a -inf beside it wins.
    """

    def function(x: tf.Tensor) -> tf.Tensor:
        def is_true(condition: tf.Tensor) -> tf.Tensor:
            return tf.cast(condition, x.dtype)

        lowest, three = tf.constant(x.dtype.min, x.dtype), tf.constant(3, x.dtype)
        rank = is_true(x >= lowest) + is_true(x > lowest) + three * is_true(tf.math.is_nan(x))
        if seen is not None:
            rank = tf.where(seen, rank, tf.constant(-1, x.dtype))
        ranks = kernel(substitute(rank, x))
        # Not one tf.where, of which tf2onnx makes sums of products, and so NaN of infinities.
        values = kernel(tf.maximum(tf.where(tf.math.is_nan(x), lowest, x), lowest))
        rare = tf.where(ranks == 1, lowest, tf.constant(-math.inf, x.dtype))
        rare = tf.where(ranks == three, tf.constant(math.nan, x.dtype), rare)
        return select(ranks == 2, values, substitute(rare, ranks))

    return function
