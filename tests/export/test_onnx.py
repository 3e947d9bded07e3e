"""ONNX, run by onnxruntime: every option with equal outputs; a plain pool is one MaxPool node."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from export.export_cases import (
    BY_ROAD,
    BY_ROAD_UNKNOWN,
    DTYPES,
    Case,
    Refusal,
    assert_travels,
    dtype_refusal,
    of_dtype,
)
from harness.install import needs

import keras_maxpool

onnx = needs("onnx")
onnxruntime = needs("onnxruntime")
needs("tf2onnx")


def run(model: keras.Model, path: Path, inputs: list[np.ndarray]) -> list[np.ndarray]:
    model.export(path, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    given = {wanted.name: inputs["mask" in wanted.name] for wanted in session.get_inputs()}
    return session.run(None, given)


def refusal(case: Case, known: bool) -> Refusal | None:
    """Regions that are drawn when the graph runs cannot travel."""
    if case.option == "fractional" and not known:
        return ValueError, "ONNX has other random numbers than TensorFlow, so"
    return None


@pytest.mark.parametrize(("case", "known"), [*BY_ROAD, *BY_ROAD_UNKNOWN])
def test_equal_outputs(case: Case, known: bool, tmp_path: Path) -> None:
    model, path = case.model(known), tmp_path / "model.onnx"
    assert_travels(run, model, case.inputs(), path, refusal(case, known))


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype: str, tmp_path: Path) -> None:
    refused = dtype_refusal("ONNX", dtype, set(DTYPES) - {"uint32", "uint64"})
    assert_travels(run, *of_dtype(dtype), tmp_path / "model.onnx", refused)


@pytest.mark.parametrize("rank", [1, 2, 3], ids=["1d", "2d", "3d"])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_plain_is_one_node(rank: int, padding: str, tmp_path: Path) -> None:
    x = keras.Input((*[8] * rank, 3))
    model = keras.Model(x, getattr(keras_maxpool, f"MaxPool{rank}D")(3, 2, padding)(x))
    model(np.zeros((1, *[8] * rank, 3), np.float32))
    model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    nodes = [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node]
    # What stands around it brings channels to the front, and an axis of one row.
    assert [n for n in nodes if n not in ("Transpose", "Squeeze", "Unsqueeze")] == ["MaxPool"]


def test_special_values(tmp_path: Path) -> None:
    """NaN and infinities under nonfinite="ieee", which tf2onnx multiplies by 0 if it can."""
    x = keras.Input((8, 3))
    pooled = keras_maxpool.MaxPool1D(2, nonfinite="ieee")(x)
    data = np.zeros((1, 8, 3), np.float32)
    data[0, :, 0] = [np.nan, 1, -np.inf, -np.inf, np.inf, 0, -np.inf, 5]
    model = keras.Model(x, pooled)
    model(data)
    [got] = run(model, tmp_path / "model.onnx", [data])
    np.testing.assert_array_equal(got[0, :, 0], [np.nan, -np.inf, np.inf, 5])
