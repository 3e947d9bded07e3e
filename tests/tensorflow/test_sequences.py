"""Graham's pooling sequences, beyond what the conformance tests draw."""

import numpy as np
import pytest
import tensorflow as tf
from harness.runner_tensorflow import nodes

from keras_maxpool.backend.tensorflow import sequences


def test_random_orders_the_lengths():
    """The i-th length is a long one where the position of the i-th of the sorted bits is among the first."""
    rng = np.random.default_rng(0)
    several = [rng.integers(-(2**31), 2**31, n, "int32") for n in (1, 2, 7, 100_001)]
    several.append(np.array([3, -1, 3, 3, -1], "int32"))  # ties stay in order
    for bits in several:
        for size in (len(bits), len(bits) + 1, 2 * len(bits) + 1, 5 * len(bits) - 1):
            got = sequences.random(size, len(bits), tf.constant(bits)).numpy()
            short, longer = divmod(size, len(bits))
            order = np.argsort(bits, kind="stable")
            np.testing.assert_array_equal(np.diff(got), short + (order < longer))
            assert (got[0], got[-1]) == (0, size)


@pytest.mark.parametrize("known", [True, False])
def test_known_seeds_leave_no_random_operation(known):
    """And so a graph that can be exported to more runtimes."""
    seed, spec = tf.constant([7, 0], tf.int64), tf.TensorSpec([2], tf.int64)
    traced = nodes(lambda given: sequences.random_bits(seed if known else given, [6, 7]), spec)
    assert any("Random" in node.op for node in traced) is not known
