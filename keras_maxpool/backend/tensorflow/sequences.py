"""Computes pooling sequences from random bits: the starts of a fractional pooling's regions, and the last one's end.

Graham, "Fractional Max-Pooling" (2014, arXiv:1412.6071), section 2, counted from 0. All lengths are floor(alpha) or
ceil(alpha), for alpha = size / outputs. All arithmetic is in integers, so that all modes agree.
"""

from collections.abc import Sequence

import tensorflow as tf

from keras_maxpool.backend.tensorflow import shapes


def pseudo_random(size: shapes.Size, outputs: shapes.Size, bits: tf.Tensor) -> tf.Tensor:
    """Returns the starts of `outputs` regions, and `size`, from the first of `bits`.

    Graham's a_i = ceil(alpha * (i + u)) depends on u through ceil(size * u) alone. That is drawn from 1 to `outputs`,
    evenly: then the first region begins at 0 and the last ends at `size`, with none cut short or stretched for it.
    """
    size, outputs = tf.cast(size, tf.int64), tf.cast(outputs, tf.int64)
    # Twice, since in ONNX the remainder of a negative number is negative.
    phase = (tf.cast(bits[0], tf.int64) % outputs + outputs) % outputs
    return (tf.range(outputs + 1) * size + phase) // outputs


def random(size: shapes.Size, outputs: shapes.Size, bits: tf.Tensor) -> tf.Tensor:
    """Returns the starts of `outputs` regions, and `size`, from as many `bits`: the two lengths in random order."""
    size, outputs = tf.cast(size, tf.int64), tf.cast(outputs, tf.int64)
    order = tf.argsort(bits, stable=True)
    longer = tf.cast(order, tf.int64) < size % outputs
    lengths = size // outputs + tf.cast(longer, tf.int64)
    return tf.concat([tf.zeros([1], tf.int64), tf.cumsum(lengths)], 0)


def random_bits(seed: tf.Tensor, counts: Sequence[shapes.Size]) -> list[tf.Tensor]:
    """Draws as many random int32 for each axis, the same from the same seed in eager, graph and XLA mode."""
    known = tf.get_static_value(seed)
    known_counts = all(isinstance(count, int) for count in counts)
    static = known_counts and sum(counts) <= shapes.MAX_STATIC
    if known is None or not static:
        bits = _bits(seed, sum(counts))
    else:
        # Drawn while tracing: a graph without random operations can be exported to more places.
        with tf.init_scope():
            drawn = _bits(tf.constant(known), sum(counts)).numpy()
        bits = tf.constant(drawn)
    ends = [sum(counts[: i + 1]) for i in range(len(counts))]
    return [bits[end - count : end] for end, count in zip(ends, counts, strict=True)]


def _bits(seed: tf.Tensor, count: shapes.Size) -> tf.Tensor:
    return tf.random.stateless_uniform(
        [count], seed, minval=None, maxval=None, dtype=tf.int32, alg="philox"
    )
