"""What layers and ops take as tensors, with the built-in's values; ragged and sparse ones are told what to write."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import reference
from harness.install import needs, tensorflow_alone
from harness.keras_version import LEGACY, keras
from harness.layers import FAMILIES, layer, layer_class
from harness.runner import BACKEND, as_array, as_arrays

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


def tensorflow_variable(array: np.ndarray) -> Any:
    return tensorflow_alone().Variable(array)


def keras_variable(array: np.ndarray) -> Any:
    if LEGACY:  # where variables are TensorFlow's
        return tensorflow_variable(array)
    return keras.Variable(array, dtype=array.dtype.name, trainable=array.dtype.kind == "f")


MAKERS = (torch_tensor, permuted_torch_tensor, keras_variable, tensorflow_variable, np.asarray)
makers = pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)


def array(rank: int, dtype: str = "float32") -> np.ndarray:
    shape = (2, *SPATIAL[rank], 3)
    return np.random.default_rng(0).permutation(np.prod(shape)).reshape(shape).astype(dtype)


def assert_equal(results: Any, expected: Any) -> None:
    for result, values in zip(as_arrays(results), as_arrays(expected), strict=True):
        np.testing.assert_array_equal(result, values)


def assert_both(function: tuple, x: Any, expected: Any, **options: Any) -> None:
    """The layer and the op of a family."""
    pool, op = function
    assert_equal(pool(x, **options), expected)
    assert_equal(op(x, **options), expected)


@ranks
@makers
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_pooling(rank: int, make: Callable, dtype: str) -> None:
    x = array(rank, dtype)
    builtin = getattr(keras.layers, f"MaxPooling{rank}D")()
    pool = getattr(km, f"MaxPool{rank}D")()
    torchs = make in (torch_tensor, permuted_torch_tensor)
    # In 3D the built-in has float32 alone, in 1D on PyTorch no integers, and under Keras 2 nothing of PyTorch's.
    has = dtype == "float32" or rank == 2 or (rank == 1 and (BACKEND, dtype) != ("torch", "int32"))
    if has and not (LEGACY and torchs):
        theirs = builtin(make(x))
        assert pool(make(x)).dtype == theirs.dtype
        assert_equal(pool(make(x)), theirs)
    values, indices = reference.pool(x)
    assert_equal(pool(make(x)), values)
    assert_equal(ops.max_pool(make(x), return_indices=True), (values, indices))
    assert as_array(ops.max_pool(make(x))).dtype == dtype
    if dtype == "float32":
        top = x.max(tuple(range(1, rank + 1)))
        assert_both((layer_class("GlobalMaxPooling", rank)(), ops.global_max_pool), make(x), top)
        one = layer_class("AdaptiveMaxPooling", rank)(1), lambda x: ops.adaptive_max_pool(x, 1)
        assert_both(one, make(x), top.reshape(2, *[1] * rank, 3))
        half = layer_class("FractionalMaxPooling", rank)(2, seed=0)
        by_op = lambda x: ops.fractional_max_pool(x, 2, seed=0)  # noqa: E731
        assert_both((half, by_op), make(x), values)  # a ratio of 2 leaves nothing to chance


@ranks
@makers
def test_masks(rank: int, make: Callable) -> None:
    x = array(rank)
    mask = np.random.default_rng(1).random(x.shape[:-1]) < 0.7
    own = np.asarray if make is permuted_torch_tensor else make
    hidden = np.where(mask[..., None], x, -1.0)
    expected = np.maximum(reference.pool(hidden)[0], 0)
    assert_both(
        (layer_class("MaxPooling", rank)(), ops.max_pool), make(x), expected, mask=own(mask)
    )
    top = hidden.max(tuple(range(1, rank + 1)))
    pools = layer_class("GlobalMaxPooling", rank)(), ops.global_max_pool
    assert_both(pools, make(x), top, mask=own(mask))


@ranks
@makers
def test_unpooling(rank: int, make: Callable) -> None:
    x = array(rank)
    values, indices = reference.pool(x)
    expected = reference.unpool(values, indices, SPATIAL[rank])
    unpool = getattr(km, f"MaxUnpool{rank}D")()
    given = make(values), make(indices)
    assert_equal(unpool(*given, like=make(x)), expected)
    assert_equal(unpool(list(given)), expected)
    assert_equal(ops.max_unpool(*given, like=make(x)), expected)
    assert_equal(ops.convert_indices(make(indices), x.shape, to="torch"), indices)


@pytest.mark.skipif(
    BACKEND == "torch", reason="PyTorch gives the gradient: set KERAS_BACKEND=tensorflow"
)
def test_torch_tensors_that_require_a_gradient() -> None:
    """Another backend cannot give it: PyTorch's own error, as from the built-in layer."""
    x = torch_tensor(array(2)).requires_grad_()
    for function in (keras.layers.MaxPool2D(), km.MaxPool2D(), ops.max_pool):
        if LEGACY and function.__class__ is keras.layers.MaxPool2D:
            continue  # TensorFlow's error there
        with pytest.raises(RuntimeError, match="detach"):
            function(x)


def not_dense(tf: Any, rank: int, kind: str, symbolic: bool) -> Any:
    if not symbolic:
        make = {"ragged": tf.RaggedTensor.from_tensor, "sparse": tf.sparse.from_dense}
        return make[kind](array(rank))
    try:
        return keras.Input((*SPATIAL[rank], 3), **{kind: True})
    except TypeError:
        return pytest.skip(f"this Keras has no keras.Input({kind}=True): pip install -U keras")


@ranks
@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize(
    ("kind", "fix"),
    [("ragged", r"\.to_tensor\(\), .* mask="), ("sparse", r"tf\.sparse\.to_dense\(")],
)
def test_not_dense(rank: int, symbolic: bool, kind: str, fix: str, tf: Any) -> None:
    odd, x = not_dense(tf, rank, kind, symbolic), array(rank)
    values, indices = reference.pool(x)
    pool, top, adaptive, fractional, unpool = (layer(family, rank) for family in FAMILIES)
    of_inputs = [pool, top, adaptive, fractional, ops.max_pool, ops.global_max_pool]
    of_inputs += [lambda x: ops.adaptive_max_pool(x, 2), lambda x: ops.fractional_max_pool(x, 1.5)]
    masked = pool, top, ops.max_pool, ops.global_max_pool
    unpools = unpool, ops.max_unpool
    calls: dict[str, list[Callable[[], Any]]] = {
        "inputs": [partial(function, odd) for function in of_inputs],
        "mask": [partial(function, x, mask=odd) for function in masked],
        "values": [partial(function, odd, indices) for function in unpools],
        "indices": [partial(function, values, odd) for function in unpools],
        "like": [partial(function, values, indices, like=odd) for function in unpools],
    }
    calls["indices"] += [lambda: unpool([values, odd]), lambda: ops.convert_indices(odd, x.shape)]
    for name, of_argument in calls.items():
        message = rf"`{name}` takes dense tensors; received a {kind} one of shape .*{fix}"
        for call in of_argument:
            with pytest.raises(TypeError, match=message):
                call()
