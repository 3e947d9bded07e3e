"""The public functions that pool tensors, and their `Operation` classes, which saved models name by this module."""

from keras_maxpool.ops.adaptive_pool import AdaptiveMaxPool as AdaptiveMaxPool
from keras_maxpool.ops.adaptive_pool import adaptive_max_pool
from keras_maxpool.ops.fractional_pool import FractionalMaxPool as FractionalMaxPool
from keras_maxpool.ops.fractional_pool import fractional_max_pool
from keras_maxpool.ops.global_pool import GlobalMaxPool as GlobalMaxPool
from keras_maxpool.ops.global_pool import global_max_pool
from keras_maxpool.ops.index_conventions import ConvertIndices as ConvertIndices
from keras_maxpool.ops.index_conventions import convert_indices
from keras_maxpool.ops.pool import MaxPool as MaxPool
from keras_maxpool.ops.pool import max_pool
from keras_maxpool.ops.unpool import MaxUnpool as MaxUnpool
from keras_maxpool.ops.unpool import max_unpool

__all__ = [
    "adaptive_max_pool",
    "convert_indices",
    "fractional_max_pool",
    "global_max_pool",
    "max_pool",
    "max_unpool",
]
