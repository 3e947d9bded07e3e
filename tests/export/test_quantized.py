"""Quantised models, in LiteRT and ONNX Runtime: every option gives what the model in floats gives, to two quanta."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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
    for case in (param.values[0] for param in BY_ROAD)
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
    sizes = SIZES[case.rank] if known else (None,) * case.rank
    x = keras.Input((*sizes, CHANNELS), name="x")
    convolution = getattr(keras.layers, f"Conv{case.rank}D")(CHANNELS, 3, padding="same")
    pooled = convolved = convolution(x)
    if case.data_format == "channels_first":
        pooled = keras.layers.Permute((case.rank + 1, *range(1, case.rank + 1)))(convolved)
    if not case.masked:
        model = keras.Model(x, case.build(pooled, case.rank))
    else:
        mask = keras.Input(sizes, dtype="bool", name="mask")
        model = keras.Model([x, mask], case.build((pooled, mask), case.rank))
    return model, keras.Model(x, convolved)


def samples(case: Case) -> list[np.ndarray]:
    """Normally distributed inputs, and a mask that empties windows and a sample."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((24, *SIZES[case.rank], CHANNELS), np.float32)
    if not case.masked:
        return [x]
    mask = rng.random(x.shape[:-1]) < 0.4
    mask[0, :3] = False
    mask[-1] = False
    return [x, mask]


def representative(model: keras.Model, inputs: list[np.ndarray]) -> Callable[[], Iterator[dict]]:
    names = [tensor.name for tensor in model.inputs]

    def feeds() -> Iterator[dict]:
        for sample in zip(*inputs, strict=True):
            yield {name: value[None] for name, value in zip(names, sample, strict=True)}

    return feeds


def converter_of(model: keras.Model, inputs: list[np.ndarray], kind: str) -> Any:
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    return quantised(converter, representative(model, inputs), kind)


def quantised(converter: Any, feeds: Callable, kind: str) -> Any:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind in ("int8", "int16"):
        converter.representative_dataset = feeds
    if kind == "int16":
        converter.target_spec.supported_ops = [INT16, tf.lite.OpsSet.TFLITE_BUILTINS]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    return converter


def assert_close(got: list[np.ndarray], case: Case, quanta: float) -> None:
    """Equal shapes, values within so many 255ths of the range that is pooled, and at most 3 % of other indices.

    An index is another one where rounding makes a tie, or breaks one; an unpooled value is elsewhere then. Of all
    elements of a sample more are so close to each other: 10 %.
    """
    model, convolution = behind_convolution(case)
    inputs = samples(case)
    convolved = np.asarray(convolution(inputs[0]))
    bound = quanta * np.ptp(convolved) / 255
    got = list(got)
    for wanted in map(np.asarray, tf.nest.flatten(predicted(model, inputs))):
        # LiteRT tells outputs by numbers of its own.
        same = [y for y in got if (y.shape, y.dtype) == (wanted.shape, wanted.dtype)]
        assert same, [(y.shape, y.dtype) for y in got]
        other = np.abs(same[0] - wanted) > (bound if wanted.dtype == np.float32 else 0)
        moves = wanted.dtype != np.float32 or "unpool" in case.option
        assert other.mean() <= (0 if not moves else 0.1 if "global" in case.option else 0.03)


@pytest.mark.parametrize(("case", "kind"), BY_KIND)
def test_litert(case: Case, kind: str) -> None:
    model, _ = behind_convolution(case)
    converter = converter_of(model, samples(case), kind)
    if kind == "int16" and computes_with_indices(case):
        with (
            pytest.warns(UserWarning, match="`return_indices` does not go through 16-bit"),
            pytest.raises(Exception),  # noqa: B017, PT011 - TensorFlow's own, of another matter
        ):
            converter.convert()
        return
    quanta = {"float16": 0.2, "dynamic": 0.2}.get(kind, 2)
    assert_close(litert_child.run(converter.convert(), samples(case)), case, quanta)


def computes_with_indices(case: Case) -> bool:
    """Whether anything but the model's output depends on indices."""
    return "unpool" in case.option or case.option in (
        *("mask_indices", "global_indices", "mask_global_indices"),
    )


@pytest.mark.parametrize("option", ["padding", "ceil", "mask", "indices_padding", "unpool_like"])
def test_litert_of_unknown_sizes(option: str) -> None:
    case = OPTIONS[f"{option}-2d"]
    content = converter_of(behind_convolution(case, False)[0], samples(case), "int8").convert()
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
    model, _ = behind_convolution(case)
    model.export(str(tmp_path), verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path))
    feeds = representative(model, samples(case))
    content = quantised(converter, feeds, "int8").convert()
    assert_close(litert_child.run(content, samples(case)), case, 2)


@pytest.mark.parametrize("kind", ["static", "dynamic"])
@pytest.mark.parametrize("case", FLOATS, ids=str)
def test_onnx_runtime(case: Case, kind: str, tmp_path: Path) -> None:
    model, _ = behind_convolution(case)
    inputs = samples(case)
    predicted(model, inputs)  # Keras exports no model to ONNX that has not been called
    exported, result = tmp_path / "model.onnx", tmp_path / "quantised.onnx"
    model.export(exported, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(exported)
    names = [wanted.name for wanted in session.get_inputs()]
    feeds = [
        {name: sample["mask" in name][None] for name in names}
        for sample in zip(*inputs, strict=True)
    ]
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
    ours = keras.Model(x, keras_maxpool.MaxPool2D(3, 2, 1)(convolved))
    padded = keras.layers.ZeroPadding2D(1)(convolved)
    builtin = keras.Model(x, keras.layers.MaxPooling2D(3, 2)(padded))
    inputs = [np.random.default_rng(4).standard_normal((24, 12, 12, CHANNELS), np.float32)]
    [got], [wanted] = (
        litert_child.run(converter_of(model, inputs, "int8").convert(), inputs)
        for model in (ours, builtin)
    )
    assert np.ptp(wanted) > 1
    np.testing.assert_allclose(got, wanted, rtol=0, atol=2 * np.ptp(wanted) / 255)


def test_ieee_is_plain_in_integers(tmp_path: Path) -> None:
    """Integers hold neither NaN nor infinities; Keras's own exporter tells of the quantisation, too."""
    case = OPTIONS["ieee-2d"]
    model, _ = behind_convolution(case)
    settings = {
        "optimizations": [tf.lite.Optimize.DEFAULT],
        "representative_dataset": representative(model, samples(case)),
    }
    path = tmp_path / "model.tflite"
    model.export(path, format="litert", verbose=False, **settings)
    assert_close(litert_child.run(path.read_bytes(), samples(case)), case, 2)


@pytest.mark.parametrize(
    ("sizes", "rate"), [((3, 3), 4), ((None, None), 2)], ids=["small", "unknown"]
)
def test_gaps_without_elements_are_refused(sizes: tuple, rate: int, tmp_path: Path) -> None:
    """Padding has no element to repeat there."""
    x = keras.Input((*sizes, CHANNELS), name="x")
    model = keras.Model(x, keras_maxpool.MaxPool2D(2, 1, rate, dilation_rate=rate)(x))
    inputs = [np.zeros((1, 3, 3, CHANNELS), np.float32)]
    settings = {
        "optimizations": [tf.lite.Optimize.DEFAULT],
        "representative_dataset": representative(model, inputs),
    }
    with pytest.raises(ValueError, match="`dilation_rate` must leave no window with padding alone"):
        model.export(tmp_path / "model.tflite", format="litert", verbose=False, **settings)
