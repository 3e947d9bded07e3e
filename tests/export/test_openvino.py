"""OpenVINO: every option with equal outputs."""

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

openvino = needs("openvino")
needs("scipy")


def run(model: keras.Model, path: Path, inputs: list[np.ndarray]) -> list[np.ndarray]:
    model.export(str(path), format="openvino", verbose=False)
    # Its own choice on some processors is a narrower type.
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(str(path), "CPU", exact)
    names = [wanted.get_any_name() for wanted in compiled.inputs]
    results = compiled({name: inputs["mask" in name] for name in names})
    # OpenVINO makes further outputs of operations that nobody reads, after the model's own.
    return [results[place] for place in range(len(model.outputs))]


def refusal(case: Case, known: bool) -> Refusal | None:
    if case.option.startswith("fractional") and not known:
        return ValueError, r"received \(None, None\). Pass the sizes to keras.Input"
    if case.option == "int32":
        return TypeError, "OpenVINO cannot pool inputs of dtype int32"
    return None


@pytest.mark.parametrize(("case", "known"), [*BY_ROAD, *BY_ROAD_UNKNOWN])
def test_equal_outputs(case: Case, known: bool, tmp_path: Path) -> None:
    model, path = case.model(known), tmp_path / "model.xml"
    assert_travels(run, model, case.inputs(), path, refusal(case, known))


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype: str, tmp_path: Path) -> None:
    taken = ("float16", "float32", "float64", "int8", "uint8", "int16", "uint16")
    refused = dtype_refusal("OpenVINO", dtype, taken)
    assert_travels(run, *of_dtype(dtype), tmp_path / "model.xml", refused)
