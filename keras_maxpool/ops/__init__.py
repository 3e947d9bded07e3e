"""Max pooling as functions of tensors; the layers are thin covers over these."""

from keras_maxpool.ops.adaptive_pool import adaptive_max_pool
from keras_maxpool.ops.fractional_pool import fractional_max_pool
from keras_maxpool.ops.pool import max_pool

__all__ = ["adaptive_max_pool", "fractional_max_pool", "max_pool"]
