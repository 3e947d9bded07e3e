"""`model.export` from PyTorch: exported programs and ONNX files predict as the model does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness.install import needs
from harness.keras_version import keras
from harness.runner import as_arrays, as_tensor

import keras_maxpool as km


def model(every: bool) -> keras.Model:
    """Of one output for each option, or of those alone that PyTorch's exporter of ONNX knows."""
    x, mask = keras.Input((11, 9, 3)), keras.Input((11, 9), dtype="bool")
    values, indices = km.MaxPool2D(3, 2, 1, return_indices=True)(x)
    outputs = [
        *(values, indices, km.MaxUnpool2D(3, 2, 1)(values, indices, like=x)),
        km.MaxPool2D(2, 1, dilation_rate=2)(x),
        km.MaxPool2D(2, ceil_mode=True, nonfinite="ieee")(x),
        *km.MaxPool2D(2, return_indices=True)(x, mask=mask),
        *km.GlobalMaxPool2D(return_indices=True)(x),
        km.AdaptiveMaxPool2D(1)(x),
    ]
    if every:
        outputs += [km.MaxPool2D(3, 2, "same")(x), *km.AdaptiveMaxPool2D(4, return_indices=True)(x)]
        outputs += km.FractionalMaxPool2D(1.44, seed=1, return_indices=True)(x)
    return keras.Model([x, mask], outputs)


def arrays() -> list[np.ndarray]:
    """Full of ties, with hidden windows."""
    rng = np.random.default_rng(0)
    mask = rng.random((1, 11, 9)) < 0.4
    mask[0, :3] = False
    return [rng.integers(-9, 9, (1, 11, 9, 3)).astype("float32"), mask]


def assert_equal(got: list[Any], wanted: list[np.ndarray]) -> None:
    for result, expected in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(result, expected, strict=True)


def test_an_exported_program(tmp_path: Path) -> None:
    net, given = model(every=True), arrays()
    net.export(tmp_path / "model.pt2", format="torch", verbose=False)
    program = torch.export.load(tmp_path / "model.pt2").module()
    assert_equal(as_arrays(program(list(map(as_tensor, given)))), net.predict(given, verbose=0))


def test_onnx(tmp_path: Path) -> None:
    session = needs("onnxruntime").InferenceSession
    net, given = model(every=False), arrays()
    wanted = as_arrays(net(given))
    net.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    run = session(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    names = [each.name for each in run.get_inputs()]
    assert_equal(run.run(None, dict(zip(names, given, strict=True))), wanted)
