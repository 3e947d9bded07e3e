"""`global_max_pool` on JAX: the maximum of each whole spatial volume, with its gradient and its index."""

from functools import partial
from math import prod
from typing import Any

import jax
import jax.numpy as jnp

from keras_maxpool.backend.jax import layout, masks
from keras_maxpool.backend.jax.gather_scatter import not_empty
from keras_maxpool.backend.jax.inputs import index_dtype
from keras_maxpool.geometry import output_shapes


def global_max_pool(
    x: jax.Array,
    data_format: str,
    keepdims: bool,
    mask: Any,
    return_indices: bool,
    nonfinite: str,
) -> Any:
    """Computes `global_max_pool` for checked arguments and a checked shape; NaN and -inf are treated as by "ieee"."""
    if mask is not None:
        mask = masks.of_elements(mask, x, data_format)
    return _global_max_pool(x, mask, data_format, keepdims, return_indices)


@partial(jax.jit, static_argnames=("data_format", "keepdims", "return_indices"), inline=True)
def _global_max_pool(
    x: jax.Array, mask: jax.Array | None, data_format: str, keepdims: bool, return_indices: bool
) -> Any:
    shape = output_shapes.global_max_pooled(x.shape, data_format, keepdims)
    if 0 in x.shape:
        return layout.zeros(x, shape, index_dtype("int64") if return_indices else None)
    channel = x.ndim - 1 if data_format == "channels_last" else 1
    axes = tuple(axis for axis in range(1, x.ndim) if axis != channel)
    x = not_empty(x)
    visible = None if mask is None else not_empty(masks.over_channels(mask, data_format))
    y = _maximum(x, visible, axes)
    if not return_indices:
        return jnp.reshape(y, shape)
    winners = layout.channels_last(_winners(x, y, visible), data_format)
    winners = jnp.reshape(winners, (x.shape[0], prod(winners.shape[1:-1]), winners.shape[-1]))
    first = jnp.where(winners.any(1), jnp.argmax(winners, 1), -1)
    return jnp.reshape(y, shape), jnp.reshape(first.astype(index_dtype("int64")), shape)


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def _maximum(x: jax.Array, visible: jax.Array | None, axes: tuple[int, ...]) -> jax.Array:
    """Returns the maxima of the visible elements, on axes of size 1; ties share the gradient evenly."""
    if visible is None:
        return jnp.max(x, axes, keepdims=True)
    y = jnp.max(jnp.where(visible, x, masks.lowest(x.dtype)), axes, keepdims=True)
    return jnp.where(visible.any(axes, keepdims=True), y, jnp.zeros([], x.dtype))


@_maximum.defjvp
def _maximum_jvp(axes: tuple[int, ...], primals: Any, tangents: Any) -> Any:
    x, visible = primals
    y = _maximum(x, visible, axes)
    winners = _winners(x, y, visible)
    number = jnp.maximum(winners.sum(axes, keepdims=True), 1).astype(x.dtype)
    tangent = jnp.where(winners, tangents[0], 0).sum(axes, keepdims=True) / number
    return y, tangent.astype(y.dtype)


def _winners(x: jax.Array, y: jax.Array, visible: jax.Array | None) -> jax.Array:
    """Returns which elements equal the maximum, where NaN equals NaN."""
    winners = (x == y) | ((x != x) & (y != y))
    return winners if visible is None else winners & visible
