"""Quantised models, in LiteRT and ONNX Runtime: every option gives what the model in floats gives, to two quanta."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from export import litert_child
from export.export_cases import BY_ROAD, CASES, CHANNELS, SIZES, Case, predicted
from harness.install import needs

import keras_maxpool

needs("ai_edge_litert")
quantization = needs("onnxruntime.quantization")
onnxruntime = needs("onnxruntime")

OPTIONS = {str(case): case for case in CASES}
FLOATS = [
    case
    for case in BY_ROAD
    if case.dtype == "float32" and (case.option, case.rank) != ("direct", 3)  # not in LiteRT
]
BY_KIND = [
    pytest.param(case, kind, id=f"{case}-{kind}")
    for case in FLOATS
    for kind in ("int8", "int16", "float16", "dynamic")
    if kind == "int8" or case.rank == 2
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


def int8_settings(model: keras.Model, inputs: list[np.ndarray]) -> dict[str, Any]:
    """What a converter needs to quantise by samples."""

    def feeds() -> Iterator[dict]:
        for sample in zip(*inputs, strict=True):
            yield {x.name: value[None] for x, value in zip(model.inputs, sample, strict=True)}

    return {"optimizations": [tf.lite.Optimize.DEFAULT], "representative_dataset": feeds}


def converted(
    model: keras.Model, inputs: list[np.ndarray], kind: str = "int8", converter: Any = None
) -> bytes:
    converter = converter or tf.lite.TFLiteConverter.from_keras_model(model)
    for name, value in int8_settings(model, inputs).items():
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
def test_litert(case: Case, kind: str) -> None:
    model, inputs = behind_convolution(case)[0], samples(case)
    indices_inside = "mask_indices", "global_indices", "mask_global_indices"
    if kind == "int16" and ("unpool" in case.option or case.option in indices_inside):
        with (
            pytest.warns(UserWarning, match="`return_indices` does not go through 16-bit"),
            pytest.raises(Exception),  # noqa: B017, PT011 - TensorFlow's own, of another matter
        ):
            converted(model, inputs, kind)
        return
    quanta = {"float16": 0.2, "dynamic": 0.2}.get(kind, 2)
    assert_close(litert_child.run(converted(model, inputs, kind), inputs), case, quanta)


@pytest.mark.parametrize("option", ["padding", "ceil", "mask", "indices_padding", "unpool_like"])
def test_litert_of_unknown_sizes(option: str) -> None:
    case = OPTIONS[f"{option}-2d"]
    content = converted(behind_convolution(case, False)[0], samples(case))
    assert_close(litert_child.run(content, samples(case)), case, 2)


@pytest.mark.parametrize(
    "name",
    [
        *("same_lower-1d", "padding-1d", "causal-1d", "dilated-1d", "dilated-3d"),
        *("same_lower-2d", "padding-2d", "pairs-2d", "dilated-2d", "dilated_strided-2d"),
        *("ceil-2d", "large-2d", "shifted_same-2d", "first_padding-2d", "indices_dilated-2d"),
    ],
)
def test_litert_from_a_saved_model(name: str, tmp_path: Path) -> None:
    """What was traced before anybody knew of quantisation."""
    case = OPTIONS[name]
    model, inputs = behind_convolution(case)[0], samples(case)
    model.export(str(tmp_path), verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path))
    content = converted(model, inputs, converter=converter)
    assert_close(litert_child.run(content, inputs), case, 2)


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
    if kind == "dynamic":
        quantization.quantize_dynamic(exported, result)
    elif "ieee" in case.option and "global" not in case.option:
        with pytest.raises(AssertionError, match="scale issue"):
            quantization.quantize_static(exported, result, Reader(feeds))
        return
    else:
        quantization.quantize_static(exported, result, Reader(feeds))
    session = onnxruntime.InferenceSession(result)
    outputs = zip(*(session.run(None, feed) for feed in feeds), strict=True)
    # Its steps have scales of their own, each of which rounds anew.
    assert_close([np.concatenate(of_output) for of_output in outputs], case, 3)


class Reader(quantization.CalibrationDataReader):
    """Samples for calibration."""

    def __init__(self, feeds: list[dict[str, np.ndarray]]) -> None:
        self.feeds = iter(feeds)

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.feeds, None)


def test_padding_as_zeros_behind_relu() -> None:
    """The built-in's way to pad where nothing is below 0."""
    x = keras.Input((12, 12, CHANNELS), name="x")
    keras.utils.set_random_seed(3)
    convolved = keras.layers.Conv2D(4, 3, activation="relu")(x)
    padded = keras.layers.ZeroPadding2D(1)(convolved)
    poolings = keras_maxpool.MaxPool2D(3, 2, 1)(convolved), keras.layers.MaxPooling2D(3, 2)(padded)
    inputs = [np.random.default_rng(4).standard_normal((24, 12, 12, CHANNELS), np.float32)]
    [got], [wanted] = (
        litert_child.run(converted(keras.Model(x, pooled), inputs), inputs) for pooled in poolings
    )
    assert np.ptp(wanted) > 1
    np.testing.assert_allclose(got, wanted, rtol=0, atol=2 * np.ptp(wanted) / 255)


def test_ieee_is_plain_in_integers(tmp_path: Path) -> None:
    """Integers hold neither NaN nor infinities; Keras's own exporter tells of the quantisation, too."""
    case, path = OPTIONS["ieee-2d"], tmp_path / "model.tflite"
    model, inputs = behind_convolution(case)[0], samples(case)
    model.export(path, format="litert", verbose=False, **int8_settings(model, inputs))
    assert_close(litert_child.run(path.read_bytes(), inputs), case, 2)


@pytest.mark.parametrize(("size", "rate"), [(3, 4), (None, 2)], ids=["small", "unknown"])
def test_gaps_without_elements_are_refused(size: int | None, rate: int, tmp_path: Path) -> None:
    """Padding has no element to repeat there."""
    x = keras.Input((size, size, CHANNELS), name="x")
    model = keras.Model(x, keras_maxpool.MaxPool2D(2, 1, rate, dilation_rate=rate)(x))
    settings = int8_settings(model, [np.zeros((1, 3, 3, CHANNELS), np.float32)])
    with pytest.raises(ValueError, match="`dilation_rate` must leave no window with padding alone"):
        model.export(tmp_path / "model.tflite", format="litert", verbose=False, **settings)
