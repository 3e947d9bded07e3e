"""Replaces the gradient of an operation by another one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import tensorflow as tf

from keras_maxpool.backend.tensorflow.context import Context, current_context

Gradient = Callable[[tf.Tensor, tf.Tensor, Context], tf.Tensor]
"""Takes a function's argument, the gradient of its result and the context; returns the gradient of the argument."""


def with_gradient(
    forward: Callable[[tf.Tensor], tf.Tensor], gradient: Gradient, x: tf.Tensor
) -> tf.Tensor:
    """Computes `forward(x)`, differentiated by `gradient`."""

    @tf.custom_gradient
    def function(x: tf.Tensor) -> tuple[tf.Tensor, Any]:
        return forward(x), lambda upstream: gradient(x, upstream, current_context(x, upstream))

    return function(x)


def gradient_of(function: Callable[[tf.Tensor, Context], tf.Tensor]) -> Gradient:
    """Returns the gradient of `function`, and computes `function` again for it. It can be differentiated again."""

    def gradient(x: tf.Tensor, upstream: tf.Tensor, context: Context) -> tf.Tensor:
        context = replace(context, taped=True)
        return _differentiate(lambda x: function(x, context), [x], upstream, context)[0]

    return gradient


def with_second_order(gradient: Gradient, other: Gradient) -> Gradient:
    """Returns `gradient` with the derivative of `other`, which computes the same values."""

    def function(x: tf.Tensor, upstream: tf.Tensor, context: Context) -> tf.Tensor:
        differentiated = tf.custom_gradient(
            lambda x, y: (gradient(x, y, context), lambda z: _second_order(other, x, y, z))
        )
        # Copies in the graph that is being built: further gradients cannot reach into another graph, where x may be.
        return differentiated(tf.identity(x), tf.identity(upstream))

    return function


def _second_order(
    gradient: Gradient, x: tf.Tensor, upstream: tf.Tensor, further: tf.Tensor
) -> list[tf.Tensor]:
    context = current_context(x, upstream, further)
    return _differentiate(lambda x, y: gradient(x, y, context), [x, upstream], further, context)


@tf.custom_gradient
def substitute(value: tf.Tensor, source: tf.Tensor) -> tuple[tf.Tensor, Any]:
    """Returns `value`, whose gradient goes to `source` unchanged."""
    return tf.identity(value), lambda upstream: (tf.zeros_like(value), upstream)


def _differentiate(
    function: Callable[..., tf.Tensor],
    sources: list[tf.Tensor],
    upstream: tf.Tensor,
    context: Context,
) -> list[tf.Tensor]:
    zero = tf.UnconnectedGradients.ZERO
    if context.mode != "eager":
        # Not a tape, which records nothing while TensorFlow derives the forward mode of a traced function. The sources
        # are copied, as they may be in another graph than the one that is being built.
        sources = [tf.identity(source) for source in sources]
        return tf.gradients(function(*sources), sources, upstream, unconnected_gradients=zero)
    with tf.GradientTape() as tape:
        tape.watch(sources)
        y = function(*sources)
    return tape.gradient(y, sources, output_gradients=upstream, unconnected_gradients=zero)
