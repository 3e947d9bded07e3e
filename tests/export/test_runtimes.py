"""LiteRT, ONNX Runtime and OpenVINO: every option with equal outputs on built-in operations; the rest fails by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf
from export import export_cases as cases
from export.export_cases import Case, assert_equal, predicted, run_litert
from harness.install import needs

import keras_maxpool


def by_litert(model: keras.Model, path: Path, inputs: list[np.ndarray]) -> list[np.ndarray]:
    builtins = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    model.export(path, format="litert", verbose=False, target_spec=builtins)
    return run_litert(path.read_bytes(), inputs)


def by_onnx(model: keras.Model, path: Path, inputs: list[np.ndarray]) -> list[np.ndarray]:
    needs("tf2onnx")
    model.export(path, format="onnx", verbose=False)
    session = needs("onnxruntime").InferenceSession(path, providers=["CPUExecutionProvider"])
    given = {wanted.name: inputs["mask" in wanted.name] for wanted in session.get_inputs()}
    return session.run(None, given)


def by_openvino(model: keras.Model, path: Path, inputs: list[np.ndarray]) -> list[np.ndarray]:
    needs("scipy")
    openvino = needs("openvino")
    # Otherwise it sends usage statistics, from a fork of this process: 29 models took 45 seconds, not 13.
    with mock.patch.dict("os.environ", CI="true"):
        model.export(str(path), format="openvino", verbose=False)
    # Its own choice on some processors is a narrower type.
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(str(path), "CPU", exact)
    names = [wanted.get_any_name() for wanted in compiled.inputs]
    results = compiled({name: inputs["mask" in name] for name in names})
    # OpenVINO makes further outputs of operations that nobody reads, after the model's own.
    return [results[number] for number in range(len(model.outputs))]


class Road(NamedTuple):
    """A runtime: its name in errors, its files' suffix, how it runs a model, and the dtypes that it takes."""

    runtime: str
    suffix: str
    run: Callable[[keras.Model, Path, list[np.ndarray]], list[np.ndarray]]
    taken: set[str]


NARROW = {"float32", "int8", "uint8", "int16"}
ROADS = {
    "litert": Road("LiteRT", "tflite", by_litert, NARROW | {"int32"}),
    "onnx": Road("ONNX", "onnx", by_onnx, set(cases.DTYPES) - {"uint32", "uint64"}),
    "openvino": Road("OpenVINO", "xml", by_openvino, NARROW | {"float16", "float64", "uint16"}),
}
SIZES_MISSING = ValueError, r"received \(None, None\). Pass the sizes to keras.Input"
REFUSED = {
    # The road and the option, without known sizes for the first three.
    ("litert", "fractional"): SIZES_MISSING,
    ("openvino", "fractional"): SIZES_MISSING,
    ("onnx", "fractional-2d-unknown"): (ValueError, "ONNX has other random numbers than"),
    ("litert", "direct-3d"): (ValueError, "cannot pool in 3D in LiteRT"),
    ("litert", "float16-2d"): (TypeError, 'dtype float16; .* Give the layer dtype="float32"'),
    ("openvino", "int32-2d"): (TypeError, "OpenVINO cannot pool inputs of dtype int32"),
}
"""What cannot travel, and the error that says so."""


def assert_travels(
    road: Road, model: keras.Model, inputs: list, folder: Path, refusal: Any
) -> None:
    wanted = predicted(model, inputs)  # Keras exports no model to ONNX that has not been called
    path = folder / f"model.{road.suffix}"
    if refusal is None:
        assert_equal(road.run(model, path, inputs), wanted)
        return
    error, message = refusal
    with pytest.raises(error, match=message):
        road.run(model, path, inputs)


by_road = pytest.mark.parametrize("road", ROADS)


@by_road
@pytest.mark.parametrize(
    ("case", "known"),
    [
        *(pytest.param(case, True, id=str(case)) for case in cases.BY_ROAD),
        *(pytest.param(case, False, id=f"{case}-unknown") for case in cases.BY_ROAD_UNKNOWN),
    ],
)
def test_equal_outputs(case: Case, known: bool, road: str, tmp_path: Path) -> None:
    name = str(case) if known else f"{case}-unknown"
    if not known and case.option.startswith("fractional") and road != "onnx":
        name = "fractional"
    refusal = REFUSED.get((road, name))
    assert_travels(ROADS[road], case.model(known), case.inputs(), tmp_path, refusal)


@by_road
@pytest.mark.parametrize(
    ("dtype", "known"),
    [*((dtype, True) for dtype in cases.DTYPES), ("int8", False), ("float32", False)],
)
def test_dtypes(dtype: str, known: bool, road: str, tmp_path: Path) -> None:
    runtime, *_, taken = ROADS[road]
    message = f"{runtime} cannot pool inputs of dtype {dtype}; it takes"
    refusal = None if dtype in taken else (TypeError, message)
    assert_travels(ROADS[road], *cases.of_dtype(dtype, known), tmp_path, refusal)


def pool_model(rank: int, *args: Any, size: int | None = 8, **options: Any) -> keras.Model:
    x = keras.Input((*[size] * rank, 3))
    return keras.Model(x, getattr(keras_maxpool, f"MaxPool{rank}D")(*args, **options)(x))


@pytest.mark.parametrize("rank", [1, 2, 3], ids=["1d", "2d", "3d"])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_plain_is_one_operation_in_onnx(rank: int, padding: str, tmp_path: Path) -> None:
    model, path = pool_model(rank, 3, 2, padding), tmp_path / "model.onnx"
    data = [np.zeros((1, *[8] * rank, 3), np.float32)]
    predicted(model, data)
    by_onnx(model, path, data)
    found = [node.op_type for node in needs("onnx").load(path).graph.node]
    # What stands around it brings channels to the front, and an axis of one row.
    assert [n for n in found if n not in ("Transpose", "Squeeze", "Unsqueeze")] == ["MaxPool"]


@pytest.mark.parametrize(
    ("rank", "arguments", "operation", "kernel"),
    [
        pytest.param(3, {}, "MaxPool3D", "separable", id="3d"),
        pytest.param(2, {"return_indices": True}, "MaxPoolWithArgmax", "shifted", id="indices"),
    ],
)
def test_litert_by_other_roads(
    rank: int, arguments: dict, operation: str, kernel: str, tmp_path: Path
) -> None:
    """A Keras model is traced for LiteRT; a SavedModel was before, and needs its kernel by name."""
    data = [np.random.default_rng(0).random((1, *[6] * rank, 3), np.float32)]

    def converted(model: keras.Model) -> list[np.ndarray]:
        model.export(str(tmp_path), verbose=False)
        content = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path)).convert()
        return run_litert(content, data)

    model = pool_model(rank, 2, size=6, **arguments)
    with pytest.raises(Exception, match=operation):
        converted(model)
    named = pool_model(rank, 2, size=6, **arguments, implementation=kernel)
    assert_equal(converted(named), predicted(model, data))
    content = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    assert_equal(run_litert(content, data), predicted(model, data))


def test_special_values_in_onnx(tmp_path: Path) -> None:
    """NaN and infinities under nonfinite="ieee", which tf2onnx multiplies by 0 if it can."""
    model = pool_model(1, 2, nonfinite="ieee")
    data = np.zeros((1, 8, 3), np.float32)
    data[0, :, 0] = [np.nan, 1, -np.inf, -np.inf, np.inf, 0, -np.inf, 5]
    model(data)
    [got] = by_onnx(model, tmp_path / "model.onnx", [data])
    np.testing.assert_array_equal(got[0, :, 0], [np.nan, -np.inf, np.inf, 5])
