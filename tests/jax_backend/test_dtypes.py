"""What JAX without 64-bit types does, as it comes; with them, the conformance tests run."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from harness.cases import CHOSEN, case
from harness.keras_version import keras

import keras_maxpool
from keras_maxpool import ops

CASE = case(CHOSEN[10])


def test_indices_have_32_bits() -> None:
    with jax.enable_x64(False):
        values, indices = ops.max_pool(CASE.x, **CHOSEN[10].arguments, return_indices=True)
        assert (values.dtype, indices.dtype) == ("float32", "int32")
        np.testing.assert_array_equal(indices, CASE.indices)
        _, symbolic = keras_maxpool.MaxPool2D(return_indices=True)(keras.Input((4, 4, 1)))
        assert symbolic.dtype == "int32"
        for pool in (ops.global_max_pool, lambda x, **o: ops.adaptive_max_pool(x, 2, **o)):
            assert pool(CASE.x, return_indices=True)[1].dtype == "int32"


def test_a_volume_that_32_bits_do_not_count() -> None:
    with jax.enable_x64(False):
        inputs = keras.Input((2**16, 2**15, 1))
        with pytest.raises(ValueError, match=r"fewer than 2\*\*31 .* JAX_ENABLE_X64=1"):
            ops.max_pool(inputs, return_indices=True)
