"""`tf.where` that survives its export to ONNX."""

import math

import tensorflow as tf

from keras_maxpool.backend.tensorflow import export as converter


def select(condition: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """`tf.where(condition, x, y)` for floats of which those that are not chosen may be infinite or NaN.

    tf2onnx (1.17) makes of a tf.where the sum of its arguments' products with 0 and 1, unless it asks for NaN.
    """
    if not x.dtype.is_floating or converter.current() == "LiteRT":
        return tf.where(condition, x, y)
    mark = tf.where(condition, tf.constant(math.nan, x.dtype), tf.zeros([], x.dtype))
    return tf.where(tf.math.is_nan(mark), x, y)
