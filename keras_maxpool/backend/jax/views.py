"""Maxima of windows, axis by axis, as maxima of shifted views: slices that each hold one element of every window."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from keras_maxpool.backend.jax.steps import Halving, Step
from keras_maxpool.geometry import checks
from keras_maxpool.geometry.views import split_into_steps, views_of_window
from keras_maxpool.geometry.window import Window

AT_ONCE, AT_ONCE_IN_1D, MAX_VIEWS = 4, 8, 64
"""A window of no more than so many strides, and MAX_VIEWS elements, is pooled in one step."""
FEW, LARGE = 8, 2**25
"""Channels, and bytes, that decide how padded tensors are pooled."""


@dataclass(frozen=True)
class Pooling:
    """How a window pools a tensor: the pads of each of its axes, then the steps, the last axis first."""

    pads: tuple[tuple[int, int], ...]
    steps: tuple[Step | Halving, ...]

    def pad(self, x: jax.Array, value: Any) -> jax.Array:
        """Returns `x` with `value` around it."""
        # Not by lax.pad, which jax2onnx 0.17 does not export for a batch of unknown size.
        return jnp.pad(x, self.pads, constant_values=value) if any(map(any, self.pads)) else x


@lru_cache(maxsize=1024)
def plan(window: Window, sizes: tuple[int, ...], first_axis: int, ndim: int) -> Pooling:
    """Returns how to pool a tensor of `ndim` axes, whose spatial axes start at `first_axis` and have these sizes."""
    pads, steps = [(0, 0)] * ndim, list[Step | Halving]()
    for number in reversed(range(window.rank)):
        axis, size = window.axes[number], sizes[number]
        before, _ = axis.pads(size)
        # The last window's end decides how much is padded. What is behind it stays, as a copy would take long.
        reach = (axis.output_size(size) - 1) * axis.stride + axis.length
        pads[first_axis + number] = (before, max(reach - size - before, 0))
        steps += _steps(window, number, first_axis, np.arange(reach) - before, size)
    twos = (2,) * window.rank
    halves = window.pool == window.strides == twos and not window.dilated
    if window.rank > 1 and halves and not any(map(any, pads)):
        steps = [Halving(first_axis, window.rank)]
    return Pooling(tuple(pads), tuple(steps))


def _steps(
    window: Window, number: int, first_axis: int, elements: np.ndarray, size: int
) -> Iterator[Step]:
    axis = window.axes[number]
    real: Any = (elements >= 0) & (elements < size)
    # Steps before the last compute a maximum at every element, which long strides mostly skip. With the gradient, in 1D
    # 13/3 takes 0.6 ms at once and 3.4 in steps, 31/4 1.4 and 1.7, 51/4 2.9 and 2.1; in 2D 13/3 4.9 and 3.9.
    strides = AT_ONCE_IN_1D if window.rank == 1 and axis.stride > 1 else AT_ONCE
    at_once = axis.pool <= min(strides * axis.stride, MAX_VIEWS)
    for views in [views_of_window(axis)] if at_once else split_into_steps(axis):
        outputs = (len(real) - views.reach) // views.stride + 1
        starts = np.arange(outputs) * views.stride
        seen = np.stack([real[starts + displacement] for displacement in views.displacements])
        real = seen.any(0)
        first = np.where(real, seen.argmax(0), len(views.displacements))
        yield Step(
            first_axis + number, views, outputs, tuple(first.tolist()) if first.any() else None
        )


def maxima(x: jax.Array, pooling: Pooling, lowest: Any) -> jax.Array:
    """Returns the maximum of each window; NaN if it has one, `lowest` if it has nothing but padding."""
    # Of a `Halving` there are none.
    along_axes = [step for step in pooling.steps if isinstance(step, Step)]
    by_windows = bool(along_axes) and _takes_windows(x, along_axes, pooling.pads)
    if by_windows and _takes_all_axes(x, along_axes):
        return _window_maxima(x, along_axes, pooling.pads, lowest)
    x = x if by_windows else pooling.pad(x, lowest)
    larger = jnp.logical_or if x.dtype == bool else jnp.maximum
    padded = set[int]()
    for step in pooling.steps:
        if by_windows and isinstance(step, Step) and step.axis not in padded:
            x = _window_maxima(x, [step], pooling.pads, lowest)
            padded.add(step.axis)
            continue
        first, *others = step.of(x)
        for view in others:
            first = larger(first, view)
        x = first
    return x


def _takes_windows(x: jax.Array, steps: Sequence[Step], pads: Sequence[tuple[int, int]]) -> bool:
    """Returns whether XLA's own operation pools axis by axis: as fast on one axis alone, and without a padded copy.

    On two cores: 16x60x60x64 8/8 "same" takes 0.6 ms in place of 1.6, and 16x112x112x64 3/2 "same" 6 in place of 18, as
    memory for a large copy is mapped anew each time; so 8x256x256x16 11/2 "same" takes 20 in place of 33. But
    50x150x110x3 8/8 "same" would take 1.5 in place of 0.6.
    """
    # It has no maximum of booleans.
    if x.dtype == bool:
        return False
    if len(steps) == 1:
        return True
    if not any(map(any, pads)):
        return False
    # An export may have symbols for the batch and the channels.
    known = None not in checks.known_sizes(x.shape)
    if known and x.size * x.dtype.itemsize >= LARGE:
        return True
    if len({step.axis for step in steps}) < len(steps):
        return False
    return isinstance(x.shape[-1], int) and x.shape[-1] >= FEW


def _takes_all_axes(x: jax.Array, steps: Sequence[Step]) -> bool:
    """Returns whether it pools all axes at once: 2x2 windows of stride 1 are faster so, but not of one sample.

    On two cores: 13x19x19x900 2/1 "same" takes 1.5 ms in place of 2.0, but 1x80x80x128 0.7 in place of 0.3.
    """
    twos = len(steps) == 2 and all(
        len(step.views.displacements) == 2 and step.views.stride == 1 for step in steps
    )
    return twos and x.shape[0] != 1


def _window_maxima(
    x: jax.Array, steps: Sequence[Step], pads: Sequence[tuple[int, int]], lowest: Any
) -> jax.Array:
    size, stride, dilation, padding = [1] * x.ndim, [1] * x.ndim, [1] * x.ndim, [(0, 0)] * x.ndim
    for step in steps:
        first, *others = step.views.displacements
        size[step.axis], stride[step.axis] = 1 + len(others), step.views.stride
        padding[step.axis] = pads[step.axis]
        dilation[step.axis] = others[0] - first if others else 1
    options = {"padding": padding, "window_dilation": dilation}
    # It leaves out by itself what is behind the last window.
    return lax.reduce_window(x, np.array(lowest, x.dtype), lax.max, size, stride, **options)


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
    # Where an array's type tells how it is sharded, JAX takes no single element of it.
    if winners and 0 not in y.shape and not any(jax.typeof(y).sharding.spec):
        winners = lax.platform_dependent(*winners, cpu=_computed_once, default=lambda *w: list(w))
    dtype = y.dtype
    x = y.astype(jnp.float32) if dtype.itemsize < 4 else y
    # The shapes that the steps pooled.
    shapes = [[n + sum(pads) for n, pads in zip(shape, pooling.pads, strict=True)]]
    for step in pooling.steps:
        shapes.append(step.pooled(shapes[-1]))
    for step, winner, pooled in reversed([*zip(pooling.steps, winners, shapes[:-1], strict=True)]):
        x = step.spread(x, winner, pooled)
    x = lax.pad(x, jnp.zeros([], x.dtype), [(-before, -after, 0) for before, after in pooling.pads])
    return x.astype(dtype)


def _computed_once(*winners: jax.Array) -> list[jax.Array]:
    """Returns the winners from a condition that always holds, none being negative, which XLA does not see through.

    Otherwise it computes them again wherever `spread` uses one: 8x7625x32 7/2 took 151 ms in place of 2.7 on two cores,
    and 1x104x104x32 9/9 3.9 in place of 0.6. A GPU would wait for the condition.
    """
    always = winners[0][(0,) * winners[0].ndim] >= 0
    return lax.cond(always, lambda *w: list(w), lambda *w: [0 * winner for winner in w], *winners)
