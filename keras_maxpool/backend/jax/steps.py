"""The steps of a pooling: along one axis, or along all at once for windows of two elements side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from keras_maxpool.geometry.views import Views


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

    def pooled(self, shape: Sequence[int]) -> list[int]:
        """Returns the shape of the result for a tensor of `shape`."""
        return [self.outputs if axis == self.axis else n for axis, n in enumerate(shape)]

    def spread(self, y: jax.Array, winner: jax.Array, shape: Sequence[int]) -> jax.Array:
        """Returns the sums, at each position of `shape`, over the windows that may cover it.

        Position p is number p % stride of block p // stride, and the window `lag` back from it starts at block
        p // stride - lag.
        """
        axis, views, length = self.axis, self.views, shape[self.axis]
        blocks = -(-length // views.stride)
        total: Any = None
        for lag in views.lags:
            table = np.array(views.views_at(lag), np.int8)
            table = np.pad(table, (0, views.stride - len(table)), constant_values=-1)
            across = [1] * (y.ndim + 1)
            across[axis + 1] = views.stride
            # An extra axis for the positions of a block; -2 is no view, and not what the table has for none.
            upstream, at = (
                jnp.expand_dims(_moved(t, axis, lag, blocks, fill), axis + 1)
                for t, fill in ((y, 0), (winner, -2))
            )
            term = jnp.where(at == table.reshape(across), upstream, 0)
            total = term if total is None else total + term
        x = lax.reshape(total, [*y.shape[:axis], blocks * views.stride, *y.shape[axis + 1 :]])
        return lax.slice_in_dim(x, 0, length, axis=axis)


@dataclass(frozen=True)
class Halving:
    """One step along `rank` axes from `axis` on: windows of two elements along each, side by side, without padding.

    Against a step for each axis: a whole training step of an MNIST CNN takes 38 ms, not 40, of a U-Net 158, not 166.
    Longer windows gain nothing for sure: 3x3 windows took 0.8 to 1.5 times as long.
    """

    axis: int
    rank: int

    first = None

    @property
    def _axes(self) -> range:
        return range(self.axis, self.axis + self.rank)

    def of(self, x: jax.Array) -> Iterator[jax.Array]:
        """Yields the views of `x`, in row-major order."""
        strides = [2 if axis in self._axes else 1 for axis in range(x.ndim)]
        limit = [n // 2 * 2 if axis in self._axes else n for axis, n in enumerate(x.shape)]
        for element in np.ndindex(*[2] * self.rank):
            start = [0] * x.ndim
            start[self.axis : self.axis + self.rank] = element
            yield lax.slice(x, start, limit, strides)

    def pooled(self, shape: Sequence[int]) -> list[int]:
        """Returns the shape of the result for a tensor of `shape`."""
        return [n // 2 if axis in self._axes else n for axis, n in enumerate(shape)]

    def spread(self, y: jax.Array, winner: jax.Array, shape: Sequence[int]) -> jax.Array:
        """Returns each window's `y` at its winner, and 0 elsewhere."""
        # An extra axis behind each of them, for the two elements of a window.
        axes = [self.axis + 2 * number + 1 for number in range(self.rank)]
        others = [axis for axis in range(y.ndim + self.rank) if axis not in axes]
        views = np.arange(2**self.rank, dtype=np.int8).reshape([2] * self.rank)
        upstream, at = (jnp.expand_dims(t, axes) for t in (y, winner))
        x = jnp.where(at == np.expand_dims(views, others), upstream, 0)
        # Not all at once, which JAX refuses for arrays whose type tells how they are sharded.
        for axis in self._axes:
            x = lax.reshape(x, [*x.shape[:axis], 2 * x.shape[axis], *x.shape[axis + 2 :]])
        behind = [(0, n - m, 0) for n, m in zip(shape, x.shape, strict=True)]
        return lax.pad(x, jnp.zeros([], x.dtype), behind)


def _moved(x: jax.Array, axis: int, lag: int, length: int, fill: int) -> jax.Array:
    """Returns `x` moved `lag` towards the end of an axis, which is padded or cut to `length`."""
    pads = [(0, 0, 0)] * x.ndim
    pads[axis] = (lag, length - lag - x.shape[axis], 0)
    return lax.pad(x, jnp.asarray(fill, x.dtype), pads)
