"""Runs functions and layers in each mode of the backend that Keras runs on, `MODES`."""

from collections.abc import Callable
from typing import Any

import keras
import ml_dtypes
import numpy as np

BACKEND = keras.config.backend()
MODES = {"tensorflow": ("eager", "graph", "xla"), "jax": ("eager", "jit"), "torch": ("eager",)}[
    BACKEND
]

Function = Callable[..., list[Any]]
"""A function of tensors that returns a list of them."""


def holds(dtype: str) -> bool:
    """Returns whether tensors keep a NumPy array's dtype: not so PyTorch's of unsigned ones, and JAX's of 64 bits."""
    tensor = keras.ops.convert_to_tensor(np.zeros(1, getattr(ml_dtypes, dtype, dtype)))
    return keras.backend.standardize_dtype(tensor.dtype) == dtype


def run(function: Function, mode: str, *arrays: np.ndarray, unknown: int = 0) -> list[np.ndarray]:
    """Returns a function's results; in TensorFlow's graphs, the first `unknown` axes have no known size."""
    tensors = [keras.ops.convert_to_tensor(array) for array in arrays]
    if mode in ("graph", "xla"):
        import tensorflow as tf

        specs = [tf.TensorSpec([None] * unknown + t.shape[unknown:], t.dtype) for t in tensors]
        traced = tf.function(function, input_signature=specs, jit_compile=mode == "xla")
        # The concrete function, as tf.function warns of functions that are traced for one call.
        function = traced.get_concrete_function()
    elif mode == "jit":  # pragma: no cover - run by the tests on JAX
        import jax

        function = jax.jit(function)
    return [keras.ops.convert_to_numpy(tensor) for tensor in function(*tensors)]


def outputs(layer: keras.Layer, mode: str, x: np.ndarray, unknown: int = 0) -> np.ndarray:
    """Returns the outputs alone."""
    return run(lambda x: [layer(x)], mode, x, unknown=unknown)[0]


def outputs_and_gradient(
    layer: keras.Layer, mode: str, x: np.ndarray, upstream: np.ndarray, unknown: int = 0
) -> list[np.ndarray]:
    """Returns the outputs and, where there is one, the gradient for `upstream`."""
    with_gradient = {"tensorflow": _on_tensorflow, "jax": _on_jax, "torch": _on_torch}[BACKEND]
    return run(with_gradient(layer), mode, x, upstream, unknown=unknown)


def _on_tensorflow(layer: keras.Layer) -> Function:
    import tensorflow as tf

    def function(x: tf.Tensor, upstream: tf.Tensor) -> list[tf.Tensor]:
        if not x.dtype.is_floating:
            return [layer(x)]
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        if not y.dtype.is_floating or not y.shape.is_compatible_with(upstream.shape):
            return [y]
        gradient = tape.gradient(y, x, output_gradients=tf.cast(upstream, y.dtype))
        return [y] if gradient is None else [y, gradient]

    return function


def _on_jax(layer: keras.Layer) -> Function:  # pragma: no cover - run by the tests on JAX
    import jax

    def function(x: jax.Array, upstream: jax.Array) -> list[jax.Array]:
        if not jax.numpy.issubdtype(x.dtype, jax.numpy.floating):
            return [layer(x)]
        y, transposed = jax.vjp(layer, x)
        if y.shape != upstream.shape or not jax.numpy.issubdtype(y.dtype, jax.numpy.floating):
            return [y]
        return [y, *transposed(upstream.astype(y.dtype))]

    return function


def _on_torch(layer: keras.Layer) -> Function:  # pragma: no cover - run by the tests on PyTorch
    import torch

    def function(x: torch.Tensor, upstream: torch.Tensor) -> list[torch.Tensor]:
        if not x.is_floating_point():
            return [layer(x)]
        x.requires_grad_()
        y = layer(x)
        if y.shape != upstream.shape or not y.requires_grad:
            return [y]
        return [y, *torch.autograd.grad(y, x, upstream.to(y.dtype))]

    return function
