"""Runs a layer in each mode of the backend that Keras runs on: `MODES`, and `outputs_and_gradient`."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

BACKEND = keras.config.backend()
MODES = {"tensorflow": ("eager", "graph", "xla"), "jax": ("eager", "jit"), "torch": ("eager",)}[
    BACKEND
]


def outputs_and_gradient(
    layer: keras.Layer, mode: str, any_batch: bool, x: np.ndarray, upstream: np.ndarray
) -> list[np.ndarray]:
    """Returns the outputs and, where there is one, the gradient for `upstream`.

    On TensorFlow `any_batch` says whether functions are traced for any batch.
    """
    if BACKEND == "tensorflow":
        results = _tensorflow(layer, mode, any_batch, x, upstream)
    else:
        run = _jax if BACKEND == "jax" else _torch
        results = run(layer, mode, *map(keras.ops.convert_to_tensor, (x, upstream)))
    return [keras.ops.convert_to_numpy(tensor) for tensor in results]


def _tensorflow(
    layer: keras.Layer, mode: str, any_batch: bool, x: np.ndarray, upstream: np.ndarray
) -> list[Any]:
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

    tensors = [tf.constant(x), tf.constant(upstream)]
    call: Callable[..., list[tf.Tensor]] = function
    if mode != "eager":
        specs = [
            tf.TensorSpec([None if any_batch else t.shape[0], *t.shape[1:]], t.dtype)
            for t in tensors
        ]
        traced = tf.function(function, input_signature=specs, jit_compile=mode == "xla")
        # The concrete function, as tf.function warns of functions that are traced for one call.
        call = traced.get_concrete_function()
    return call(*tensors)


def _jax(  # pragma: no cover - run by the tests on JAX
    layer: keras.Layer, mode: str, x: Any, upstream: Any
) -> list[Any]:
    import jax

    def function(x: jax.Array, upstream: jax.Array) -> list[jax.Array]:
        if not jax.numpy.issubdtype(x.dtype, jax.numpy.floating):
            return [layer(x)]
        y, transposed = jax.vjp(layer, x)
        if y.shape != upstream.shape or not jax.numpy.issubdtype(y.dtype, jax.numpy.floating):
            return [y]
        return [y, *transposed(upstream.astype(y.dtype))]

    return (jax.jit(function) if mode == "jit" else function)(x, upstream)


def _torch(  # pragma: no cover - run by the tests on PyTorch
    layer: keras.Layer, mode: str, x: Any, upstream: Any
) -> list[Any]:
    import torch

    if not x.is_floating_point():
        return [layer(x)]
    x.requires_grad_()
    y = layer(x)
    if y.shape != upstream.shape or not y.requires_grad:
        return [y.detach()]
    return [y.detach(), *torch.autograd.grad(y, x, upstream.to(y.dtype))]
