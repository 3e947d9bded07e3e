"""`fractional_max_pool`: pooling that shrinks by a ratio between whole numbers, over random regions."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import tensorflow as tf

from keras_maxpool import arguments
from keras_maxpool.ops import converter, layout, mode, regions, sequences, shapes
from keras_maxpool.ops.inputs import dense
from keras_maxpool.ops.regions import Regions
from keras_maxpool.which_keras import keras
from keras_maxpool.window import ceil_divide

FINEST = 10**6
"""The largest denominator of a ratio: sizes up to 2**31 times it stay within 64 bits."""


@tf.autograph.experimental.do_not_convert
def fractional_max_pool(
    inputs: Any,
    pooling_ratio: Any,
    pseudo_random: bool = False,
    overlapping: bool = False,
    data_format: str | None = None,
    *,
    seed: Any = None,
    return_indices: bool = False,
) -> Any:
    """Fractional max pooling over 1, 2 or 3 spatial axes.

    Args:
        inputs: a tensor, or what converts to one: batch, 1 to 3 spatial axes, channels.
        pooling_ratio, pseudo_random, overlapping, data_format, return_indices: as
            `keras_maxpool.FractionalMaxPooling2D` takes them, with one ratio for each spatial axis.
        seed: as Keras's random functions take it: an integer, which gives the same regions in every call and
            mode; a `keras.random.SeedGenerator`, which gives others in every call; None for Keras's own.

    Returns:
        The pooled tensor, of the inputs' dtype; with `return_indices`, that and the int64 indices.

    Raises:
        TypeError, ValueError: as `keras_maxpool.FractionalMaxPooling2D` does.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(100.0).reshape(1, 10, 10, 1)
    >>> keras_maxpool.ops.fractional_max_pool(ramp, 1.44, seed=0).shape
    TensorShape([1, 6, 6, 1])
    """
    x = dense(inputs)
    ratios = arguments.ratios(pooling_ratio, arguments.spatial_rank(x.shape))
    arguments.flag(pseudo_random, "pseudo_random")
    arguments.flag(overlapping, "overlapping")
    data_format = layout.resolved(data_format)
    if not isinstance(seed, keras.random.SeedGenerator):
        arguments.seed(seed)
    arguments.flag(return_indices, "return_indices")
    arguments.dtype(x.dtype.name)
    return pool(x, ratios, pseudo_random, overlapping, data_format, seed, return_indices)


@converter.carried
def pool(
    x: tf.Tensor,
    ratios: Sequence[float],
    pseudo_random: bool,
    overlapping: bool,
    data_format: str,
    seed: Any,
    return_indices: bool,
) -> Any:
    """`fractional_max_pool` for arguments that have been checked."""
    static_shape = output_shape(x.shape, ratios, data_format)
    # A generator goes on, whatever the inputs.
    start = _seed(seed)
    nothing = shapes.without_elements(x, static_shape, "int64" if return_indices else None)
    if nothing is not None:
        return nothing
    sizes = layout.spatial(shapes.sizes(x), data_format)
    runtime = converter.current()
    if runtime in ("LiteRT", "OpenVINO"):
        converter.check_sizes(sizes, "has no exact division of unknown sizes")
    if runtime == "ONNX" and not pseudo_random:
        converter.check_sizes(sizes, "has other random numbers than TensorFlow")
    outputs = [_output_size(size, ratio) for size, ratio in zip(sizes, ratios, strict=True)]
    if mode.current() == "graph":
        checks = [
            tf.debugging.Assert(output > 0, [_nothing_left(place, "these elements", ratio), size])
            for place, (size, output, ratio) in enumerate(zip(sizes, outputs, ratios, strict=True))
            if isinstance(size, tf.Tensor)
        ]
        with tf.control_dependencies(checks):
            x = tf.identity(x)
            outputs = [shapes.maximum(output, 1) for output in outputs]
    if pseudo_random:
        sequence, counts = sequences.pseudo_random, [1] * len(sizes)
    else:
        sequence, counts = sequences.random, outputs
    bits = sequences.random_bits(start, counts)
    axes = [
        _regions(sequence(size, output, of_axis), size, output, overlapping)
        for size, output, of_axis in zip(sizes, outputs, bits, strict=True)
    ]
    return regions.pool(x, axes, data_format, static_shape, return_indices)


def output_shape(
    shape: Sequence[int | None], ratios: Sequence[float], data_format: str
) -> tuple[int | None, ...]:
    """The shape that pooling gives for inputs of `shape`, None where unknown."""
    sizes = layout.spatial(shape, data_format)
    pooled = [
        None if size is None else _output_size(size, ratio)
        for size, ratio in zip(sizes, ratios, strict=True)
    ]
    if 0 in pooled:
        place = pooled.index(0)
        message = _nothing_left(place, f"{sizes[place]} elements", ratios[place])
        raise ValueError(f"{message} Received spatial sizes {tuple(sizes)}.")
    return layout.with_spatial(shape, data_format, pooled)


def _output_size(size: shapes.Size, ratio: float) -> shapes.Size:
    """floor(size / ratio), in integers: so 10 / (10 / 7) is 7, whatever its rounding as floats."""
    exact = Fraction(ratio).limit_denominator(FINEST)
    if isinstance(size, int):
        return size * exact.denominator // exact.numerator
    outputs = tf.cast(size, tf.int64) * exact.denominator // exact.numerator
    return tf.cast(outputs, tf.int32)


def _nothing_left(place: int, elements: str, ratio: float) -> str:
    return (
        f"`pooling_ratio` leaves nothing of spatial axis {place}, which has {elements}; received "
        f"pooling_ratio={ratio} there. Use a smaller ratio, or a larger input."
    )


def _seed(seed: Any) -> tf.Tensor:
    """The two integers that TensorFlow's random functions start from."""
    if seed is None:
        return keras.random.randint((2,), 0, arguments.INT_LIMIT - 1)
    if isinstance(seed, keras.random.SeedGenerator):
        return tf.cast(seed.next(), tf.int64)
    return tf.constant([seed, 0], tf.int64)


def _regions(
    bounds: tf.Tensor, size: shapes.Size, outputs: shapes.Size, overlapping: bool
) -> Regions:
    """From each bound to before the next, or to the next and with it."""
    extra = 1 if overlapping else 0
    ends = tf.minimum(bounds[1:] + extra, tf.cast(size, bounds.dtype))
    return regions.between(bounds[:-1], ends, ceil_divide(size, outputs, shapes.maximum) + extra)
