"""OpenVINO: every option with equal outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from export_cases import BY_ROAD, Case, assert_equal, has_indices, predicted

pytestmark = pytest.mark.export
MISSING = "OpenVINO is missing: pip install '.[export]'"
openvino = pytest.importorskip("openvino", reason=MISSING)
pytest.importorskip("scipy", reason=MISSING)


@pytest.mark.parametrize(("case", "known"), BY_ROAD)
def test_equal_outputs(case: Case, known: bool, tmp_path: Path) -> None:
    forced = {"implementation": "shifted"} if has_indices(case) else {}
    model, inputs = case.model(known, **forced), case.inputs()
    path = str(tmp_path / "model.xml")
    model.export(path, format="openvino", verbose=False)
    # Its own choice on some processors is a narrower type.
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(path, "CPU", exact)
    names = [wanted.get_any_name() for wanted in compiled.inputs]
    results = compiled({name: inputs["mask" in name] for name in names})
    # OpenVINO makes further outputs of operations that nobody reads, after the model's own.
    got: list[np.ndarray] = [results[place] for place in range(len(model.outputs))]
    if case.option in ("adaptive_indices", "fractional_indices"):
        # Its minimum of int32 passes through float32, in which the largest of them overflows.
        got, exact_values = got[:1], tf.nest.flatten(predicted(model, inputs))[:1]
        assert_equal(got, exact_values)
        return
    assert_equal(got, predicted(model, inputs))
