"""Keras's own layer test, and the test files that ship with its pooling layers, on the layers of this package."""

from __future__ import annotations

import importlib.util
import unittest
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from harness.keras_version import LEGACY, keras

import keras_maxpool

if LEGACY:
    pytest.skip("Keras 2 ships no tests", allow_module_level=True)

from keras.src.testing import TestCase

SHIPPED = (
    "max_pooling_test",
    "global_max_pooling_test",
    "adaptive_pooling1d_test",
    "adaptive_pooling2d_test",
    "adaptive_pooling3d_test",
)
MASKED = ("MaxPooling", "GlobalMaxPooling")
"""The families that take masks, contrary to the built-in layers."""


@pytest.fixture(autouse=True)
def traceback_filtering() -> Iterator[None]:
    """Keras's test cases switch it off for the whole process."""
    yield
    keras.config.enable_traceback_filtering()


class LayerTest(TestCase):
    """Runs `run_layer_test` with what Keras asks of a layer without weights."""

    def check(self, cls: type, init: dict[str, Any], outputs: Any, **given: Any) -> None:
        dtypes = given.pop("expected_output_dtype", "float32")
        self.run_layer_test(
            cls,
            init,
            expected_output_shape=outputs,
            expected_output_dtype=dtypes,
            expected_num_trainable_weights=0,
            expected_num_non_trainable_weights=0,
            expected_num_losses=0,
            supports_masking=takes_masks(cls),
            assert_built_after_instantiation=True,
            **given,
        )


def takes_masks(cls: type) -> bool:
    return cls.__name__[:-2] in MASKED


def layer_class(family: str, rank: int) -> Any:
    return getattr(keras_maxpool, f"{family}{rank}D")


def shape(rank: int, size: int | None, data_format: str) -> tuple[int | None, ...]:
    """Two samples of three channels; None leaves the spatial axes out."""
    sizes = () if size is None else (size,) * rank
    return (2, *sizes, 3) if data_format == "channels_last" else (2, 3, *sizes)


CASES = {
    "MaxPooling": [
        ({}, 3),
        ({"pool_size": 3, "strides": 2, "padding": "same"}, 3),
        ({"pool_size": 3, "padding": 1, "strides": 2, "ceil_mode": True}, 4),
        ({"dilation_rate": 2, "strides": 1, "nonfinite": "ieee"}, 4),
    ],
    "GlobalMaxPooling": [({}, None), ({"keepdims": True, "nonfinite": "ieee"}, 1)],
    "AdaptiveMaxPooling": [({"output_size": 4}, 4)],
    "FractionalMaxPooling": [
        ({"pooling_ratio": 1.5}, 4),
        ({"pooling_ratio": 1.5, "pseudo_random": True, "overlapping": True, "seed": 3}, 4),
    ],
}
"""By family, arguments and what they make of 6 elements per axis."""


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    ("family", "arguments", "size"),
    [(family, *case) for family, cases in CASES.items() for case in cases],
)
def test_pooling(
    family: str, arguments: dict[str, Any], size: int | None, rank: int, data_format: str
) -> None:
    cls, arguments = layer_class(family, rank), arguments | {"data_format": data_format}
    inputs = shape(rank, 6, data_format)
    outputs = shape(rank, size, data_format)
    # Fractional layers hold a seed generator, whose state is a variable.
    generators = int(family == "FractionalMaxPooling")
    LayerTest().check(
        cls,
        arguments,
        outputs,
        input_shape=inputs,
        expected_num_seed_generators=generators,
        expected_num_non_trainable_variables=generators,
    )


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    ("family", "arguments"),
    [*((family, {}) for family in CASES), ("MaxPooling", {"indices_convention": "tensorflow"})],
)
def test_values_and_indices(family: str, arguments: dict[str, Any], rank: int) -> None:
    first, size = CASES[family][0]
    outputs = shape(rank, size, "channels_last")
    LayerTest().check(
        layer_class(family, rank),
        first | arguments | {"return_indices": True},
        (outputs, outputs),
        input_shape=shape(rank, 6, "channels_last"),
        expected_output_dtype=("float32", "int64"),
        # Its loss subtracts one output from the labels.
        run_training_check=False,
    )


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_unpooling(rank: int, data_format: str) -> None:
    x = np.random.default_rng(0).normal(size=shape(rank, 6, data_format)).astype("float32")
    pooling = layer_class("MaxPooling", rank)(2, data_format=data_format, return_indices=True)
    values, indices = pooling(x)
    expected = np.where(np.isin(x, values), x, np.float32(0))
    LayerTest().check(
        layer_class("MaxUnpooling", rank),
        {"data_format": data_format},
        None,
        input_data=[values, indices],
        expected_output=keras.ops.convert_to_tensor(expected),
        run_training_check=False,
    )


def shipped_tests() -> Iterator[Any]:
    """Each test of Keras's files for max pooling, as a test case whose layers are those of this package."""
    for name in SHIPPED:
        spec = importlib.util.find_spec(f"keras.src.layers.pooling.{name}")
        # Keras 3.7 ships no tests.
        if spec is None or spec.loader is None:
            continue
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield from cases_of(module)


def cases_of(module: Any) -> Iterator[Any]:
    ours = {name: getattr(keras_maxpool, name) for name in keras_maxpool.__all__}
    module.layers = SimpleNamespace(**vars(keras.layers) | ours)
    for suite in unittest.defaultTestLoader.loadTestsFromModule(module):
        for case in suite:
            yield pytest.param(case, id=case.id().removeprefix("keras.src.layers.pooling."))


@pytest.mark.parametrize("case", shipped_tests())
def test_shipped(case: TestCase, monkeypatch: pytest.MonkeyPatch) -> None:
    check = case.run_layer_test

    def with_masks(cls: type, *args: Any, **kwargs: Any) -> None:
        check(cls, *args, **kwargs | {"supports_masking": takes_masks(cls)})

    monkeypatch.setattr(case, "run_layer_test", with_masks)
    result = case.run()
    assert result is not None
    assert result.testsRun == 1
    assert not result.failures + result.errors, "".join(
        text for _, text in result.failures + result.errors
    )
