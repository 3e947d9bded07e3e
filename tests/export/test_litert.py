"""LiteRT (TFLite): every option on built-in operations alone, with equal outputs; the rest fails by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from export_cases import BY_ROAD, BY_ROAD_UNKNOWN, Case, assert_equal, has_indices, predicted

import keras_maxpool

pytestmark = pytest.mark.export
litert = pytest.importorskip(
    "ai_edge_litert.interpreter", reason="LiteRT is missing: pip install '.[export]'"
)
BUILTINS = [tf.lite.OpsSet.TFLITE_BUILTINS]


def forced(case: Case) -> dict[str, str]:
    """What a user has to write for this road: README's table says the same."""
    if has_indices(case):
        return {"implementation": "shifted"}
    return {"implementation": "folded"} if case.rank == 3 and case.option != "direct" else {}


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


@pytest.mark.parametrize(("case", "known"), [*BY_ROAD, *BY_ROAD_UNKNOWN])
def test_equal_outputs(case: Case, known: bool, tmp_path: Path) -> None:
    if refused(case, known):
        pytest.skip("test_refused_by_name has it")
    model, inputs = case.model(known, **forced(case)), case.inputs()
    assert_equal(
        run(interpreter(model, tmp_path / "model.tflite"), inputs), predicted(model, inputs)
    )


def refused(case: Case, known: bool) -> str:
    """The operation for which LiteRT has no match, if there is one."""
    if case.option == "direct" and case.rank == 3:
        return "MaxPool3D"
    if case.option.startswith("fractional") and not known:
        return "FloorDiv"
    return {"float16": "Pad", "int32": "MaxPool"}.get(case.option, "")


@pytest.mark.parametrize(
    ("case", "known"), [p for p in [*BY_ROAD, *BY_ROAD_UNKNOWN] if refused(*p.values)]
)
def test_refused_by_name(case: Case, known: bool, tmp_path: Path) -> None:
    """If one of these passes one day, README's table can say so."""
    with pytest.raises(Exception, match=refused(case, known)) as info:
        interpreter(case.model(known, **forced(case)), tmp_path / "model.tflite")
    assert type(info.value).__name__ == "ConverterError"


@pytest.mark.parametrize(
    ("rank", "arguments", "operation"),
    [(3, {}, "MaxPool3D"), (2, {"return_indices": True}, "MaxPoolWithArgmax")],
    ids=["3d", "indices"],
)
def test_auto_is_refused_by_name(
    rank: int, arguments: dict, operation: str, tmp_path: Path
) -> None:
    x = keras.Input((*[6] * rank, 3))
    model = keras.Model(x, getattr(keras_maxpool, f"MaxPool{rank}D")(2, **arguments)(x))
    with pytest.raises(Exception, match=operation):
        interpreter(model, tmp_path / "model.tflite")


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_plain_2d_is_one_operation(padding: str, tmp_path: Path) -> None:
    x = keras.Input((8, 9, 3))
    model = keras.Model(x, keras_maxpool.MaxPool2D(3, 2, padding)(x))
    found = operations(interpreter(model, tmp_path / "model.tflite"))
    assert [name for name in found if name != "DELEGATE"] == ["MAX_POOL_2D"]


@pytest.mark.parametrize("rank", [1, 2], ids=["1d", "2d"])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_full_int8(rank: int, padding: str, tmp_path: Path) -> None:
    """Quantised with a representative data set, ours and the built-in's differ by a quantum at most."""
    x = keras.Input((*[12] * rank, 3))
    keras.utils.set_random_seed(3)
    convolved = getattr(keras.layers, f"Conv{rank}D")(4, 3, activation="relu")(x)
    shape, rng = (*[12] * rank, 3), np.random.default_rng(4)
    samples = rng.standard_normal((16, *shape), np.float32)

    def quantised(cls: Callable) -> bytes:
        model = keras.Model(x, cls(2, padding=padding)(convolved))
        model.export(str(tmp_path / cls.__module__), verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / cls.__module__))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        return converter.convert()

    def representative() -> Iterator[list[np.ndarray]]:
        for sample in samples:
            yield [sample[None]]

    def outputs(content: bytes) -> np.ndarray:
        model = loaded(content)
        model.allocate_tensors()
        [given], [result] = model.get_input_details(), model.get_output_details()
        scale, zero = given["quantization"]
        assert given["dtype"] == result["dtype"] == np.int8
        results = []
        for sample in samples:
            number = np.clip(np.round(sample / scale) + zero, -128, 127).astype(np.int8)
            model.set_tensor(given["index"], number[None])
            model.invoke()
            results.append(model.get_tensor(result["index"]))
        return np.concatenate(results).astype(int)

    ours = outputs(quantised(getattr(keras_maxpool, f"MaxPool{rank}D")))
    builtin = outputs(quantised(getattr(keras.layers, f"MaxPooling{rank}D")))
    assert np.ptp(builtin) > 100
    assert np.abs(ours - builtin).max() <= 1
