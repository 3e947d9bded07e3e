"""What `model.export` writes on PyTorch predicts what the model does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from harness.exported import LAYERS, assert_predicts
from harness.install import needs
from harness.keras_version import keras

import keras_maxpool
from keras_maxpool import ops

# PyTorch's own 1D and adaptive poolings fix the size, and so does padding that depends on it.
KNOWN_ALONE = ("explicit", "ceil mode", "1D", "adaptive", "same", "same, dilated", "mask")
MISSING = {"onnx": ("adaptive", "fractional"), "xml": ("fractional",)}


@pytest.mark.parametrize("name", LAYERS)
def test_an_exported_program(name: str, tmp_path: Path) -> None:
    """With an unknown batch size, and where that is possible another one."""
    check(name, tmp_path / "model.pt2", 11 if name in KNOWN_ALONE else None)


@pytest.mark.parametrize(
    ("name", "suffix"),
    [(name, end) for end, no in MISSING.items() for name in LAYERS if name not in no],
)
def test_onnx_and_openvino(
    name: str, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")  # or else OpenVINO sends usage statistics, from a fork
    check(name, tmp_path / f"model.{suffix}", 11)


OF_ANY_SIZE = {
    **{name: layer for name, layer in LAYERS.items() if name not in ("adaptive", "fractional")},
    "uneven": keras_maxpool.MaxPooling2D((2, 3), 3, (1, 2), return_indices=True),
    "causal": lambda x: ops.max_pool(keras.ops.max(x, 2), 2, padding="causal"),
    "masked": lambda x: ops.max_pool(x, 3, 2, "same", mask=x[..., 0] > 0),
    "padded": lambda x: ops.max_pool(
        keras.ops.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)]), 3, 2, "same"
    ),
}


def test_onnx_of_any_size(tmp_path: Path) -> None:
    """Keras traces a size of 1 for an unknown one, and the trace must hold for others."""
    x = keras.Input((None, None, 3))
    model = keras.Model(x, keras.tree.flatten([layer(x) for layer in OF_ANY_SIZE.values()]))
    run = onnx(model, tmp_path / "model.onnx", x.shape)
    for rows in (11, 8):
        assert_predicts(run, model, 2, rows)


def test_fractional_pooling_is_refused(tmp_path: Path) -> None:
    x = keras.Input((11, 10, 3))
    model = keras.Model(x, LAYERS["fractional"](x))
    with pytest.raises(ValueError, match=r"cannot be traced.*KERAS_BACKEND=tensorflow"):
        onnx(model, tmp_path / "model.onnx", x.shape)


def onnx(model: keras.Model, file: Path, shape: tuple) -> Callable[..., Any]:
    """Returns the exported model as a function of an array."""
    runtime = needs("onnxruntime")
    model.export(str(file), "onnx", False, [keras.KerasTensor(shape, "float32", name="x")])
    session = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})


def check(name: str, file: Path, rows: int | None) -> None:
    x = keras.Input((rows, 10, 3))
    model = keras.Model(x, LAYERS[name](x))
    if file.suffix == ".onnx":
        run = onnx(model, file, (None, *x.shape[1:]))
    elif file.suffix == ".xml":
        core = needs("openvino").Core()
        model.export(str(file), "openvino", False)
        compiled = core.compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        run = lambda x: list(compiled([x]).values())  # noqa: E731
    else:
        example = keras.InputSpec(shape=(2, 11, 10, 3), dtype="float32")
        dynamic = {0: torch.export.Dim.DYNAMIC} | ({} if rows else {1: torch.export.Dim.DYNAMIC})
        model.export(str(file), "torch", False, [example], dynamic_shapes=((dynamic,),))
        program = torch.export.load(str(file)).module()
        run = lambda x: program(torch.from_numpy(x))  # noqa: E731
    assert_predicts(run, model, 3, rows or 14)
