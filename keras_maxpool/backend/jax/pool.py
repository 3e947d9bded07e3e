"""`max_pool` on JAX: pads, pools axis by axis, and finds the indices."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from keras_maxpool.backend.jax import gradients, layout, masks, unknown_sizes, views
from keras_maxpool.geometry import checks, output_shapes
from keras_maxpool.geometry.layout import spatial_sizes
from keras_maxpool.geometry.window import Window

Function = TypeVar("Function", bound=Callable[..., Any])


def max_pool(
    x: jax.Array,
    window: Window,
    data_format: str,
    nonfinite: str,
    implementation: str,
    mask: Any = None,
    indices: str | None = None,
) -> Any:
    """Computes `max_pool` for checked arguments; `indices` is their dtype, if they are wanted.

    There is one implementation, which treats NaN and -inf as "ieee" does.
    """
    if mask is not None:
        mask = masks.of_elements(mask, x, data_format)
    return _max_pool(x, mask, window, data_format, indices)


@partial(jax.jit, static_argnames=("window", "data_format", "indices"), inline=True)
def _max_pool(
    x: jax.Array, mask: jax.Array | None, window: Window, data_format: str, indices: str | None
) -> Any:
    pool = _pool
    if None in checks.known_sizes(spatial_sizes(x.shape, data_format)):
        pool = unknown_sizes.max_pool
    else:
        shape = output_shapes.max_pooled(x.shape, window, data_format)
        if 0 in shape:
            return layout.zeros(x, shape, indices)
    visible = None
    if mask is not None:
        visible = jnp.broadcast_to(masks.over_channels(mask, data_format), x.shape)
        x = jnp.where(visible, x, masks.lowest(x.dtype))
    y, at = pool(x, visible, window, data_format, indices)
    if mask is not None:
        any_visible = masks.over_channels(_pool_mask(mask, window), data_format)
        y = jnp.where(any_visible, y, jnp.zeros([], x.dtype))
    return y if indices is None else (y, at)


def _pool(
    x: jax.Array,
    visible: jax.Array | None,
    window: Window,
    data_format: str,
    indices: str | None,
) -> tuple[jax.Array, jax.Array | None]:
    """Returns the maxima of windows, and the flat index of the first one of each, or -1."""
    first_axis = 1 if data_format == "channels_last" else 2
    pooling = views.plan(window, spatial_sizes(x.shape, data_format), first_axis, x.ndim)
    lowest = masks.lowest(x.dtype)
    y = gradients.maxima(x, visible, pooling, lowest)
    if indices is None:
        return y, None
    _, winners = views.first_maxima(jax.lax.stop_gradient(x), visible, pooling, lowest)
    flat = layout.flat_indices(x.shape, data_format, indices)
    return y, views.selected(flat, winners, pooling, -1)


def pool_mask(mask: Any, window: Window) -> jax.Array:
    """Returns the outgoing mask: whether `mask` is True for any element of a window."""
    # Some masks in Keras are numbers.
    return _pool_mask(jnp.asarray(mask).astype(bool), window)


@partial(jax.jit, static_argnames="window", inline=True)
def _pool_mask(mask: jax.Array, window: Window) -> jax.Array:
    sizes = tuple(mask.shape[1:])
    if None in checks.known_sizes(sizes):
        return unknown_sizes.pool_mask(mask, window)
    outputs = [axis.output_size(size) for axis, size in zip(window.axes, sizes, strict=True)]
    if 0 in outputs:
        return jnp.zeros((mask.shape[0], *outputs), bool)
    return views.maxima(mask, views.plan(window, sizes, 1, mask.ndim), False)


def check_implementation(implementation: str, window: Window, dtype: Any = None) -> None:
    """Accepts every implementation, as JAX has one for all of their names."""


def do_not_convert(function: Function) -> Function:
    """Returns the function: JAX runs Python as it is."""
    return function
