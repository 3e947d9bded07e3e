"""Maxima of windows, axis by axis, as maxima of shifted views: slices that each hold one element of every window."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from keras_maxpool.geometry.views import Views, split_into_steps, views_of_window
from keras_maxpool.geometry.window import Axis, Window

AT_ONCE, MAX_VIEWS = 4, 64
"""A window of no more than AT_ONCE strides, and MAX_VIEWS elements, is pooled in one step."""


@dataclass(frozen=True)
class Step:
    """One step along an axis of a tensor: `outputs` windows, each the maximum of its `views`.

    `first` is the first view with a real element, for each window; the number of views where all are padding; None
    where it is 0 everywhere.
    """

    axis: int
    views: Views
    outputs: int
    first: tuple[int, ...] | None

    def of(self, x: jax.Array) -> Iterator[jax.Array]:
        """Yields the views of `x`."""
        start, limit, strides = [0] * x.ndim, list(x.shape), [1] * x.ndim
        strides[self.axis] = self.views.stride
        for displacement in self.views.displacements:
            start[self.axis] = displacement
            limit[self.axis] = displacement + (self.outputs - 1) * self.views.stride + 1
            yield lax.slice(x, start, limit, strides)

    def along(self, values: Any, ndim: int) -> Any:
        """Returns a vector, shaped to broadcast along the axis of a tensor of `ndim` axes."""
        return np.reshape(values, [-1 if axis == self.axis else 1 for axis in range(ndim)])


@dataclass(frozen=True)
class Pooling:
    """How a window pools a tensor: the pads of each of its axes, then the steps, the last axis first."""

    pads: tuple[tuple[int, int], ...]
    steps: tuple[Step, ...]

    def pad(self, x: jax.Array, value: Any) -> jax.Array:
        """Returns `x` with `value` around it; elements behind the last window are cut off."""
        # Not by lax.pad, which jax2onnx 0.17 does not export for a batch of unknown size.
        pads = [(before, max(after, 0)) for before, after in self.pads]
        if any(map(any, pads)):
            x = jnp.pad(x, pads, constant_values=value)
        return x[tuple([slice(min(after, 0) or None) for _, after in self.pads])]


@lru_cache(maxsize=1024)
def plan(window: Window, sizes: tuple[int, ...], first_axis: int, ndim: int) -> Pooling:
    """Returns how to pool a tensor of `ndim` axes, whose spatial axes start at `first_axis` and have these sizes."""
    pads, steps = [(0, 0)] * ndim, list[Step]()
    for number in reversed(range(window.rank)):
        axis, size = window.axes[number], sizes[number]
        before, _ = axis.pads(size)
        # The last window's end decides how much is padded, or cut off.
        reach = (axis.output_size(size) - 1) * axis.stride + axis.length
        pads[first_axis + number] = (before, reach - size - before)
        steps += _steps(axis, first_axis + number, np.arange(reach) - before, size)
    return Pooling(tuple(pads), tuple(steps))


def _steps(axis: Axis, number: int, elements: np.ndarray, size: int) -> Iterator[Step]:
    real: Any = (elements >= 0) & (elements < size)
    # Steps before the last compute a maximum at every element, which long strides mostly skip.
    at_once = axis.pool <= min(AT_ONCE * axis.stride, MAX_VIEWS)
    for views in [views_of_window(axis)] if at_once else split_into_steps(axis):
        outputs = (len(real) - views.reach) // views.stride + 1
        starts = np.arange(outputs) * views.stride
        seen = np.stack([real[starts + displacement] for displacement in views.displacements])
        real = seen.any(0)
        first = np.where(real, seen.argmax(0), len(views.displacements))
        yield Step(number, views, outputs, tuple(first.tolist()) if first.any() else None)


def maxima(x: jax.Array, pooling: Pooling, lowest: Any) -> jax.Array:
    """Returns the maximum of each window; NaN if it has one, `lowest` if it has nothing but padding."""
    x = pooling.pad(x, lowest)
    larger = jnp.logical_or if x.dtype == bool else jnp.maximum
    for step in pooling.steps:
        first, *others = step.of(x)
        for view in others:
            first = larger(first, view)
        x = first
    return x


def window_maxima(x: jax.Array, pooling: Pooling, lowest: Any) -> jax.Array:
    """Computes `maxima` of a pooling of one step, by XLA's own operation, which is as fast on one axis alone."""
    (step,) = pooling.steps
    first, *others = step.views.displacements
    size, stride, dilation = ([1] * x.ndim for _ in range(3))
    size[step.axis], stride[step.axis] = 1 + len(others), step.views.stride
    dilation[step.axis] = others[0] - first if others else 1
    # It leaves out by itself what is behind the last window.
    pads = [(before, max(after, 0)) for before, after in pooling.pads]
    options = {"padding": pads, "window_dilation": dilation}
    lowest = np.array(lowest, x.dtype)
    return lax.reduce_window(x, lowest, lax.max, size, stride, **options)


