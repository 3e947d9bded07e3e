"""The runner of TensorFlow: eager, graphs, and XLA. What it offers is described in `harness.runner`."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf

MODES = ("eager", "graph", "xla")
UNKNOWN = "unknown"

Function = Callable[..., Any]
as_tensor, as_array = tf.constant, np.asarray


def in_mode(function: Function, mode: str) -> Function:
    if mode == "eager":
        return function
    if mode != UNKNOWN:
        return tf.function(function, jit_compile=mode == "xla")

    @cache
    def traced(*specs: tf.TensorSpec) -> Function:
        return tf.function(function, input_signature=specs)

    def traced_for_any_shape(*tensors: tf.Tensor) -> Any:
        specs = [tf.TensorSpec([None] * tensor.shape.rank, tensor.dtype) for tensor in tensors]
        return traced(*specs)(*tensors)

    return traced_for_any_shape


def with_gradient(pool: Function) -> Function:
    def function(x: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            results = pool(x)
        values, *others = results if isinstance(results, tuple) else (results,)
        return values, *others, tape.gradient(values, x, output_gradients=upstream)

    return function


def second_order(pool: Function) -> Function:
    """How the gradient changes with the upstream gradient, and with the input behind a square.

    For twice the tangent: nothing else holds on to that tensor, so that a kernel may write into it.
    """

    def function(x: tf.Tensor, upstream: tf.Tensor, tangent: tf.Tensor) -> tuple:
        tangent += tangent
        with tf.GradientTape() as outer:
            outer.watch(upstream)
            _, gradient = with_gradient(pool)(x, upstream)
        by_upstream = outer.gradient(gradient, upstream, output_gradients=tangent)
        with tf.GradientTape() as outer:
            outer.watch(x)
            _, gradient = with_gradient(lambda x: tf.square(pool(x)))(x, upstream)
        return by_upstream, outer.gradient(gradient, x, output_gradients=tangent)

    return function


def forward_mode(pool: Function) -> Function:
    """Along twice the tangent for the reason given at `second_order`."""

    def function(x: tf.Tensor, tangent: tf.Tensor) -> tuple:
        with tf.autodiff.ForwardAccumulator(x, tangent + tangent) as accumulator:
            values = pool(x)
        return values, accumulator.jvp(values)

    return function


def random_bits(seed: int, count: int) -> np.ndarray:
    bits = tf.random.stateless_uniform([count], (seed, 0), None, None, tf.int32, alg="philox")
    return bits.numpy()


def nodes(function: Function, *specs: Any) -> list[Any]:
    """Returns all nodes of a traced graph, those of its functions included. TensorFlow's tests alone use it."""
    definition = tf.function(function).get_concrete_function(*specs).graph.as_graph_def()
    of_functions = definition.library.function
    return [*definition.node, *(node for inner in of_functions for node in inner.node_def)]
