"""Maxima of windows in an export of unknown spatial sizes, by XLA's own operation, whose padding may be symbolic."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from keras_maxpool.backend.jax import layout, masks
from keras_maxpool.backend.jax.gather_scatter import gather
from keras_maxpool.backend.jax.inputs import index_dtype
from keras_maxpool.geometry.layout import spatial_sizes, with_spatial_sizes
from keras_maxpool.geometry.window import Window


def max_pool(
    x: jax.Array,
    visible: jax.Array | None,
    window: Window,
    data_format: str,
    indices: str | None,
) -> tuple[jax.Array, jax.Array | None]:
    """Returns the maxima of windows, and the flat index of the first visible one of each, or -1."""
    flat = layout.flat_indices(x.shape, data_format, indices or index_dtype("int64"))
    flat = jnp.broadcast_to(flat, x.shape)
    if visible is not None:
        flat = jnp.where(visible, flat, -1)
    y = _maxima(x, flat, window, data_format)
    return y, None if indices is None else _first_indices(x, flat, window, data_format)


@partial(jax.custom_jvp, nondiff_argnums=(2, 3))
def _maxima(x: jax.Array, flat: jax.Array, window: Window, data_format: str) -> jax.Array:
    y: jax.Array = lax.reduce_window(x, _lowest(x), lax.max, **_options(x, window, data_format))
    return y


@_maxima.defjvp
def _maxima_jvp(window: Window, data_format: str, primals: Any, tangents: Any) -> Any:
    x, flat = primals
    indices = _first_indices(x, flat, window, data_format)
    tangent, at = (layout.channels_last(t, data_format) for t in (tangents[0], indices))
    selected = layout.restored(gather(tangent, jnp.maximum(at, 0)), data_format)
    return _maxima(x, flat, window, data_format), jnp.where(indices < 0, 0, selected)


def _first_indices(x: jax.Array, flat: jax.Array, window: Window, data_format: str) -> jax.Array:
    tensors, none = (lax.stop_gradient(x), flat), (_lowest(x), np.array(-1, flat.dtype))
    _, indices = lax.reduce_window(tensors, none, _first, **_options(x, window, data_format))
    return indices


def _first(a: Sequence[jax.Array], b: Sequence[jax.Array]) -> tuple[jax.Array, jax.Array]:
    (value, index), (other, at) = a, b
    # NaN wins over numbers. The order of elements is XLA's, so that the lower index decides between equals.
    larger = ~(other <= value) & (value == value)
    equal = (other == value) | ((other != other) & (value != value))
    wins = (at >= 0) & ((index < 0) | larger | (equal & (at < index)))
    return lax.select(wins, other, value), lax.select(wins, at, index)


def pool_mask(mask: jax.Array, window: Window) -> jax.Array:
    """Returns whether a mask (batch, *spatial) is True for any element of a window."""
    options = _options(mask[..., None], window, "channels_last")
    return lax.reduce_window(mask[..., None], False, lax.bitwise_or, **options)[..., 0]


def _lowest(x: jax.Array) -> np.ndarray:
    return np.array(masks.lowest(x.dtype), x.dtype)


def _options(x: jax.Array, window: Window, data_format: str) -> dict[str, Any]:
    """Returns the arguments of `reduce_window` that describe a window."""
    pads = [
        axis.explicit_pads or axis.pads(size, jax.core.max_dim)
        for axis, size in zip(window.axes, spatial_sizes(x.shape, data_format), strict=True)
    ]
    of_window: Any = {
        "window_dimensions": (1, window.pool),
        "window_strides": (1, window.strides),
        "window_dilation": (1, window.dilation),
        "padding": ((0, 0), pads),
    }
    return {
        name: with_spatial_sizes((other,) * x.ndim, data_format, values)
        for name, (other, values) in of_window.items()
    }
