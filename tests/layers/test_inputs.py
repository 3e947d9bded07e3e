"""What layers and ops take as tensors, with the built-in's values; ragged and sparse ones are told what to write."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import reference
from harness.install import needs, tensorflow_alone
from harness.keras_version import LEGACY, keras
from harness.layers import FAMILIES, layer
from harness.runner import as_array, as_arrays

import keras_maxpool as km
from keras_maxpool import ops

SPATIAL = (6, 4)


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


MAKERS = (torch_tensor, permuted_torch_tensor, keras_variable, tensorflow_variable)
makers = pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)


def array(dtype: str = "float32") -> np.ndarray:
    shape = (2, *SPATIAL, 3)
    return np.random.default_rng(0).permutation(np.prod(shape)).reshape(shape).astype(dtype)


def assert_equal(results: Any, expected: Any) -> None:
    for result, values in zip(as_arrays(results), as_arrays(expected), strict=True):
        np.testing.assert_array_equal(result, values)


@makers
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_pooling(make: Callable, dtype: str) -> None:
    x = array(dtype)
    if not (LEGACY and make in MAKERS[:2]):  # Keras 2's takes nothing of PyTorch's
        theirs = keras.layers.MaxPooling2D()(make(x))
        assert km.MaxPool2D()(make(x)).dtype == theirs.dtype
        assert_equal(km.MaxPool2D()(make(x)), theirs)
    values, indices = reference.pool(x)
    assert_equal(ops.max_pool(make(x), return_indices=True), (values, indices))
    assert as_array(ops.max_pool(make(x))).dtype == dtype
    top = x.max((1, 2))
    for pool, expected in [
        (km.MaxPool2D(), values),
        (km.GlobalMaxPool2D(), top),
        (ops.global_max_pool, top),
        (km.AdaptiveMaxPool2D(1), top[:, None, None]),
        (lambda x: ops.adaptive_max_pool(x, 1), top[:, None, None]),
        (km.FractionalMaxPool2D(2, seed=0), values),  # a ratio of 2 leaves nothing to chance
        (lambda x: ops.fractional_max_pool(x, 2, seed=0), values),
    ]:
        assert_equal(pool(make(x)), expected)


@makers
def test_masks_and_unpooling(make: Callable) -> None:
    x = array()
    mask = np.random.default_rng(1).random(x.shape[:-1]) < 0.7
    own = np.asarray(mask) if make is permuted_torch_tensor else make(mask)
    hidden = np.where(mask[..., None], x, -1.0)
    for pool in (km.MaxPool2D(), ops.max_pool):
        expected = np.maximum(reference.pool(hidden)[0], 0)
        assert_equal(pool(make(x), mask=own), expected)
    for pool in (km.GlobalMaxPool2D(), ops.global_max_pool):
        assert_equal(pool(make(x), mask=own), hidden.max((1, 2)))

    values, indices = reference.pool(x)
    expected = reference.unpool(values, indices, SPATIAL)
    given = make(values), make(indices)
    for unpool in (km.MaxUnpool2D(), ops.max_unpool):
        assert_equal(unpool(*given, like=make(x)), expected)
    assert_equal(km.MaxUnpool2D()(list(given)), expected)
    assert_equal(ops.convert_indices(make(indices), x.shape, to="torch"), indices)


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize(
    ("kind", "fix"),
    [("ragged", r"\.to_tensor\(\), .* mask="), ("sparse", r"tf\.sparse\.to_dense\(")],
)
def test_not_dense(symbolic: bool, kind: str, fix: str, tf: Any) -> None:
    x = array()
    values, indices = reference.pool(x)
    if symbolic:
        try:
            odd = keras.Input((*SPATIAL, 3), **{kind: True})
        except TypeError:
            pytest.skip(f"this Keras has no keras.Input({kind}=True): pip install -U keras")
    else:
        odd = {"ragged": tf.RaggedTensor.from_tensor, "sparse": tf.sparse.from_dense}[kind](x)
    pool, top, adaptive, fractional, unpool = (layer(family, 2) for family in FAMILIES)
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
