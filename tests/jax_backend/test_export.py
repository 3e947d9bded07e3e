"""What `model.export` writes as ONNX on JAX predicts what the model does."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.exported import LAYERS, assert_predicts
from harness.install import needs
from harness.keras_version import keras

# jax2onnx 0.17 cannot write to indices of a batch of unknown size.
KNOWN_ALONE = ("unpooling",)


@pytest.mark.parametrize("name", LAYERS)
def test_onnx(name: str, tmp_path: Path) -> None:
    needs("jax2onnx")
    x = keras.Input((11, 10, 3))
    model, file = keras.Model(x, LAYERS[name](x)), str(tmp_path / "model.onnx")
    batch = 3 if name in KNOWN_ALONE else None
    signature = [keras.KerasTensor((batch, 11, 10, 3), "float32", name="x")]
    model.export(file, "onnx", False, signature)
    session = needs("onnxruntime").InferenceSession(file, providers=["CPUExecutionProvider"])
    assert_predicts(lambda x: session.run(None, {"x": x}), model, 3, 11)
