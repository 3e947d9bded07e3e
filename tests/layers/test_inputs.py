"""What layers and ops take as tensors, with the built-in's values; ragged and sparse ones are told what to write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.install import needs
from harness.keras_version import LEGACY, keras

import keras_maxpool as km
from keras_maxpool import ops

SPATIAL = {1: (6,), 2: (6, 4), 3: (4, 4, 6)}
ranks = pytest.mark.parametrize("rank", SPATIAL)


def torch_tensor(array: np.ndarray) -> Any:
    torch = needs("torch")
    return torch.from_numpy(array)


def permuted_torch_tensor(array: np.ndarray) -> Any:
    """As a porter makes it of PyTorch's (batch, channels, *spatial): a view that is not contiguous."""
    return torch_tensor(np.ascontiguousarray(np.moveaxis(array, -1, 1))).movedim(1, -1)


def keras_variable(array: np.ndarray) -> Any:
    if LEGACY:  # where variables are TensorFlow's
        return tf.Variable(array)
    return keras.Variable(array, dtype=array.dtype.name)


MAKERS = (torch_tensor, permuted_torch_tensor, keras_variable, tf.Variable, np.asarray)
makers = pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)


def array(rank: int, dtype: str = "float32") -> np.ndarray:
    shape = (2, *SPATIAL[rank], 3)
    return np.random.default_rng(0).permutation(np.prod(shape)).reshape(shape).astype(dtype)


def assert_equal(results: Any, expected: Any) -> None:
    results, expected = tf.nest.flatten(results), tf.nest.flatten(expected)
    for result, values in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, values)


@ranks
@makers
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_pooling(rank: int, make: Callable, dtype: str) -> None:
    x = array(rank, dtype)
    builtin = getattr(keras.layers, f"MaxPooling{rank}D")()
    layer = getattr(km, f"MaxPool{rank}D")()
    torchs = make in (torch_tensor, permuted_torch_tensor)
    # In 3D the built-in has float32 alone, and under Keras 2 nothing of PyTorch's.
    if (dtype == "float32" or rank < 3) and not (LEGACY and torchs):
        theirs = builtin(make(x))
        assert layer(make(x)).dtype == theirs.dtype
        assert_equal(layer(make(x)), theirs)
    values, indices = reference.pool(x)
    assert_equal(layer(make(x)), values)
    assert_equal(ops.max_pool(make(x), return_indices=True), (values, indices))
    assert ops.max_pool(make(x)).dtype == dtype
    if dtype != "int32":
        top = x.max(tuple(range(1, rank + 1)))
        for function in (getattr(km, f"GlobalMaxPool{rank}D")(), ops.global_max_pool):
            assert_equal(function(make(x)), top)
        top = top.reshape(2, *[1] * rank, 3)
        adaptive = getattr(km, f"AdaptiveMaxPool{rank}D")(1)
        for function in (adaptive, lambda x: ops.adaptive_max_pool(x, 1)):
            assert_equal(function(make(x)), top)
        fractional = getattr(km, f"FractionalMaxPool{rank}D")(2, seed=0)
        for function in (fractional, lambda x: ops.fractional_max_pool(x, 2, seed=0)):
            assert_equal(function(make(x)), values)  # a ratio of 2 leaves nothing to chance


@ranks
@makers
def test_masks(rank: int, make: Callable) -> None:
    x = array(rank)
    mask = np.random.default_rng(1).random(x.shape[:-1]) < 0.7
    own = np.asarray if make is permuted_torch_tensor else make
    hidden = np.where(mask[..., None], x, -1.0)
    expected = np.maximum(reference.pool(hidden)[0], 0)
    assert_equal(getattr(km, f"MaxPool{rank}D")()(make(x), mask=own(mask)), expected)
    assert_equal(ops.max_pool(make(x), mask=own(mask)), expected)
    top = hidden.max(tuple(range(1, rank + 1)))
    assert_equal(getattr(km, f"GlobalMaxPool{rank}D")()(make(x), mask=own(mask)), top)
    assert_equal(ops.global_max_pool(make(x), mask=own(mask)), top)


@ranks
@makers
def test_unpooling(rank: int, make: Callable) -> None:
    x = array(rank)
    values, indices = reference.pool(x)
    expected = reference.unpool(values, indices, SPATIAL[rank])
    layer = getattr(km, f"MaxUnpool{rank}D")()
    given = make(values), make(indices)
    assert_equal(layer(*given, like=make(x)), expected)
    assert_equal(layer(list(given)), expected)
    assert_equal(ops.max_unpool(*given, like=make(x)), expected)
    assert_equal(ops.convert_indices(make(indices), x.shape, to="torch"), indices)


def test_torch_tensors_that_require_a_gradient() -> None:
    """TensorFlow cannot give it: PyTorch's own error, as from the built-in layer."""
    x = torch_tensor(array(2)).requires_grad_()
    for function in (keras.layers.MaxPool2D(), km.MaxPool2D(), ops.max_pool):
        if LEGACY and function.__class__ is keras.layers.MaxPool2D:
            continue  # TensorFlow's error there
        with pytest.raises(RuntimeError, match="detach"):
            function(x)


def not_dense(rank: int, kind: str, symbolic: bool) -> Any:
    if not symbolic:
        make = {"ragged": tf.RaggedTensor.from_tensor, "sparse": tf.sparse.from_dense}
        return make[kind](array(rank))
    try:
        return keras.Input((*SPATIAL[rank], 3), **{kind: True})
    except TypeError:
        return pytest.skip(f"this Keras has no keras.Input({kind}=True): 3.15 has")


@ranks
@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize(
    ("kind", "fix"),
    [("ragged", r"\.to_tensor\(\), .* mask="), ("sparse", r"tf\.sparse\.to_dense\(")],
)
def test_not_dense(rank: int, symbolic: bool, kind: str, fix: str) -> None:
    odd, x = not_dense(rank, kind, symbolic), array(rank)
    values, indices = reference.pool(x)
    pool, top, adaptive, fractional, unpool = (
        getattr(km, f"{family}{rank}D")
        for family in (
            "MaxPool",
            "GlobalMaxPool",
            "AdaptiveMaxPool",
            "FractionalMaxPool",
            "MaxUnpool",
        )
    )
    calls = {
        "inputs": [
            lambda: pool()(odd),
            lambda: top()(odd),
            lambda: adaptive(2)(odd),
            lambda: fractional(1.5)(odd),
            lambda: ops.max_pool(odd),
            lambda: ops.global_max_pool(odd),
            lambda: ops.adaptive_max_pool(odd, 2),
            lambda: ops.fractional_max_pool(odd, 1.5),
        ],
        "mask": [
            lambda: pool()(x, mask=odd),
            lambda: top()(x, mask=odd),
            lambda: ops.max_pool(x, mask=odd),
            lambda: ops.global_max_pool(x, mask=odd),
        ],
        "values": [lambda: unpool()(odd, indices), lambda: ops.max_unpool(odd, indices)],
        "indices": [
            lambda: unpool()(values, odd),
            lambda: unpool()([values, odd]),
            lambda: ops.max_unpool(values, odd),
            lambda: ops.convert_indices(odd, x.shape),
        ],
        "like": [
            lambda: unpool()(values, indices, like=odd),
            lambda: ops.max_unpool(values, indices, like=odd),
        ],
    }
    for name, of_argument in calls.items():
        message = rf"`{name}` takes dense tensors; received a {kind} one of shape .*{fix}"
        for call in of_argument:
            with pytest.raises(TypeError, match=message):
                call()
