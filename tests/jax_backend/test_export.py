"""What `model.export` writes on JAX, as ONNX and as a SavedModel, predicts what the model does."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.exported import LAYERS, assert_predicts
from harness.install import needs
from harness.keras_version import keras

# jax2onnx 0.17 cannot write to indices of a batch of unknown size.
KNOWN_ALONE = ("unpooling",)


@pytest.mark.parametrize("known", [True, False])
def test_saved_model(known: bool, tmp_path: Path) -> None:
    """Of all layers, with an unknown batch size; fractional pooling refuses other unknown sizes."""
    import tensorflow as tf

    x = keras.Input((11, 10, 3) if known else (None, None, 3))
    layers = [layer for name, layer in LAYERS.items() if known or name != "fractional"]
    model = keras.Model(x, keras.tree.flatten([layer(x) for layer in layers]))
    model.export(str(tmp_path), verbose=False)
    loaded = tf.saved_model.load(str(tmp_path))
    for rows in (11,) if known else (11, 8):
        assert_predicts(loaded.serve, model, 3, rows)


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
