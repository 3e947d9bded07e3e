"""Converts what a user passes to tensors, and refuses sparse and ragged ones."""

from typing import Any

import numpy as np
import tensorflow as tf

from keras_maxpool.compat import keras
from keras_maxpool.geometry import checks


def convert_to_tensor(value: Any, name: str) -> Any:
    """Returns the argument `name` as a tensor; a KerasTensor stays one."""
    value = as_dense(value, name)
    # Converting a tensor to itself would add 4 us to an eager call.
    is_tensor = isinstance(value, (tf.Tensor, keras.KerasTensor))
    return value if is_tensor else tf.convert_to_tensor(value)


def as_dense(value: Any, name: str) -> Any:
    """Returns the argument `name`, if dense: PyTorch's tensors as arrays and Keras's variables as tensors."""
    # The most frequent case, in every eager call, comes first.
    if isinstance(value, tf.Tensor):
        return value
    kind = _kind(value)
    if kind is None:
        # Keras 3 passes its variables to a layer unconverted; their dtypes are strings.
        if isinstance(value, keras.Variable):
            return tf.convert_to_tensor(value)
        return np.asarray(value) if hasattr(value, "__torch_function__") else value
    fix = {
        "ragged": f"{name}.to_tensor(), and where the layer takes a mask, mask=tf.sequence_mask(lengths)",
        "sparse": f"tf.sparse.to_dense({name})",
    }
    raise checks.not_dense(value, name, kind, fix[kind])


def index_dtype(name: str) -> str:
    """Returns the dtype of indices that are wanted as `name`, which TensorFlow always has."""
    return name


def _kind(value: Any) -> str | None:
    """Returns "ragged", "sparse" or None, also for a symbolic tensor."""
    # Keras 2's symbolic tensors have the type of TensorFlow's, Keras 3's have flags.
    spec = getattr(value, "type_spec", value)
    if isinstance(spec, (tf.RaggedTensor, tf.RaggedTensorSpec)):
        return "ragged"
    if isinstance(spec, (tf.SparseTensor, tf.SparseTensorSpec)):
        return "sparse"
    flags = (kind for kind in ("ragged", "sparse") if getattr(value, kind, False) is True)
    return next(flags, None)
