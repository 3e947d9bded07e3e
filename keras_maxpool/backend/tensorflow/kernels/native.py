"""One `tf.nn.max_pool`, with workarounds for errors in its gradients."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import tensorflow as tf

from keras_maxpool.backend.tensorflow import layout, shapes
from keras_maxpool.backend.tensorflow import padding as pads
from keras_maxpool.backend.tensorflow.context import Context
from keras_maxpool.backend.tensorflow.gradients import gradient_of, with_gradient, with_second_order
from keras_maxpool.geometry.layout import spatial_sizes
from keras_maxpool.geometry.window import Axis

OPERATIONS = {
    (2, "channels_last"): (tf.raw_ops.MaxPool, "NHWC"),
    (2, "channels_first"): (tf.raw_ops.MaxPool, "NCHW"),
    (3, "channels_last"): (tf.raw_ops.MaxPool3D, "NDHWC"),
    (3, "channels_first"): (tf.raw_ops.MaxPool3D, "NCDHW"),
}
"""By rank and data format, what tf.nn.max_pool calls: to call it directly saves 25 of an eager call's 230 us."""


@dataclass(frozen=True)
class MaxPool:
    """One operation over 2 or 3 spatial axes."""

    pool: tuple[int, ...]
    strides: tuple[int, ...]
    padding: str | pads.Pads
    data_format: str = "channels_last"

    def of_axes(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """Returns one integer per axis of the input, from those of the spatial axes."""
        return (1, *sizes, 1) if self.data_format == "channels_last" else (1, 1, *sizes)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Pools `x` with TensorFlow's own gradient."""
        return self._operation(input=x)

    @cached_property
    def _operation(self) -> Callable[..., tf.Tensor]:
        operation, name = OPERATIONS[len(self.pool), self.data_format]
        options: dict[str, Any] = {"padding": self.padding}
        if not isinstance(self.padding, str):
            explicit = [0, 0, *(n for pair in self.padding for n in pair), 0, 0]
            options = {"padding": "EXPLICIT", "explicit_paddings": explicit}
        window, strides = self.of_axes(self.pool), self.of_axes(self.strides)
        return partial(operation, ksize=window, strides=strides, data_format=name, **options)

    def with_guard(self, x: tf.Tensor) -> tf.Tensor:
        """Pools `x`, which may have no elements when the graph runs."""
        least = self.pool if self.padding == "VALID" else [1] * len(self.pool)
        return guarded(self, x, self.of_axes(least))

    @cached_property
    def _axes(self) -> tuple[Axis, ...]:
        padding = "same" if self.padding == "SAME" else (0, 0)
        return tuple(Axis(*pair, padding) for pair in zip(self.pool, self.strides, strict=True))

    def may_keep_shape(self, x: tf.Tensor) -> bool:
        """Returns whether the output has, or may have, the input's shape."""
        sizes = spatial_sizes(x.shape, self.data_format)
        return all(map(Axis.may_keep_size, self._axes, sizes))

    def padded(self, x: tf.Tensor, context: Context) -> tf.Tensor:
        """Pools `x` with explicit pads in place of "SAME"."""
        x = pads.pad(x, pads.explicit_pads(self._axes, shapes.sizes(x)[1:-1]), context)
        return replace(self, padding="VALID")(x)

    def twice_differentiable(self, x: tf.Tensor, context: Context) -> tf.Tensor:
        """Pools `x` in a way that can be differentiated twice: with explicit pads, or with channels last."""
        if self.data_format == "channels_last":
            least = self.of_axes([1] * len(self.pool))
            return guarded(lambda x: self.padded(x, context), x, least)
        last = layout.channels_last(x, self.data_format)
        y = max_pool(last, replace(self, data_format="channels_last"), context)
        return layout.restored(y, self.data_format)


def guarded(function: Callable[[tf.Tensor], Any], x: tf.Tensor, least: Sequence[int]) -> Any:
    """Computes `function` of `x`, padded to `least` elements per axis; an axis that had fewer has no outputs.

    Some operations end the process, or fail, on inputs without elements. Where the static shape excludes that,
    nothing is added.
    """
    if None not in x.shape and 0 not in x.shape:
        return function(x)
    # Both the pad and the slice return their input without a copy where nothing is missing.
    missing = tf.maximum(tf.constant(least) - tf.shape(x), 0)
    zeros = tf.zeros_like(missing)
    results = function(tf.pad(x, tf.stack([zeros, missing], axis=1)))
    return tf.nest.map_structure(
        lambda y: tf.slice(y, zeros, tf.where(missing > 0, 0, tf.shape(y))), results
    )


def max_pool(x: tf.Tensor, operation: MaxPool, context: Context) -> tf.Tensor:
    """Computes `tf.nn.max_pool` over 2 or 3 spatial axes, with a gradient that is safe, fast and right.

    Workarounds for TensorFlow 2.21 on the CPU:
    - In graphs only a MaxPoolGrad beside its MaxPool runs in oneDNN, which alone favours the first of 3D ties and
      is ten times as fast; so the backward pass computes a MaxPool of its own, which TensorFlow merges with the
      first one where both are in one graph.
    - oneDNN's gradient ends the process where the input or the output has no elements; where that cannot be excluded
      while tracing, its MaxPool gets a guard. Values that no tape watches stay one plain node, as exporters expect.
    - MaxPoolGradGrad overwrites its own argument if input and output have one shape, as with "SAME" and a stride or
      size of 1, or an unknown size. There second-order gradients and forward mode use explicit pads, and windows of
      one element, which need no pads, are a slice.
    - Only oneDNN pools with channels first: float32 and bfloat16, with a gradient in graphs, and no second-order
      one, which is computed with channels last.
    """
    pool, strides, data_format = operation.pool, operation.strides, operation.data_format
    if max(*pool, *strides) == 1:
        return x
    if max(pool) == 1 and (context.mode == "xla" or operation.may_keep_shape(x)):
        # Elsewhere the slice takes 9 times as long.
        spatial = [slice(None, None, stride) for stride in strides]
        return x[(slice(None), *([slice(None)] * (data_format == "channels_first")), *spatial)]
    padding = operation.padding
    if not isinstance(padding, str) and (context.differentiable or len(pool) == 3):
        x = pads.pad(x, padding, context)
        operation = replace(operation, padding="VALID")
    # A graph refuses an axis that is known to be empty; eager mode takes it.
    empty = context.mode == "graph" and 0 in x.shape.as_list()
    forward = operation.with_guard if empty else operation
    if context.mode == "xla" and context.taped and operation.padding == "SAME":
        # XLA's select-and-scatter sends the gradient of a tie to a later element where it pads by itself.
        return operation.padded(x, context)
    if not x.dtype.is_floating or context.mode == "xla" or not context.differentiable:
        return forward(x)
    keeps_shape = operation.may_keep_shape(x)
    if context.mode == "eager" and not keeps_shape:
        return forward(x)
    gradient = gradient_of(lambda x, _: operation.with_guard(x))
    if data_format == "channels_first" or keeps_shape:
        if context.has_tangent:
            return operation.twice_differentiable(x, context)
        gradient = with_second_order(gradient, gradient_of(operation.twice_differentiable))
    return with_gradient(operation.with_guard if context.taped else forward, gradient, x)
