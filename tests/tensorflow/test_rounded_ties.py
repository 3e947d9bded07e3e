"""Ties that only rounding to 16 bits makes: XLA, which computes in 32 bits, must not take them back."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from harness.runner import MODES, run

from keras_maxpool.ops import max_pool


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_first_of_those_that_rounding_makes_equal(dtype: str, mode: str) -> None:
    # The largest comes last; all round to one number.
    x = np.array([1.0, 1.00001, 1.00002, 1.00003], "float32").reshape(1, 2, 2, 1)
    scales = np.linspace(1, 1.0625, 16, dtype="float32").reshape(16, 1, 1, 1)

    def gradient(x: tf.Tensor, scales: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            rounded = tf.cast(x * scales, dtype)
            tape.watch(rounded)
            y = max_pool(rounded, 2)
        return tape.gradient(y, rounded)

    got = run(gradient, mode, x, scales).astype("float32")
    rounded = (x * scales).astype(tf.as_dtype(dtype).as_numpy_dtype).reshape(16, 4)
    wanted = np.eye(4)[rounded.argmax(1)]
    assert (rounded[:, 0] == rounded[:, 3]).any()
    np.testing.assert_array_equal(got.reshape(16, 4), wanted)
