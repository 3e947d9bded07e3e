"""Floats of 16 bits in 32: all of them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from running import MODES, run

from keras_maxpool.backend.tensorflow.numerics import widened


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_every_value_stays(dtype: str, mode: str) -> None:
    every = np.arange(2**16).astype("uint16").view(tf.as_dtype(dtype).as_numpy_dtype)
    np.testing.assert_array_equal(run(widened, mode, every), every.astype("float32"))
