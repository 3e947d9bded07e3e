"""Keeps inputs without elements away from operations that end the process, or fail, on them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import tensorflow as tf


def guarded(function: Callable[[tf.Tensor], Any], x: tf.Tensor, least: Sequence[int]) -> Any:
    """Computes `function(x)`, which only gets at least so many elements per axis; an axis that has fewer gives none.

    Where the static shape leaves no doubt nothing is added.
    """
    if None not in x.shape and 0 not in x.shape:
        return function(x)
    # Both the pad and the slice return their input without a copy where nothing is missing.
    missing = tf.maximum(tf.constant(least) - tf.shape(x), 0)
    results = function(tf.pad(x, tf.stack([tf.zeros_like(missing), missing], axis=1)))
    return tf.nest.map_structure(partial(_without, missing), results)


def _without(missing: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    size = tf.where(missing > 0, 0, tf.shape(y))
    return tf.slice(y, tf.zeros_like(missing), size)
