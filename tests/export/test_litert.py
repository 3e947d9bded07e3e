"""LiteRT (TFLite): every option on built-in operations alone, with equal outputs; the rest fails by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from export.export_cases import (
    BY_ROAD,
    BY_ROAD_UNKNOWN,
    DTYPES,
    Case,
    Refusal,
    assert_equal,
    assert_travels,
    dtype_refusal,
    of_dtype,
    predicted,
)
from harness.install import needs

import keras_maxpool

litert = needs("ai_edge_litert.interpreter")
BUILTINS = [tf.lite.OpsSet.TFLITE_BUILTINS]


def interpreter(model: keras.Model, path: Path) -> Any:
    model.export(path, format="litert", verbose=False, target_spec={"supported_ops": BUILTINS})
    return loaded(path.read_bytes())


def loaded(content: bytes) -> Any:
    # Without delegates, whose operations would stand in the list of those that the file has.
    plain = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return litert.Interpreter(model_content=content, experimental_op_resolver_type=plain)


def run(interpreter: Any, inputs: list[np.ndarray]) -> list[np.ndarray]:
    runner = interpreter.get_signature_runner()
    names = runner.get_input_details()
    given = {name: inputs["mask" in name] for name in names}
    outputs = runner(**given)
    return [outputs[f"output_{place}"] for place in range(len(outputs))]


def operations(interpreter: Any) -> list[str]:
    return [details["op_name"] for details in interpreter._get_ops_details()]


def travel(model: keras.Model, path: Path, inputs: list[np.ndarray]) -> list[np.ndarray]:
    return run(interpreter(model, path), inputs)


def refusal(case: Case, known: bool) -> Refusal | None:
    if case.option == "direct" and case.rank == 3:
        return ValueError, "cannot pool in 3D in LiteRT"
    if case.option.startswith("fractional") and not known:
        return ValueError, r"received \(None, None\). Pass the sizes to keras.Input"
    if case.option == "float16":
        return TypeError, 'dtype float16; .* Give the layer dtype="float32"'
    return None


@pytest.mark.parametrize(("case", "known"), [*BY_ROAD, *BY_ROAD_UNKNOWN])
def test_equal_outputs(case: Case, known: bool, tmp_path: Path) -> None:
    model, path = case.model(known), tmp_path / "model.tflite"
    assert_travels(travel, model, case.inputs(), path, refusal(case, known))


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype: str, tmp_path: Path) -> None:
    taken = ("float32", "int8", "uint8", "int16", "int32")
    refused = dtype_refusal("LiteRT", dtype, taken)
    assert_travels(travel, *of_dtype(dtype), tmp_path / "model.tflite", refused)


@pytest.mark.parametrize(
    ("rank", "arguments", "operation", "kernel"),
    [
        (3, {}, "MaxPool3D", "separable"),
        (2, {"return_indices": True}, "MaxPoolWithArgmax", "shifted"),
    ],
    ids=["3d", "indices"],
)
def test_by_other_roads(
    rank: int, arguments: dict, operation: str, kernel: str, tmp_path: Path
) -> None:
    """A Keras model is traced for LiteRT; a SavedModel was before, and needs its kernel by name."""
    x = keras.Input((*[6] * rank, 3))
    data = np.random.default_rng(0).random((1, *[6] * rank, 3), np.float32)

    def model(**forced: str) -> keras.Model:
        return keras.Model(
            x, getattr(keras_maxpool, f"MaxPool{rank}D")(2, **arguments, **forced)(x)
        )

    def converted(model: keras.Model) -> list[np.ndarray]:
        model.export(str(tmp_path / "saved"), verbose=False)
        content = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved")).convert()
        return run(loaded(content), [data])

    with pytest.raises(Exception, match=operation):
        converted(model())
    assert_equal(converted(model(implementation=kernel)), predicted(model(), [data]))
    content = tf.lite.TFLiteConverter.from_keras_model(model()).convert()
    assert_equal(run(loaded(content), [data]), predicted(model(), [data]))


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_plain_2d_is_one_operation(padding: str, tmp_path: Path) -> None:
    x = keras.Input((8, 9, 3))
    model = keras.Model(x, keras_maxpool.MaxPool2D(3, 2, padding)(x))
    found = operations(interpreter(model, tmp_path / "model.tflite"))
    assert [name for name in found if name != "DELEGATE"] == ["MAX_POOL_2D"]
