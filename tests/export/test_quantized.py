"""Quantised models, in LiteRT and ONNX Runtime: every option gives what the model in floats gives, to two quanta."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from export.export_cases import BY_ROAD, CHANNELS, SIZES, Case, predicted, run_litert
from harness.install import needs

quantization = needs("onnxruntime.quantization")
onnxruntime = needs("onnxruntime")

FLOATS = [
    case
    for case in BY_ROAD
    if case.dtype == "float32" and (case.option, case.rank) != ("direct", 3)  # not in LiteRT
]
UNKNOWN = {
    f"{option}-2d" for option in ("padding", "ceil", "mask", "indices_padding", "unpool_like")
}
SAVED = {
    *("padding-1d", "causal-1d", "dilated-1d", "dilated-3d"),
    *("same_lower-2d", "padding-2d", "pairs-2d", "dilated-2d", "dilated_strided-2d"),
    *("ceil-2d", "large-2d", "shifted_same-2d", "first_padding-2d", "indices_dilated-2d"),
}
TAKES: dict[str, Callable[[Case], bool]] = {
    "int8": lambda case: True,
    **dict.fromkeys(("int16", "float16", "dynamic"), lambda case: case.rank == 2),
    "int8 of unknown sizes": lambda case: str(case) in UNKNOWN,
    # What was traced before anybody knew of quantisation.
    "int8 of a SavedModel": lambda case: str(case) in SAVED,
    # Keras's own exporter tells of it, too; integers hold neither NaN nor infinities.
    "int8 by Keras": lambda case: str(case) == "ieee-2d",
}
"""The kinds of quantisation, and which cases are tried with each."""
BY_KIND = [
    pytest.param(case, kind, id=f"{case}-{kind}")
    for kind, takes in TAKES.items()
    for case in FLOATS
    if takes(case)
]
INT16 = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8


def behind_convolution(case: Case, known: bool = True) -> tuple[keras.Model, keras.Model]:
    """The case's pooling behind a convolution, whose weights and values get quantised, and the convolution alone."""
    keras.utils.set_random_seed(3)
    convolution = getattr(keras.layers, f"Conv{case.rank}D")(CHANNELS, 3, padding="same")
    model = case.model(known, convolution)
    return model, keras.Model(model.inputs[0], convolution.output)


def samples(case: Case) -> list[np.ndarray]:
    """Normally distributed inputs, and the mask."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((24, *SIZES[case.rank], CHANNELS), np.float32)
    return [x, *case.mask(x.shape[:-1], rng)]


def converted(model: keras.Model, inputs: list[np.ndarray], kind: str, folder: Path) -> bytes:
    def feeds() -> Iterator[dict]:
        for sample in zip(*inputs, strict=True):
            yield {x.name: value[None] for x, value in zip(model.inputs, sample, strict=True)}

    by_samples = {"optimizations": [tf.lite.Optimize.DEFAULT], "representative_dataset": feeds}
    if kind == "int8 by Keras":
        model.export(folder / "model.tflite", format="litert", verbose=False, **by_samples)
        return (folder / "model.tflite").read_bytes()
    if kind == "int8 of a SavedModel":
        model.export(str(folder), verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
    else:
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
    for name, value in by_samples.items():
        setattr(converter, name, value)
    if kind in ("float16", "dynamic"):
        converter.representative_dataset = None
    if kind == "int16":
        converter.target_spec.supported_ops = [INT16, tf.lite.OpsSet.TFLITE_BUILTINS]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


def assert_close(got: list[np.ndarray], case: Case, quanta: float) -> None:
    """Equal shapes, values within so many 255ths of the range that is pooled, and at most 3 % of other indices.

    An index is another one where rounding makes a tie, or breaks one; an unpooled value is elsewhere then. Of all
    elements of a sample more are so close to each other: 10 %.
    """
    model, convolution = behind_convolution(case)
    inputs = samples(case)
    bound = quanta * np.ptp(convolution(inputs[0])) / 255
    for wanted in map(np.asarray, tf.nest.flatten(predicted(model, inputs))):
        # LiteRT tells outputs by numbers of its own.
        same = [y for y in got if (y.shape, y.dtype) == (wanted.shape, wanted.dtype)]
        assert same, [(y.shape, y.dtype) for y in got]
        other = np.abs(same[0] - wanted) > (bound if wanted.dtype == np.float32 else 0)
        moves = wanted.dtype != np.float32 or "unpool" in case.option
        assert other.mean() <= (0 if not moves else 0.1 if "global" in case.option else 0.03)


@pytest.mark.parametrize(("case", "kind"), BY_KIND)
def test_litert(case: Case, kind: str, tmp_path: Path) -> None:
    model, inputs = behind_convolution(case, "unknown" not in kind)[0], samples(case)
    indices_inside = "mask_indices", "global_indices", "mask_global_indices"
    if kind == "int16" and ("unpool" in case.option or case.option in indices_inside):
        with (
            pytest.warns(UserWarning, match="`return_indices` does not go through 16-bit"),
            pytest.raises(Exception),  # noqa: B017, PT011 - TensorFlow's own, of another matter
        ):
            converted(model, inputs, kind, tmp_path)
        return
    quanta = {"float16": 0.2, "dynamic": 0.2}.get(kind, 2)
    assert_close(run_litert(converted(model, inputs, kind, tmp_path), inputs), case, quanta)


@pytest.mark.parametrize("kind", ["static", "dynamic"])
@pytest.mark.parametrize("case", FLOATS, ids=str)
def test_onnx_runtime(case: Case, kind: str, tmp_path: Path) -> None:
    model, inputs = behind_convolution(case)[0], samples(case)
    predicted(model, inputs)  # Keras exports no model to ONNX that has not been called
    exported, result = tmp_path / "model.onnx", tmp_path / "quantised.onnx"
    model.export(exported, format="onnx", verbose=False)
    names = [wanted.name for wanted in onnxruntime.InferenceSession(exported).get_inputs()]
    rows = zip(*inputs, strict=True)
    feeds = [{name: sample["mask" in name][None] for name in names} for sample in rows]
    reader = SimpleNamespace(get_next=partial(next, iter(feeds), None))
    if kind == "dynamic":
        quantization.quantize_dynamic(exported, result)
    elif "ieee" in case.option and "global" not in case.option:
        with pytest.raises(AssertionError, match="scale issue"):
            quantization.quantize_static(exported, result, reader)
        return
    else:
        quantization.quantize_static(exported, result, reader)
    session = onnxruntime.InferenceSession(result)
    results = zip(*(session.run(None, feed) for feed in feeds), strict=True)
    # Its steps have scales of their own, each of which rounds anew.
    assert_close([np.concatenate(of_output) for of_output in results], case, 3)
