"""Max pooling on TensorFlow, built on `tf.nn.max_pool`."""

from tensorflow import cast, convert_to_tensor
from tensorflow import executing_eagerly as is_eager
from tensorflow.autograph.experimental import do_not_convert

from keras_maxpool.backend.tensorflow.adaptive_pool import adaptive_max_pool
from keras_maxpool.backend.tensorflow.convert import convert_indices
from keras_maxpool.backend.tensorflow.fractional_pool import fractional_max_pool
from keras_maxpool.backend.tensorflow.global_pool import global_max_pool
from keras_maxpool.backend.tensorflow.inputs import checked
from keras_maxpool.backend.tensorflow.inputs import to_tensor as dense
from keras_maxpool.backend.tensorflow.masks import pool_mask, where_mask_fits
from keras_maxpool.backend.tensorflow.plan import check as check_implementation
from keras_maxpool.backend.tensorflow.pool import max_pool
from keras_maxpool.backend.tensorflow.shapes import shape, sizes
from keras_maxpool.backend.tensorflow.unpool import max_unpool

__all__ = [
    "adaptive_max_pool",
    "cast",
    "check_implementation",
    "checked",
    "convert_indices",
    "convert_to_tensor",
    "dense",
    "do_not_convert",
    "fractional_max_pool",
    "global_max_pool",
    "is_eager",
    "max_pool",
    "max_unpool",
    "pool_mask",
    "shape",
    "sizes",
    "where_mask_fits",
]
