"""`max_unpool` on JAX: checks the indices, and writes the values to them."""

from functools import partial
from math import prod

import jax
import numpy as np

from keras_maxpool.backend.jax import layout
from keras_maxpool.backend.jax.gather_scatter import scatter
from keras_maxpool.backend.jax.index_conventions import convert_indices
from keras_maxpool.backend.jax.inputs import index_dtype
from keras_maxpool.geometry import checks, output_shapes
from keras_maxpool.geometry.layout import spatial_sizes
from keras_maxpool.geometry.window import Window


def max_unpool(
    values: jax.Array,
    indices: jax.Array,
    window: Window,
    data_format: str,
    output_size: tuple[int, ...] | None,
    like: jax.Array | None,
    convention: str = "torch",
) -> jax.Array:
    """Computes `max_unpool` for checked arguments and shapes."""
    like_shape = None if like is None else like.shape
    shape = output_shapes.max_unpooled(values.shape, window, data_format, output_size, like_shape)
    if convention != "torch":
        # Other conventions count beyond one volume, and may come as floats.
        indices = indices.astype(index_dtype("int64"))
        indices = convert_indices(indices, shape, "torch", convention, data_format)
    spatial = spatial_sizes(shape, data_format)
    if not isinstance(indices, jax.core.Tracer):
        last = np.asarray(layout.channels_last(indices, data_format))
        outside = np.argwhere((last < -1) | (last >= prod(spatial)))
        if len(outside):
            at = tuple(outside[0].tolist())
            raise checks.index_outside(int(last[at]), at, spatial)
    return _unpool(values, indices, spatial, data_format)


@partial(jax.jit, static_argnames=("spatial", "data_format"), inline=True)
def _unpool(
    values: jax.Array, indices: jax.Array, spatial: tuple[int, ...], data_format: str
) -> jax.Array:
    values, indices = (layout.channels_last(x, data_format) for x in (values, indices))
    return layout.restored(scatter(values, indices, spatial), data_format)
