"""What `model.export` writes on PyTorch predicts what the model does."""

from pathlib import Path

import pytest
import torch
from harness.exported import LAYERS, assert_predicts
from harness.install import needs
from harness.keras_version import keras

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


@pytest.mark.parametrize("name", ["indices", "ceil mode", "same", "mask"])
def test_onnx_of_unknown_sizes_is_refused(name: str, tmp_path: Path) -> None:
    """Where Keras's trace for a size of 1 would not be right for others."""
    masked = lambda x: ops.max_pool(x, 3, 2, "same", mask=x[..., 0] > 0)  # noqa: E731
    x = keras.Input((None, None, 3))
    model = keras.Model(x, (LAYERS | {"mask": masked})[name](x))
    signature = [keras.KerasTensor(x.shape, "float32", name="x")]
    with pytest.raises(ValueError, match=r"needs known spatial sizes.*KERAS_BACKEND=tensorflow"):
        model.export(str(tmp_path / "model.onnx"), "onnx", False, signature)


def check(name: str, file: Path, rows: int | None) -> None:
    x = keras.Input((rows, 10, 3))
    model = keras.Model(x, LAYERS[name](x))
    if file.suffix == ".onnx":
        ort = needs("onnxruntime")
        signature = [keras.KerasTensor((None, 11, 10, 3), "float32", name="x")]
        model.export(str(file), "onnx", False, signature)
        session = ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        run = lambda x: session.run(None, {"x": x})  # noqa: E731
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
