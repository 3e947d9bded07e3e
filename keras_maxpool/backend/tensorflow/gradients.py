"""Tools that give an operation another gradient than its own."""

from collections.abc import Callable

import tensorflow as tf

Formula = Callable[[tf.Tensor], tf.Tensor]
Gradient = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""From a function's argument and the gradient of its result, the gradient of its argument."""


def gradient_of(formula: Formula) -> Gradient:
    """The gradient of `formula`, which is computed for it. It can be differentiated again."""

    def gradient(x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        return _derive(formula, [x], upstream)[0]

    return gradient


def with_gradient(forward: Formula, gradient: Gradient) -> Formula:
    """`forward`, differentiated by `gradient`."""

    @tf.custom_gradient
    def function(x: tf.Tensor) -> tuple[tf.Tensor, Formula]:
        return forward(x), lambda upstream: gradient(x, upstream)

    return function


def with_second_order(gradient: Gradient, lender: Gradient) -> Gradient:
    """`gradient`, differentiated as `lender`, which gives the same values."""

    @tf.custom_gradient
    def function(
        x: tf.Tensor, upstream: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], list[tf.Tensor]]]:
        def second(further: tf.Tensor) -> list[tf.Tensor]:
            return _derive(lender, [x, upstream], further)

        return gradient(x, upstream), second

    # Tensors of the graph that is being built now: further gradients cannot reach into the one that x is from.
    return lambda x, upstream: function(tf.identity(x), tf.identity(upstream))


@tf.custom_gradient
def substitute(
    value: tf.Tensor, source: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    """`value`, whose gradient passes on to `source` unchanged."""
    return tf.identity(value), lambda upstream: (tf.zeros_like(value), upstream)


def _derive(
    function: Callable[..., tf.Tensor], sources: list[tf.Tensor], upstream: tf.Tensor
) -> list[tf.Tensor]:
    if not tf.executing_eagerly():
        # No tape records while TensorFlow derives a traced function's forward mode. And the sources may be of another
        # graph than the one that is being built.
        sources = [tf.identity(source) for source in sources]
        return tf.gradients(
            function(*sources),
            sources,
            upstream,
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
    with tf.GradientTape() as tape:
        tape.watch(sources)
        y = function(*sources)
    return tape.gradient(
        y,
        sources,
        output_gradients=upstream,
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
    )
