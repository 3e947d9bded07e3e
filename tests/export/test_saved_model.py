"""SavedModels of every option predict where neither this package nor Keras can be imported, bit for bit."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from export.export_cases import BY_ROAD, DTYPES, Case, assert_equal, of_dtype, predicted
from harness.keras_version import LEGACY, keras, keras_3_alone

CASES: list[Case] = [parameters.values[0] for parameters in BY_ROAD]

FORMS = ("export", "saved_model")
SAVED = "1d-channels_last-float32-False"
"""The model that `tf.saved_model.save` writes too: each takes seconds."""
SMALLER = -2
"""The second inputs differ by this in each spatial size, and in the batch's size."""

CHILD = """
import sys

sys.modules["keras"] = sys.modules["keras_maxpool"] = sys.modules["tf_keras"] = None

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

folder, *forms = sys.argv[1:]
for fan in open(f"{folder}/fans").read().split():
    roads = {}
    for form in forms:
        if form == "saved_model" and fan != "1d-channels_last-float32-False":
            continue
        loaded = tf.saved_model.load(f"{folder}/{fan}-{form}")
        roads[form] = loaded.signatures["serving_default"]
    roads["frozen"] = convert_variables_to_constants_v2(roads["export"])
    names = sorted(roads["export"].structured_outputs)
    for which in ("usual", "smaller"):
        with np.load(f"{folder}/{fan}-{which}.npz") as file:
            inputs = {name: tf.constant(file[name]) for name in file}
        for road, function in roads.items():
            if road == "frozen":
                flat = function(*(inputs["mask" if "mask" in t.name else "x"] for t in function.inputs))
                outputs = dict(zip(names, tf.nest.flatten(flat), strict=True))
            elif road == "saved_model":
                [name] = function.structured_input_signature[1]
                outputs = function(**{name: inputs["x"]})
            else:
                outputs = function(**inputs)
            np.savez(f"{folder}/{fan}-{which}-{road}-out.npz", **outputs)
"""


def fan_of(case: Case) -> str:
    """The name of the model that a case shares with others of equal inputs."""
    return f"{case.rank}d-{case.data_format}-{case.dtype}-{case.masked}"


def members(fan: str) -> list[Case]:
    return [case for case in CASES if fan_of(case) == fan]


@cache
def model_of(fan: str) -> keras.Model:
    """One model with unknown sizes for all cases of a fan, whose outputs are named by case and place."""
    cases = members(fan)
    inputs = cases[0].model(known=False).inputs
    outputs = {}
    for case in cases:
        given = tuple(inputs) if case.masked else inputs[0]
        for place, output in enumerate(tf.nest.flatten(case.build(given, case.rank))):
            outputs[f"{case.option}_{place}"] = output
    return keras.Model({tensor.name: tensor for tensor in inputs}, outputs)


def inputs_of(fan: str, which: str) -> dict[str, np.ndarray]:
    case = members(fan)[0]
    arrays = case.inputs() if which == "usual" else case.inputs(batch=1, more=SMALLER)
    return dict(zip(("x", "mask"), arrays, strict=False))


@cache
def wanted(fan: str, which: str) -> dict[str, np.ndarray]:
    outputs = model_of(fan)(inputs_of(fan, which))
    return {name: np.asarray(output) for name, output in outputs.items()}


