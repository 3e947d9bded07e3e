"""Max pooling on TensorFlow, built on `tf.nn.max_pool`."""

from tensorflow.autograph.experimental import do_not_convert

from keras_maxpool.backend.tensorflow.adaptive_pool import adaptive_max_pool
from keras_maxpool.backend.tensorflow.fractional_pool import fractional_max_pool
from keras_maxpool.backend.tensorflow.global_pool import global_max_pool
from keras_maxpool.backend.tensorflow.index_conventions import convert_indices
from keras_maxpool.backend.tensorflow.inputs import as_dense, convert_to_tensor, index_dtype
from keras_maxpool.backend.tensorflow.masks import pool_mask, where_mask_fits
from keras_maxpool.backend.tensorflow.plan import check as check_implementation
from keras_maxpool.backend.tensorflow.pool import max_pool
from keras_maxpool.backend.tensorflow.shapes import sizes
from keras_maxpool.backend.tensorflow.unpool import max_unpool

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
