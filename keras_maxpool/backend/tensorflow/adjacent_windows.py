"""Unpools adjacent windows without a scatter: compares each output element with the index of its only window."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from itertools import product
from math import prod

import tensorflow as tf

from keras_maxpool.backend.tensorflow import shapes
from keras_maxpool.backend.tensorflow.gather_scatter import gather
from keras_maxpool.backend.tensorflow.gradients import with_gradient
from keras_maxpool.geometry.window import Window

MAX_ELEMENTS = 16
"""The most elements of a window: each costs one more comparison with all indices."""


@dataclass(frozen=True)
class Grid:
    """The geometry of adjacent windows: one entry per axis, and the elements of a window.

    Attributes:
        pool, outputs: the size and the number of the windows.
        spatial, strides: the output's size, and how much the flat index grows per element along the axis.
        elements: the flat index of each element of a window, counted from its first one.
    """

    pool: tuple[int, ...]
    outputs: Sequence[shapes.Size]
    spatial: Sequence[shapes.Size]
    strides: Sequence[shapes.Size]
    elements: Sequence[shapes.Size]


def are_adjacent(window: Window) -> bool:
    """Returns whether the windows lie side by side from the first element on, and are small."""
    aligned = window.strides == window.pool and window.padding == "valid"
    return aligned and prod(window.pool) <= MAX_ELEMENTS


def unpool_adjacent(
    values: tf.Tensor,
    indices: tf.Tensor,
    window: Window,
    spatial: Sequence[shapes.Size],
    scattered: Callable[[tf.Tensor], tf.Tensor],
) -> tf.Tensor:
    """Computes `scattered(values)`, by comparisons if each index is in its own window, and all windows in the output.

    Of 16x56x56x64 values, 2/2: 30 ms where the scatter takes 43 in a graph, 33 and 45 eagerly, 6.5 and 11 under XLA
    (TensorFlow 2.21, two cores), the check of the indices included.
    """
    strides = [shapes.product(spatial[i + 1 :]) for i in range(window.rank)]
    offsets = product(*(range(size) for size in window.pool))
    elements = [sum(n * s for n, s in zip(along, strides, strict=True)) for along in offsets]
    grid = Grid(window.pool, shapes.sizes(values)[1:-1], spatial, strides, elements)
    return with_gradient(
        partial(_unpooled, grid, scattered, indices, _offsets(indices, grid)),
        lambda _, upstream, context: gather(upstream, indices, context),
        values,
    )


def _offsets(indices: tf.Tensor, grid: Grid) -> tf.Tensor:
    """Returns each index counted from its window's first element, in 32 bits."""
    corner = tf.zeros([], indices.dtype)
    for count, pool, stride in zip(grid.outputs, grid.pool, grid.strides, strict=True):
        along = tf.range(count, dtype=indices.dtype) * tf.cast(pool * stride, indices.dtype)
        corner = (tf.expand_dims(corner, -1) if corner.shape.rank else corner) + along
    # Offsets outside the window are clipped: they only have to differ from those inside.
    end = tf.cast(grid.elements[-1] + 1, indices.dtype)
    offsets = indices - tf.expand_dims(corner, -1)
    return tf.cast(tf.clip_by_value(offsets, tf.constant(-1, indices.dtype), end), tf.int32)


def _unpooled(
    grid: Grid,
    scattered: Callable[[tf.Tensor], tf.Tensor],
    indices: tf.Tensor,
    offsets: tf.Tensor,
    values: tf.Tensor,
) -> tf.Tensor:
    no_index = tf.equal(indices, tf.constant(-1, indices.dtype))
    in_window = reduce(tf.logical_or, (tf.equal(offsets, n) for n in grid.elements), no_index)
    fits = tf.reduce_all(in_window)
    for count, pool, size in zip(grid.outputs, grid.pool, grid.spatial, strict=True):
        fits &= count * pool <= size
    return tf.cond(fits, lambda: _selected(values, offsets, grid), lambda: scattered(values))


def _selected(values: tf.Tensor, offsets: tf.Tensor, grid: Grid) -> tf.Tensor:
    """Returns the output, given that each index is in its own window."""
    zero = tf.zeros([], values.dtype)
    parts = [tf.where(tf.equal(offsets, n), values, zero) for n in grid.elements]
    for i in range(len(grid.pool), 0, -1):
        # Stack the neighbours along the axis, then merge the two axes.
        pool = grid.pool[i - 1]
        stacks = [tf.stack(parts[j : j + pool], i + 1) for j in range(0, len(parts), pool)]
        full = shapes.sizes(stacks[0])
        merged = [*full[:i], full[i] * pool, *full[i + 2 :]]
        parts = [tf.reshape(stack, merged) for stack in stacks]
    ends = [
        (0, shapes.maximum(size - count * pool, 0))
        for size, count, pool in zip(grid.spatial, grid.outputs, grid.pool, strict=True)
    ]
    filled = tf.pad(parts[0], [(0, 0), *ends, (0, 0)])
    # XLA compiles this branch even if windows exceed the output, and both branches must have one shape.
    return tf.slice(filled, [0] * filled.shape.rank, [-1, *grid.spatial, -1])
