"""Shapes as lists whose entries are ints where known and scalar tensors where not."""

from collections.abc import Sequence
from math import inf, prod
from typing import Any

import tensorflow as tf

Size = Any
"""An int, or a scalar int32 tensor where the size is unknown while tracing."""


def sizes(x: tf.Tensor) -> list[Size]:
    """The sizes of `x`, static wherever they can be."""
    static = x.shape.as_list()
    if None not in static:
        return static
    dynamic = tf.shape(x)
    return [dynamic[i] if size is None else size for i, size in enumerate(static)]


def product(factors: Sequence[Size]) -> Size:
    """The product, static if every factor is."""
    return prod(factors)


def maximum(a: Size, b: Size) -> Size:
    """The larger of two sizes, static if both are."""
    return max(a, b) if isinstance(a, int) and isinstance(b, int) else tf.maximum(a, b)


def pad(x: tf.Tensor, pads: Sequence[tuple[Size, Size]]) -> tf.Tensor:
    """`x` (batch, *spatial, channels) padded with what never wins a maximum: -inf, or an integer type's smallest."""
    if all(isinstance(n, int) and n == 0 for pair in pads for n in pair):
        return x
    lowest = tf.constant(-inf if x.dtype.is_floating else x.dtype.min, x.dtype)
    # Not tf.pad's own constant, which tf.vectorized_map drops (TensorFlow 2.21). Adding -0.0 changes no bit.
    nothing = tf.fill(sizes(x)[1:-1], tf.constant(-0.0 if x.dtype.is_floating else 0, x.dtype))
    bias = tf.pad(nothing, pads, constant_values=lowest)
    return tf.pad(x, [(0, 0), *pads, (0, 0)]) + bias[..., None]
