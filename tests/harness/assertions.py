"""How results are compared."""

from typing import Any

import ml_dtypes
import numpy as np

from harness.runner import as_array

EPSILON = {"float16": 1e-3, "bfloat16": 8e-3, "float32": 1.2e-7, "float64": 2.3e-16}
"""The distance from 1 to the next number."""


def assert_same(actual: Any, expected: Any, what: str = "") -> None:
    """Equal dtypes, shapes and values of tensors or arrays; NaN is NaN, and zeros have no sign."""
    actual, expected = as_array(actual), as_array(expected)
    assert actual.dtype == expected.dtype, what
    assert actual.shape == expected.shape, what  # assert_array_equal would broadcast a scalar
    if actual.dtype == ml_dtypes.bfloat16:  # no NumPy type of its own
        actual, expected = actual.astype("float32"), expected.astype("float32")
    np.testing.assert_array_equal(actual, expected, what)


def assert_close(actual: np.ndarray, expected: np.ndarray, dtype: str = "float32") -> None:
    """Equal shapes, and values up to a rounding or two of the dtype."""
    assert actual.shape == expected.shape
    expected = expected.astype("float64")
    np.testing.assert_allclose(actual.astype("float64"), expected, 2 * EPSILON[dtype], 0)


def assert_all_same(results: Any, *expected: Any, what: str = "") -> None:
    """`assert_same` of one result after another."""
    for n, (actual, wanted) in enumerate(zip(results, expected, strict=True)):
        assert_same(actual, wanted, f"result {n} {what}")
