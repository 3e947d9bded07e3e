"""What JAX without 64-bit types does, as it comes; with them, the conformance tests run."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from harness.cases import CHOSEN, case
from harness.keras_version import keras
from harness.processes import run_code

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


def test_sums_of_16_bits_are_rounded_once() -> None:
    x = np.array([0, 0, 9, 0, 0], "bfloat16")[None, :, None]
    pool = jax.jit(lambda x: ops.max_pool(x, 3, 1))
    (gradient,) = jax.vjp(pool, x)[1](np.array([256, 1, 1], "bfloat16")[None, :, None])
    assert gradient[0, 2, 0] == 258


def test_the_same_regions_as_on_tensorflow() -> None:
    """The bits of a seed are those that TensorFlow draws, of which these were printed there."""
    from keras_maxpool.backend.jax.sequences import random_bits

    seed = jax.numpy.array([7, 0, 0, 0], "uint32")
    bits = np.asarray(random_bits(seed, 6)).view("int32").tolist()
    assert bits == [-60841913, 232131072, -1643682478, -2066582124, 713621471, 1599440409]


def test_nothing_imports_tensorflow() -> None:
    code = (
        "import sys, keras_maxpool; print([n for n in sys.modules if n.startswith('tensorflow')])"
    )
    child = run_code(code, KERAS_BACKEND="jax")
    assert child.stdout.strip() == "[]", child.stderr
