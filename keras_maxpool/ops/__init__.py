"""Max pooling as functions of tensors; the layers are thin covers over these."""

from keras_maxpool.ops.convert import convert_indices
from keras_maxpool.ops.global_pool import global_max_pool
from keras_maxpool.ops.pool import max_pool
from keras_maxpool.ops.unpool import max_unpool

__all__ = ["convert_indices", "global_max_pool", "max_pool", "max_unpool"]
