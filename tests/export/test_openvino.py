"""OpenVINO: every option with equal outputs."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from export_cases import (
    BY_ROAD,
    BY_ROAD_UNKNOWN,
    DTYPES,
    Case,
    assert_equal,
    of_dtype,
    predicted,
)

pytestmark = pytest.mark.export
MISSING = "OpenVINO is missing: pip install '.[export]'"
openvino = pytest.importorskip("openvino", reason=MISSING)
pytest.importorskip("scipy", reason=MISSING)


def run(model: keras.Model, path: Path, inputs: list[np.ndarray]) -> list[np.ndarray]:
    model.export(str(path), format="openvino", verbose=False)
    # Its own choice on some processors is a narrower type.
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(str(path), "CPU", exact)
    names = [wanted.get_any_name() for wanted in compiled.inputs]
    results = compiled({name: inputs["mask" in name] for name in names})
    # OpenVINO makes further outputs of operations that nobody reads, after the model's own.
    return [results[place] for place in range(len(model.outputs))]


def refusal(case: Case, known: bool) -> str:
    """What our error says of a case that cannot travel, if it cannot."""
    if case.option.startswith("fractional") and not known:
        return r"received \(None, None\). Give keras.Input its sizes"
    return "OpenVINO cannot pool inputs of dtype int32" if case.option == "int32" else ""


@pytest.mark.parametrize(("case", "known"), [*BY_ROAD, *BY_ROAD_UNKNOWN])
def test_equal_outputs(case: Case, known: bool, tmp_path: Path) -> None:
    model, inputs, path = case.model(known), case.inputs(), tmp_path / "model.xml"
    if message := refusal(case, known):
        with pytest.raises((TypeError, ValueError), match=message):
            run(model, path, inputs)
        return
    assert_equal(run(model, path, inputs), predicted(model, inputs))


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype: str, tmp_path: Path) -> None:
    model, inputs = of_dtype(dtype)
    if dtype in ("float16", "float32", "float64", "int8", "uint8", "int16", "uint16"):
        assert_equal(run(model, tmp_path / "model.xml", inputs), predicted(model, inputs))
        return
    with pytest.raises(TypeError, match=f"OpenVINO cannot pool inputs of dtype {dtype}; it takes"):
        run(model, tmp_path / "model.xml", inputs)
