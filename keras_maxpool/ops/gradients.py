"""Tools that give an operation another gradient than its own."""

from collections.abc import Callable

import tensorflow as tf

Formula = Callable[[tf.Tensor], tf.Tensor]
Gradient = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""From a function's argument and the gradient of its result, the gradient of its argument."""


def gradient_of(formula: Formula) -> Gradient:
    """The gradient of `formula`, which is computed for it. It can be differentiated again."""

    def gradient(x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = formula(x)
        return tape.gradient(y, x, output_gradients=upstream)

    return gradient


def with_gradient(forward: Formula, gradient: Gradient) -> Formula:
    """`forward`, differentiated by `gradient`."""

    @tf.custom_gradient
    def function(x: tf.Tensor) -> tuple[tf.Tensor, Formula]:
        return forward(x), lambda upstream: gradient(x, upstream)

    return function


@tf.custom_gradient
def substitute(
    value: tf.Tensor, source: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    """`value`, whose gradient passes on to `source` unchanged."""
    return tf.identity(value), lambda upstream: (tf.zeros_like(value), upstream)