def first_maxima(
    x: jax.Array, visible: jax.Array | None, pooling: Pooling, lowest: Any
) -> tuple[jax.Array, list[jax.Array]]:
    """Returns the maxima, and for each step the number of the view that has the first one, in row-major order.

    It is the number of views where the window has no real element, or no visible one.
    """
    x, winners = pooling.pad(x, lowest), []
    if visible is not None:
        visible = pooling.pad(visible, False)
    for step in pooling.steps:
        first, *others = step.of(x)
        count = 1 + len(others)
        if visible is not None:
            seen = list(step.of(visible))
            visible = seen[0]
            winner = jnp.where(visible, 0, count).astype(jnp.int8)
        else:
            winner = jnp.zeros(first.shape, jnp.int8)
        for number, view in enumerate(others, 1):
            # NaN wins over numbers, and the first NaN over others.
            wins = ~(view <= first) & (first == first)
            if visible is not None:
                wins = seen[number] & (wins | ~visible)
                visible = visible | seen[number]
            first = jnp.where(wins, view, first)
            winner = jnp.where(wins, jnp.int8(number), winner)
        if step.first is not None:
            # Padding wins only against elements that all equal it; then the first real one is the maximum.
            table = step.along(np.array(step.first, np.int8), x.ndim)
            winner = jnp.maximum(winner, table)
        x = first
        winners.append(jnp.broadcast_to(winner, first.shape))
    return x, winners


def selected(x: jax.Array, winners: Sequence[jax.Array], pooling: Pooling, none: Any) -> jax.Array:
    """Returns the elements of `x` at the `winners`, and `none` where there is no winner. It is linear if that is 0."""
    x = pooling.pad(x, none)
    for step, winner in zip(pooling.steps, winners, strict=True):
        y = jnp.full_like(winner, none, dtype=x.dtype)
        for number, view in enumerate(step.of(x)):
            y = jnp.where(winner == number, view, y)
        x = y
    return x


def spread(
    y: jax.Array, winners: Sequence[jax.Array], pooling: Pooling, shape: Sequence[int]
) -> jax.Array:
    """Returns zeros of `shape` to which each window's `y` is added at its winner: the transpose of `selected`.

    Sums of 16-bit floats are rounded once.
    """
    if winners:
        winners = lax.platform_dependent(*winners, cpu=_computed_once, default=lambda *w: list(w))
    dtype = y.dtype
    x = y.astype(jnp.float32) if dtype.itemsize < 4 else y
    padded = [n + sum(pads) for n, pads in zip(shape, pooling.pads, strict=True)]
    # What each step pooled: the sizes of later steps' axes are those of the input.
    inputs, lengths = [], list(padded)
    for step in pooling.steps:
        inputs.append(lengths[step.axis])
        lengths[step.axis] = step.outputs
    for step, winner, length in reversed(list(zip(pooling.steps, winners, inputs, strict=True))):
        x = _spread_step(x, winner, step, length)
    x = lax.pad(x, jnp.zeros([], x.dtype), [(-before, -after, 0) for before, after in pooling.pads])
    return x.astype(dtype)


def _computed_once(*winners: jax.Array) -> list[jax.Array]:
    """Returns the winners from a condition that always holds, none being negative, which XLA does not see through.

    Otherwise it computes them again wherever `spread` uses one: 8x7625x32 7/2 took 151 ms in place of 2.7 on two cores,
    and 1x104x104x32 9/9 3.9 in place of 0.6. A GPU would wait for the condition.
    """
    always = winners[0][(0,) * winners[0].ndim] >= 0
    return lax.cond(always, lambda *w: list(w), lambda *w: [0 * winner for winner in w], *winners)


def _spread_step(y: jax.Array, winner: jax.Array, step: Step, length: int) -> jax.Array:
    """Returns the sums, at each of `length` positions, over the windows that may cover it.

    Position p is number p % stride of block p // stride, and the window `lag` back from it starts at block
    p // stride - lag.
    """
    axis, views = step.axis, step.views
    blocks = -(-length // views.stride)
    total: Any = None
    for lag in views.lags:
        table = np.array(views.views_at(lag), np.int8)
        table = np.pad(table, (0, views.stride - len(table)), constant_values=-1)
        shape = [1] * (y.ndim + 1)
        shape[axis + 1] = views.stride
        # An extra axis for the positions of a block; -2 is no view, and not what the table has for none.
        upstream, at = (
            jnp.expand_dims(_moved(t, axis, lag, blocks, fill), axis + 1)
            for t, fill in ((y, 0), (winner, -2))
        )
        term = jnp.where(at == table.reshape(shape), upstream, 0)
        total = term if total is None else total + term
    x = lax.reshape(total, [*y.shape[:axis], blocks * views.stride, *y.shape[axis + 1 :]])
    return lax.slice_in_dim(x, 0, length, axis=axis)


def _moved(x: jax.Array, axis: int, lag: int, length: int, fill: int) -> jax.Array:
    """Returns `x` moved `lag` towards the end of an axis, which is padded or cut to `length`."""
    pads = [(0, 0, 0)] * x.ndim
    pads[axis] = (lag, length - lag - x.shape[axis], 0)
    return lax.pad(x, jnp.asarray(fill, x.dtype), pads)
