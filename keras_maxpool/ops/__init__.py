"""Public functions that pool tensors; the layers call the same backend."""

from keras_maxpool.ops.adaptive_pool import adaptive_max_pool
from keras_maxpool.ops.convert import convert_indices
from keras_maxpool.ops.fractional_pool import fractional_max_pool
from keras_maxpool.ops.global_pool import global_max_pool
from keras_maxpool.ops.pool import max_pool
from keras_maxpool.ops.unpool import max_unpool

__all__ = [
    "adaptive_max_pool",
    "convert_indices",
    "fractional_max_pool",
    "global_max_pool",
    "max_pool",
    "max_unpool",
]
