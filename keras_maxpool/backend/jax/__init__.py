"""Max pooling on JAX: maxima of shifted views, and gradients that go to the first maximum."""

from keras_maxpool.backend.jax.adaptive_pool import adaptive_max_pool
from keras_maxpool.backend.jax.fractional_pool import fractional_max_pool
from keras_maxpool.backend.jax.global_pool import global_max_pool
from keras_maxpool.backend.jax.index_conventions import convert_indices
from keras_maxpool.backend.jax.inputs import as_dense, convert_to_tensor, index_dtype, sizes
from keras_maxpool.backend.jax.masks import where_mask_fits
from keras_maxpool.backend.jax.pool import check_implementation, do_not_convert, max_pool, pool_mask
from keras_maxpool.backend.jax.unpool import max_unpool

__all__ = [
    "adaptive_max_pool",
    "as_dense",
    "check_implementation",
    "convert_indices",
    "convert_to_tensor",
    "do_not_convert",
    "fractional_max_pool",
    "global_max_pool",
    "index_dtype",
    "max_pool",
    "max_unpool",
    "pool_mask",
    "sizes",
    "where_mask_fits",
]
