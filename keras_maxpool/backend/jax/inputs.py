"""Converts what a user passes to arrays, and refuses sparse and ragged ones."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import dtypes
from jax.experimental.sparse import JAXSparse

from keras_maxpool.compat import keras
from keras_maxpool.geometry import checks


def convert_to_tensor(value: Any, name: str) -> Any:
    """Returns the argument `name` as an array; a KerasTensor stays one."""
    value = as_dense(value, name)
    return value if isinstance(value, keras.KerasTensor) else jnp.asarray(value)


def as_dense(value: Any, name: str) -> Any:
    """Returns the argument `name`, if dense: other frameworks' tensors and Keras's variables as arrays."""
    if isinstance(value, jnp.ndarray):
        return value
    kind = _kind(value)
    if kind is None:
        if isinstance(value, keras.Variable):
            return jnp.asarray(value)
        other = hasattr(value, "__torch_function__") or type(value).__module__.startswith(
            "tensorflow."
        )
        return np.asarray(value) if other else value
    fix = {
        "ragged": f"{name}.to_tensor(), and where the layer takes a mask, mask=tf.sequence_mask(lengths)",
        "sparse": f"{name}.todense()",
    }
    raise checks.not_dense(value, name, kind, fix[kind])


def _kind(value: Any) -> str | None:
    """Returns "ragged", "sparse" or None, also for a symbolic tensor."""
    if isinstance(value, JAXSparse):
        return "sparse"
    return checks.kind_of_tensor(value)


def sizes(x: Any) -> list[Any]:
    """Returns the sizes of `x`: integers, or symbolic ones in an export."""
    return list(x.shape)


def index_dtype(name: str) -> str:
    """Returns the dtype of indices that are wanted as `name`: int32 where JAX has no 64-bit types."""
    return dtypes.canonicalize_dtype(name).name
