"""`fractional_max_pool` on TensorFlow: computes the output sizes, and draws the regions of each axis."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from keras_maxpool import arguments
from keras_maxpool.backend.tensorflow import export, regions, sequences, shapes
from keras_maxpool.backend.tensorflow.context import Context
from keras_maxpool.backend.tensorflow.regions import Regions
from keras_maxpool.compat import keras
from keras_maxpool.geometry import output_shapes
from keras_maxpool.geometry.layout import spatial_sizes
from keras_maxpool.geometry.window import ceil_divide


@export.in_context
def fractional_max_pool(
    x: tf.Tensor,
    context: Context,
    ratios: Sequence[float],
    pseudo_random: bool,
    overlapping: bool,
    data_format: str,
    seed: Any,
    return_indices: bool,
) -> Any:
    """Computes `fractional_max_pool` for checked arguments."""
    static_shape = output_shapes.fractional_max_pooled(x.shape, ratios, data_format)
    # First, so that a generator advances for empty inputs too.
    start = _seed(seed)
    empty = shapes.without_elements(x, static_shape, "int64" if return_indices else None)
    if empty is not None:
        return empty
    sizes = spatial_sizes(shapes.sizes(x), data_format)
    if context.runtime in ("LiteRT", "OpenVINO"):
        export.check_sizes(sizes, f"{context.runtime} has no exact division of unknown sizes")
    if context.runtime == "ONNX" and not pseudo_random:
        export.check_sizes(sizes, "ONNX has other random numbers than TensorFlow")
    outputs = [_output_size(size, ratio) for size, ratio in zip(sizes, ratios, strict=True)]
    if context.mode == "graph":
        checks = [
            (output > 0, [output_shapes.nothing_left(i, "these elements", ratio), size])
            for i, (size, output, ratio) in enumerate(zip(sizes, outputs, ratios, strict=True))
            if isinstance(size, tf.Tensor)
        ]
        x = shapes.asserted(x, checks)
        outputs = [shapes.maximum(output, 1) for output in outputs]
    if pseudo_random:
        sequence, counts = sequences.pseudo_random, [1] * len(sizes)
    else:
        sequence, counts = sequences.random, outputs
    bits = sequences.random_bits(start, counts)
    axes = [
        _regions(sequence(size, output, axis_bits), size, output, overlapping)
        for size, output, axis_bits in zip(sizes, outputs, bits, strict=True)
    ]
    return regions.pool(x, axes, context, data_format, static_shape, return_indices)


def _output_size(size: shapes.Size, ratio: float) -> shapes.Size:
    """Computes floor(size / ratio) in integers, so that 10 / (10 / 7) is exactly 7, without rounding of floats."""
    if isinstance(size, int):
        return output_shapes.fractional_size(size, ratio)
    exact = output_shapes.exact_ratio(ratio)
    outputs = tf.cast(size, tf.int64) * exact.denominator // exact.numerator
    return tf.cast(outputs, tf.int32)


def _seed(seed: Any) -> tf.Tensor:
    """Returns the two integers that TensorFlow's random functions start from."""
    if seed is None:
        return keras.random.randint((2,), 0, arguments.INT_LIMIT - 1)
    if isinstance(seed, keras.random.SeedGenerator):
        return tf.cast(seed.next(), tf.int64)
    return tf.constant([seed, 0], tf.int64)


def _regions(
    bounds: tf.Tensor, size: shapes.Size, outputs: shapes.Size, overlapping: bool
) -> Regions:
    """Returns the regions: each goes from its bound to before the next, or with `overlapping` includes the next."""
    extra = 1 if overlapping else 0
    ends = tf.minimum(bounds[1:] + extra, tf.cast(size, bounds.dtype))
    return regions.between(bounds[:-1], ends, ceil_divide(size, outputs, shapes.maximum) + extra)
