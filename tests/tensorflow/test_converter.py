"""What is traced by a converter, here a stand-in of its name, holds what its runtime has, or is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from keras_maxpool import ops
from keras_maxpool.backend.tensorflow import converter

MODULES = {
    "LiteRT": "keras.src.export.litert",
    "ONNX": "keras.src.export.onnx",
    "OpenVINO": "keras.src.export.openvino",
}


def traced(runtime: str, function: Callable, spec: tf.TensorSpec) -> Any:
    """The function in a graph that a module of the converter's name has traced."""
    module: dict[str, Any] = {"__name__": MODULES[runtime]}
    exec("def trace(function, spec):\n    return function.get_concrete_function(spec)", module)
    return module["trace"](tf.function(function, autograph=False), spec)


def operations(runtime: str, function: Callable, spec: tf.TensorSpec) -> set[str]:
    return {op.type for op in traced(runtime, function, spec).graph.get_operations()}


def spec(rank: int = 2, dtype: str = "float32", size: int | None = 6) -> tf.TensorSpec:
    return tf.TensorSpec([None, *[size] * rank, 3], dtype)


def test_nobody_converts() -> None:
    found = []
    tf.function(lambda: found.append(converter.target()), autograph=False)()
    assert found == [(None, None)]
    graph = tf.function(lambda x: ops.max_pool(x, 2), autograph=False)
    kinds = {op.type for op in graph.get_concrete_function(spec(3)).graph.get_operations()}
    assert "MaxPool3D" in kinds


@pytest.mark.parametrize("runtime", MODULES)
def test_operations(runtime: str) -> None:
    plain = operations(runtime, lambda x: ops.max_pool(x, 2), spec())
    assert "MaxPool" in plain
    in_3d = operations(runtime, lambda x: ops.max_pool(x, 2), spec(3))
    assert ("MaxPool3D" in in_3d) == (runtime != "LiteRT")
    indices = operations(runtime, lambda x: ops.max_pool(x, 2, return_indices=True), spec())
    assert ("MaxPoolWithArgmax" in indices) == (runtime == "ONNX")
    whole = operations(runtime, lambda x: ops.max_pool(x, 2, return_indices=True), spec(2, "int8"))
    assert not {"MaxPool", "MaxPoolWithArgmax", "Greater"} & whole


@pytest.mark.parametrize(
    ("runtime", "dtype"),
    [(name, dtype) for name in MODULES for dtype in ("int8", "uint8", "int16", "float32")]
    + [("ONNX", "float16"), ("OpenVINO", "float16")],
)
def test_equal_values(runtime: str, dtype: str) -> None:
    """A dtype that travels inside a wider one: windows of padding alone too hold its own smallest number."""

    def pooled(x: tf.Tensor) -> list[tf.Tensor]:
        values, indices = ops.max_pool(x, 2, return_indices=True)
        # Empty along an axis, the input leaves nothing but padding, of which floats have no element to repeat.
        alone = [] if ends.is_floating else [ops.max_pool(x[:, :0], 2, padding=1)]
        return [
            *alone,
            *ops.max_pool(x, 3, 2, padding=1, return_indices=True),
            ops.max_unpool(values, indices, 2, like=x),
            *ops.global_max_pool(x, return_indices=True),
            *ops.adaptive_max_pool(x, 4, return_indices=True),
        ]

    ends = tf.as_dtype(dtype)
    x = np.random.default_rng(0).integers(-99, 99, (2, 6, 6, 3)).astype(ends.as_numpy_dtype)
    x[0, :2, :2], x[1, :2, :2] = ends.min, ends.max
    got = traced(runtime, pooled, spec(dtype=dtype, size=None))(tf.constant(x))
    expected = tf.function(pooled)(tf.constant(x))
    if not ends.is_floating:
        assert (expected[0].numpy() == ends.min).all()
    for actual, value in zip(got, expected, strict=True):
        assert actual.dtype == value.dtype
        np.testing.assert_array_equal(actual, value)


@pytest.mark.parametrize(
    ("runtime", "dtype"),
    [("LiteRT", "float16"), ("LiteRT", "int64"), ("ONNX", "uint32"), ("OpenVINO", "int32")],
)
@pytest.mark.parametrize("operation", ["max_pool", "global_max_pool", "adaptive_max_pool"])
def test_refused(runtime: str, dtype: str, operation: str) -> None:
    arguments = [] if operation == "global_max_pool" else [2]
    with pytest.raises(TypeError) as info:
        traced(runtime, lambda x: getattr(ops, operation)(x, *arguments), spec(dtype=dtype))
    message = str(info.value)
    assert message.startswith(f"{runtime} cannot pool inputs of dtype {dtype}; it takes ")
    assert message.endswith('. Give the layer dtype="float32", or cast before and after it.')
    assert dtype not in message.split("it takes ")[1].split(".")[0].split(", ")


