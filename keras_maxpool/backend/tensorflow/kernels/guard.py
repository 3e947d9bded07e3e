"""Keeps inputs without elements away from operations that end the process, or fail, on them."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


def guarded(
    formula: Callable[[tf.Tensor], Any], least: Sequence[int], shape: tf.TensorShape
) -> Callable[[tf.Tensor], Any]:
    """`formula`, which only ever gets at least so many elements an axis; an axis that has fewer gives none.

    It is `formula` itself where the static `shape` of its argument leaves no doubt.
    """
    if None not in shape and 0 not in shape:
        return formula

    def function(x: tf.Tensor) -> Any:
        # Both the pad and the slice hand their input on without a copy where nothing is missing.
        missing = tf.maximum(tf.constant(least) - tf.shape(x), 0)
        results = formula(tf.pad(x, tf.stack([tf.zeros_like(missing), missing], axis=1)))
        return tf.nest.map_structure(
            lambda y: tf.slice(y, tf.zeros_like(missing), tf.where(missing > 0, 0, tf.shape(y))),
            results,
        )

    return function
