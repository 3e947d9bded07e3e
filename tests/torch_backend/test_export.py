"""What `model.export` writes on PyTorch predicts what the model does."""

from pathlib import Path

import pytest
import torch
from harness.exported import LAYERS, assert_predicts
from harness.install import needs
from harness.keras_version import keras

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


def check(name: str, file: Path, rows: int | None) -> None:
    x = keras.Input((rows, 10, 3))
    model = keras.Model(x, LAYERS[name](x))
    example = keras.InputSpec(shape=(2, 11, 10, 3), dtype="float32")
    if file.suffix == ".onnx":
        ort = needs("onnxruntime")
        model.export(str(file), "onnx", False, [example])
        session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        run = lambda x: session.run(None, {session.get_inputs()[0].name: x})  # noqa: E731
    elif file.suffix == ".xml":
        core = needs("openvino").Core()
        model.export(str(file), "openvino", False)
        compiled = core.compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        run = lambda x: list(compiled([x]).values())  # noqa: E731
    else:
        dynamic = {0: torch.export.Dim.DYNAMIC} | ({} if rows else {1: torch.export.Dim.DYNAMIC})
        model.export(str(file), "torch", False, [example], dynamic_shapes=((dynamic,),))
        program = torch.export.load(str(file)).module()
        run = lambda x: program(torch.from_numpy(x))  # noqa: E731
    assert_predicts(run, model, *((2, 11) if rows else (3, 14)))
