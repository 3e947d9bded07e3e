"""What `model.export` writes on PyTorch predicts what the model does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from harness.assertions import assert_all_same
from harness.install import needs
from harness.keras_version import keras
from harness.runner import as_arrays

import keras_maxpool as km


def unpooled(x: Any) -> Any:
    values, indices = km.MaxPooling2D(2, padding=1, return_indices=True)(x)
    return km.MaxUnpooling2D(2)(values, indices, like=x)


LAYERS: dict[str, Callable[[Any], Any]] = {
    "explicit": km.MaxPooling2D(3, 2, ((0, 2), (2, 1)), dilation_rate=(1, 2)),
    "ceil mode": km.MaxPooling2D(3, 2, 1, ceil_mode=True),
    "channels first": km.MaxPooling2D(2, 2, 1, data_format="channels_first"),
    "ieee": km.MaxPooling2D(3, 2, 1, nonfinite="ieee"),
    "indices": km.MaxPooling2D(2, return_indices=True),
    "unpooling": unpooled,
    "1D": lambda x: km.MaxPooling1D(2, 2, 1)(keras.ops.max(x, 2)),
    "3D": lambda x: km.MaxPooling3D(3, 2, 1)(x[..., None]),
    "global": km.GlobalMaxPooling2D(),
    "adaptive": km.AdaptiveMaxPooling2D((None, 4)),
    "fractional": km.FractionalMaxPooling2D(1.5, seed=7),
    "same": km.MaxPooling2D(3, 2, "same"),
    "same, dilated": km.MaxPooling2D(4, 1, "same_lower", dilation_rate=3),
    "mask": lambda x: km.MaxPooling1D(2)(keras.layers.Masking()(keras.ops.max(x, 2))),
}
# PyTorch's own 1D and adaptive poolings fix the size, and so does padding that depends on it.
KNOWN_ALONE = ("explicit", "ceil mode", "1D", "adaptive", "same", "same, dilated", "mask")
NOT_IN_ONNX = ("adaptive", "fractional")


@pytest.mark.parametrize("name", LAYERS)
def test_an_exported_program(name: str, tmp_path: Path) -> None:
    """With an unknown batch size, and where that is possible another one."""
    check(name, tmp_path / "model.pt2", 11 if name in KNOWN_ALONE else None)


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in NOT_IN_ONNX])
def test_onnx(name: str, tmp_path: Path) -> None:
    check(name, tmp_path / "model.onnx", 11)


def check(name: str, file: Path, rows: int | None) -> None:
    x = keras.Input((rows, 10, 3))
    model = keras.Model(x, LAYERS[name](x))
    example = keras.InputSpec(shape=(2, 11, 10, 3), dtype="float32")
    if file.suffix == ".onnx":
        ort = needs("onnxruntime")
        model.export(str(file), "onnx", False, [example])
        session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        run = lambda x: session.run(None, {session.get_inputs()[0].name: x})  # noqa: E731
    else:
        dynamic = {0: torch.export.Dim.DYNAMIC} | ({} if rows else {1: torch.export.Dim.DYNAMIC})
        model.export(str(file), "torch", False, [example], dynamic_shapes=((dynamic,),))
        program = torch.export.load(str(file)).module()
        run = lambda x: program(torch.from_numpy(x))  # noqa: E731
    shape = (2, 11) if rows else (3, 14)
    data = np.random.default_rng(0).normal(size=(*shape, 10, 3)).astype("float32")
    data[:, 5:7] = 0
    found, wanted = map(as_arrays, (run(data), model.predict(data, verbose=0)))
    assert_all_same(found, *wanted)
