"""Max pooling as functions of tensors; the layers are thin covers over these."""

from keras_maxpool.ops.pool import max_pool

__all__ = ["max_pool"]
