"""The steps that keras-maxpool bench times, in each mode of the backend that Keras runs on.

A step returns when its results are there. All of it is on the CPU: most peers have no GPU.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np

from keras_maxpool.tools.bench import cases
from keras_maxpool.tools.quiet import start_xla
from keras_maxpool.tools.versions import BACKEND

Function = Callable[[Any], Any]
Step = Callable[[], Any]
Results = Callable[..., list[Any]]

MODES = cases.MODES[BACKEND]

UNABLE: tuple[type[Exception], ...] = (NotImplementedError, RuntimeError)
"""What a peer raises for work it has no kernel for; a wrong argument of ours is none of these."""

if BACKEND == "tensorflow":
    import tensorflow as tf

    UNABLE += (tf.errors.OpError,)


def on_cpu() -> AbstractContextManager[None]:
    """Returns a context in which everything is on the CPU; TensorFlow stays there."""
    if BACKEND != "tensorflow":
        return keras.device("cpu")
    tf.config.set_visible_devices([], "GPU")
    start_xla()
    return nullcontext()


def of_layer(
    function: Function,
    mode: str,
    direction: str,
    x: np.ndarray,
    upstream: np.ndarray,
    *,
    any_batch: bool,
) -> Step:
    """Returns the step of a layer, or of another function of a tensor; its results are a list of tensors.

    On TensorFlow `any_batch` says whether functions are traced for any batch.
    """
    arrays = (x,) if direction == "forward" else (x, upstream)
    tensors = [keras.ops.convert_to_tensor(array) for array in arrays]
    if BACKEND == "tensorflow":
        return _tensorflow(function, mode, tensors, any_batch=any_batch)
    return _jax(function, mode, tensors) if BACKEND == "jax" else _torch(function, tensors)


def _tensorflow(function: Function, mode: str, tensors: list[Any], *, any_batch: bool) -> Step:
    def forward(x: tf.Tensor) -> list[tf.Tensor]:
        return [function(x)]

    def gradient(x: tf.Tensor, upstream: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        return [y, tape.gradient(y, x, output_gradients=upstream)]

    step: Results = forward if len(tensors) == 1 else gradient
    if mode != "eager":
        shapes = [[None, *t.shape[1:]] if any_batch else t.shape for t in tensors]
        signature = [
            tf.TensorSpec(shape, t.dtype) for shape, t in zip(shapes, tensors, strict=True)
        ]
        step = tf.function(step, jit_compile=mode == "xla", input_signature=signature)
    return lambda: step(*tensors)


def _jax(  # pragma: no cover - run by the tests on JAX
    function: Function, mode: str, tensors: list[Any]
) -> Step:
    import jax

    def forward(x: jax.Array) -> list[jax.Array]:
        return [function(x)]

    def gradient(x: jax.Array, upstream: jax.Array) -> list[jax.Array]:
        y, transposed = jax.vjp(function, x)
        return [y, *transposed(upstream)]

    step: Results = forward if len(tensors) == 1 else gradient
    if mode == "jit":
        step = jax.jit(step)
    return lambda: jax.block_until_ready(step(*tensors))


def _torch(  # pragma: no cover - run by the tests on PyTorch
    function: Function, tensors: list[Any]
) -> Step:
    import torch

    @torch.no_grad()
    def forward(x: torch.Tensor) -> list[torch.Tensor]:
        return [function(x)]

    def gradient(x: torch.Tensor, upstream: torch.Tensor) -> list[torch.Tensor]:
        y = function(x)
        return [y.detach(), *torch.autograd.grad(y, x, upstream)]

    if len(tensors) == 1:
        return lambda: forward(*tensors)
    tensors[0].requires_grad_()
    return lambda: gradient(*tensors)


def of_copy(source: np.ndarray) -> Step:
    """Returns a step that copies a tensor with these values."""
    tensor = keras.ops.convert_to_tensor(source)
    if BACKEND == "tensorflow":
        return lambda: tf.raw_ops.DeepCopy(x=tensor)
    return _jax_copy(tensor) if BACKEND == "jax" else tensor.clone


def _jax_copy(tensor: Any) -> Step:  # pragma: no cover - run by the tests on JAX
    import jax

    return lambda: jax.block_until_ready(tensor.copy())