@pytest.fixture(scope="module")
def folder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The models of the selected tests in both forms, and what one process without Keras makes of them."""
    folder = tmp_path_factory.mktemp("saved_models")
    here = [item for item in request.session.items if item.path == request.path]
    cases = [item.callspec.params.get("case") for item in here if hasattr(item, "callspec")]
    fans = {SAVED} | {fan_of(case) for case in cases if case}
    (folder / "fans").write_text("\n".join(fans))
    for fan in fans:
        for which in ("usual", "smaller"):
            np.savez(folder / f"{fan}-{which}.npz", **inputs_of(fan, which))
        model_of(fan).export(str(folder / f"{fan}-export"))
    tf.saved_model.save(model_of(SAVED), str(folder / f"{SAVED}-saved_model"))
    command = [sys.executable, "-c", CHILD, str(folder), *FORMS]
    child = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert child.returncode == 0, child.stderr[-4000:]
    return folder


def assert_same_bits(folder: Path, case: Case, which: str, road: str) -> None:
    fan = fan_of(case)
    with np.load(folder / f"{fan}-{which}-{road}-out.npz") as file:
        got = {name: file[name] for name in file}
    names = [name for name in got if name.rsplit("_", 1)[0] == case.option]
    assert names
    assert got.keys() == wanted(fan, which).keys()
    for name in names:
        expected = wanted(fan, which)[name]
        assert (got[name].dtype, got[name].shape) == (expected.dtype, expected.shape)
        assert got[name].tobytes() == expected.tobytes()


by_case = pytest.mark.parametrize(
    "case",
    [
        # Each further fan takes seconds.
        pytest.param(case, id=str(case), marks=[pytest.mark.slow] * (fan_of(case) != SAVED))
        for case in CASES
    ],
)
by_inputs = pytest.mark.parametrize("which", ["usual", "smaller"])


@by_case
@by_inputs
@pytest.mark.parametrize("road", ["export", "frozen"])
def test_predicts_without_keras(folder: Path, case: Case, road: str, which: str) -> None:
    assert_same_bits(folder, case, which, road)


@keras_3_alone  # Keras 2 calls its outputs otherwise
@pytest.mark.parametrize("case", [case for case in CASES if fan_of(case) == SAVED], ids=str)
@by_inputs
def test_saved_model_without_keras(folder: Path, case: Case, which: str) -> None:
    assert_same_bits(folder, case, which, "saved_model")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype: str, tmp_path: Path) -> None:
    model, inputs = of_dtype(dtype)
    model.export(str(tmp_path / "model"))
    outputs = tf.saved_model.load(str(tmp_path / "model")).serve(*inputs)
    assert_equal([y.numpy() for y in tf.nest.flatten(outputs)], predicted(model, inputs))


# --- Fine-tuning ---

TUNED = [
    *("plain", "same", "padding", "dilated", "ceil", "ieee", "separable", "shifted", "unpool_like"),
    *("global", "global_ieee", "adaptive", "fractional"),
]


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each option the gradients of one kernel, of the reloaded model and of the model itself."""
    cases = {case.option: case for case in CASES if case.rank == 2}
    x = keras.Input((None, None, 3), name="x")
    keras.utils.set_random_seed(5)
    mixed = keras.layers.Dense(3, name="mix")(x)
    model = keras.Model(x, {name: cases[name].build(mixed, 2) for name in TUNED})
    path = str(tmp_path_factory.mktemp("tuned") / "model")
    model.export(path)
    loaded = tf.saved_model.load(path)
    [array] = cases["plain"].inputs()
    data = tf.constant(array + np.random.default_rng(0).random(array.shape, np.float32))

    @tf.function
    def own(data: tf.Tensor) -> dict[str, tf.Tensor]:
        return model(data)

    def gradients(function: Callable, kernel: tf.Variable) -> dict[str, np.ndarray]:
        with tf.GradientTape(persistent=True) as tape:
            losses = {name: tf.reduce_sum(y**2) for name, y in function(data).items()}
        return {name: tape.gradient(loss, kernel).numpy() for name, loss in losses.items()}

    [kernel] = [v for v in loaded.trainable_variables if v.shape.rank == 2]
    own_kernel = model.layers[1].kernel if LEGACY else model.layers[1].kernel.value
    got, expected = gradients(loaded.serve, kernel), gradients(own, own_kernel)
    return {name: (got[name], expected[name]) for name in TUNED}


@pytest.mark.slow
@pytest.mark.parametrize("option", TUNED)
def test_fine_tuning_has_the_same_gradients(tuned: dict, option: str) -> None:
    got, expected = tuned[option]
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.slow
def test_reloaded_function_compiles(tmp_path: Path) -> None:
    """All but indices, which need implementation="shifted": XLA has no MaxPoolWithArgmax on the CPU."""
    cases = [case for case in CASES if case.rank == 2 and case.option in TUNED]
    x = keras.Input((None, None, 3))
    outputs = {
        case.option: case.build(x, 2, **forced)
        for case in cases
        for forced in [{"implementation": "shifted"} if case.option == "unpool_like" else {}]
    }
    model = keras.Model(x, outputs)
    model.export(str(tmp_path / "model"))
    serve = tf.saved_model.load(str(tmp_path / "model")).serve
    [data] = cases[0].inputs()
    got = tf.function(serve, jit_compile=True)(tf.constant(data))
    for name, value in model(data).items():
        np.testing.assert_array_equal(got[name], value, err_msg=name)
