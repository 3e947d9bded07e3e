"""Converts what a user passes to tensors, and refuses sparse and ragged ones."""

from typing import Any

import keras
import numpy as np
import torch

from keras_maxpool.geometry import checks


def convert_to_tensor(value: Any, name: str) -> Any:
    """Returns the argument `name` as a tensor; a KerasTensor stays one."""
    value = as_dense(value, name)
    if isinstance(value, (torch.Tensor, keras.KerasTensor)):
        return value
    return _constant(value)


# PyTorch's compiler would trace NumPy's functions, and end in errors of its own.
@torch.compiler.disable
def _constant(value: Any) -> torch.Tensor:
    return keras.ops.convert_to_tensor(value)


def as_dense(value: Any, name: str) -> Any:
    """Returns the argument `name`, if dense: other frameworks' tensors as arrays, Keras's variables as tensors."""
    kind = _kind(value)
    if kind is not None:
        fix = {
            "ragged": f"{name}.to_tensor(), and where the layer takes a mask, mask=tf.sequence_mask(lengths)",
            "sparse": f"{name}.to_dense()",
        }
        raise checks.not_dense(value, name, kind, fix[kind])
    if isinstance(value, keras.Variable):
        return keras.ops.convert_to_tensor(value)
    if type(value).__module__.startswith(("tensorflow.", "jax")):
        return np.asarray(value)
    return value


def _kind(value: Any) -> str | None:
    """Returns "ragged", "sparse" or None, also for a symbolic tensor."""
    if isinstance(value, torch.Tensor):
        return None if value.layout == torch.strided else "sparse"
    return checks.kind_of_tensor(value)


def sizes(x: Any) -> list[Any]:
    """Returns the sizes of `x`: integers, or symbolic ones where they are traced."""
    return list(x.shape)


def index_dtype(name: str) -> str:
    """Returns the dtype of indices that are wanted as `name`: PyTorch has both."""
    return name
