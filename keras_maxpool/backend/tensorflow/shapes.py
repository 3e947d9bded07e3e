"""Shapes as lists whose entries are ints where known and scalar tensors where not."""

from collections.abc import Sequence
from math import prod
from typing import Any

import tensorflow as tf

Size = Any
"""An int, or a scalar integer tensor where the size is unknown while tracing."""

MAX_STATIC = 2**24
"""The longest axis whose tables are computed while tracing: a graph cannot hold a constant of 2 GiB."""


def shape(x: tf.Tensor) -> tuple[int | None, ...] | None:
    """Returns the static shape, None where unknown."""
    return None if x.shape.rank is None else tuple(x.shape)


def sizes(x: tf.Tensor) -> list[Size]:
    """Returns the sizes of `x`, static wherever they can be."""
    static = x.shape.as_list()
    if None not in static:
        return static
    dynamic = tf.shape(x)
    return [dynamic[i] if size is None else size for i, size in enumerate(static)]


def product(factors: Sequence[Size]) -> Size:
    """Computes the product, static if every factor is."""
    return prod(factors)


def maximum(a: Size, b: Size) -> Size:
    """Returns the larger of two sizes, static if both are."""
    return max(a, b) if isinstance(a, int) and isinstance(b, int) else tf.maximum(a, b)


def without_elements(x: tf.Tensor, shape: Sequence[int | None], indices: str | None) -> Any:
    """Returns `x` in another shape if both are known to have no elements, and indices of that dtype if one is given.

    There is nothing to pool, but the result must stay differentiable by `x`. Returns None if there may be elements.
    """
    if 0 not in x.shape.as_list() or 0 not in shape or None in shape:
        return None
    y = tf.reshape(x, shape)
    return y if indices is None else (y, tf.zeros(shape, indices))


def asserted(x: tf.Tensor, checks: Sequence[tuple[tf.Tensor, Sequence[Any]]]) -> tf.Tensor:
    """Returns `x` with checks for when the graph runs: a condition that does not hold raises its message."""
    with tf.control_dependencies([tf.debugging.Assert(*check) for check in checks]):
        return tf.identity(x)