@pytest.mark.parametrize("runtime", MODULES)
@pytest.mark.parametrize("implementation", ["direct", "separable", "shifted"])
def test_forced_kernels(runtime: str, implementation: str) -> None:
    def pooled(x: tf.Tensor) -> tf.Tensor:
        return ops.max_pool(x, 2, implementation=implementation)

    traced(runtime, pooled, spec())
    if (runtime, implementation) == ("LiteRT", "direct"):
        with pytest.raises(
            ValueError, match=r'in LiteRT, which has no .* Write implementation="aut'
        ):
            traced(runtime, pooled, spec(3))
    else:
        traced(runtime, pooled, spec(3))
    if implementation == "shifted":
        traced(runtime, pooled, spec(dtype="int16"))
    else:
        with pytest.raises(TypeError, match=f"no integers in {runtime}; received .* int32"):
            traced(runtime, pooled, spec(dtype="int16"))


@pytest.mark.parametrize("pseudo_random", [True, False])
@pytest.mark.parametrize("runtime", MODULES)
def test_fractional_regions(runtime: str, pseudo_random: bool) -> None:
    def pooled(x: tf.Tensor) -> tf.Tensor:
        return ops.fractional_max_pool(x, 1.5, pseudo_random, seed=3)

    traced(runtime, pooled, spec())
    if runtime == "ONNX" and pseudo_random:
        traced(runtime, pooled, spec(size=None))
        return
    with pytest.raises(ValueError, match=rf"{runtime} has .* \(None, None\). Pass the sizes"):
        traced(runtime, pooled, spec(size=None))


class Settings:
    """What a converter was told, as attributes."""

    def __init__(self, **settings: Any) -> None:
        self.__dict__.update(settings)


WIDE = {
    "supported_ops": [tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]
}
DATA = {"optimizations": ["DEFAULT"], "representative_dataset": iter}


def quantised(function: Callable, spec: tf.TensorSpec, **settings: Any) -> Any:
    """The function in a graph that a method of TensorFlow's converter to LiteRT has traced, with these settings."""
    module: dict[str, Any] = {"__name__": "tensorflow.lite.python.lite"}
    exec(
        "def trace(self, function, spec):\n    return function.get_concrete_function(spec)", module
    )
    traced = tf.function(function, autograph=False)
    return module["trace"](Settings(**settings), traced, spec)


@pytest.mark.parametrize(
    ("bits", "settings"),
    [
        (None, {"optimizations": ["DEFAULT"]}),
        (None, {"representative_dataset": iter}),
        (8, DATA),
        (8, DATA | {"target_spec": Settings(supported_ops=[])}),
        (16, DATA | {"target_spec": Settings(**WIDE)}),
        (None, {"kwargs": {"optimizations": ["DEFAULT"]}}),  # as Keras's own exporter holds them
        (8, {"kwargs": DATA}),
        (16, {"kwargs": DATA | {"target_spec": WIDE}}),
    ],
)
def test_quantisation_is_known(bits: int | None, settings: dict[str, Any]) -> None:
    found = []

    def pooled(x: tf.Tensor) -> tf.Tensor:
        found.append(converter.target()[1])
        return x

    quantised(pooled, spec(), **settings)
    assert found == [bits]


def test_quantised_gaps_need_elements() -> None:
    def pooled(x: tf.Tensor) -> tf.Tensor:
        return ops.max_pool(x, 2, 1, 4, dilation_rate=4)

    quantised(pooled, spec(), **DATA)
    for unfit in (spec(size=3), spec(size=None)):
        quantised(pooled, unfit, optimizations=["DEFAULT"])
        with pytest.raises(ValueError, match=r"received dilation_rate=\(4, 4\) for spatial sizes"):
            quantised(pooled, unfit, **DATA)


def test_indices_are_not_computed_with_in_16_bits() -> None:
    def unpooled(x: tf.Tensor) -> tf.Tensor:
        return ops.max_unpool(*ops.max_pool(x, 2, return_indices=True), 2)

    def pooled(x: tf.Tensor) -> tf.Tensor:
        return ops.global_max_pool(x, return_indices=True)[1]

    settings = DATA | {"target_spec": Settings(**WIDE)}
    for function in (unpooled, pooled):
        quantised(function, spec(), **DATA)
        with pytest.raises(ValueError, match="`return_indices` does not go through 16-bit"):
            quantised(function, spec(), **settings)
    quantised(lambda x: ops.max_pool(x, 2, return_indices=True), spec(), **settings)
