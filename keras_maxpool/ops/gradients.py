"""Tools that give an operation another gradient than its own."""

from collections.abc import Callable

import tensorflow as tf

Formula = Callable[[tf.Tensor], tf.Tensor]


def borrow_gradient(forward: Formula, lender: Formula) -> Formula:
    """`forward`, with the gradient of `lender`: an equal function whose gradient is right, or faster, where it runs.

    The lender is computed in the backward pass alone. Its gradient can be differentiated again.
    """

    @tf.custom_gradient
    def function(x: tf.Tensor) -> tuple[tf.Tensor, Formula]:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = lender(x)
            return tape.gradient(y, x, output_gradients=upstream)

        return forward(x), gradient

    return function


@tf.custom_gradient
def substitute(
    value: tf.Tensor, source: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[None, tf.Tensor]]]:
    """`value`, whose gradient passes on to `source` unchanged."""
    return tf.identity(value), lambda upstream: (None, upstream)
