"""Max pooling as functions of tensors; the layers are thin covers over these."""

from keras_maxpool.ops.global_pool import global_max_pool
from keras_maxpool.ops.pool import max_pool

__all__ = ["global_max_pool", "max_pool"]
