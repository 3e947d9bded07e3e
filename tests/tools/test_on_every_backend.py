"""The tools that run on every backend, on the one that Keras runs on: no TensorFlow is imported here."""

import contextlib
import json

import keras
import numpy as np
import pytest

import keras_maxpool
from keras_maxpool.tools.cli import main
from keras_maxpool.tools.convert import to_builtin, to_keras_maxpool
from keras_maxpool.tools.parity import assert_parity, cases, command, run
from keras_maxpool.tools.parity.modes import MODES
from keras_maxpool.tools.report import report


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_parity(padding, dtype):
    for rank in (1, 2, 3):
        name, shape = f"MaxPooling{rank}D", (None, *(7, 8, 5)[:rank], 3)
        ours, builtin = (
            getattr(package, name)(3, 2, padding, dtype=dtype)
            for package in (keras_maxpool, keras.layers)
        )
        assert_parity(ours, builtin, shape, dtype=dtype)


class Doubled(keras.layers.MaxPooling2D):
    """A layer whose gradient is another one, too."""

    def call(self, inputs):
        return 2 * super().call(inputs)


def test_differences_are_found_in_each_mode():
    pool = keras_maxpool.MaxPooling2D(2)
    for mode in MODES:
        with pytest.raises(AssertionError, match=f"output differs in mode '{mode}'"):
            assert_parity(Doubled(2), pool, (2, 4, 4, 1), modes=[mode])
    with pytest.raises(ValueError, match="`modes` is unknown; received modes='fast'"):
        assert_parity(pool, pool, (2, 4, 4, 1), modes=["fast"])


def test_command(monkeypatch, tmp_path):
    """One case of each group, of a wrong layer in 2D: all else is equal. layers/test_faults.py has the known faults."""
    few = {case.group: case for case in cases.cases(quick=True)}
    forms = {form.rank: form for form in cases.forms(quick=True)}
    right = run.our_layer
    monkeypatch.setattr(cases, "cases", lambda quick: [*few.values()])
    monkeypatch.setattr(cases, "forms", lambda quick: [*forms.values()])
    monkeypatch.setattr(command, "probing", lambda: contextlib.nullcontext(list))
    monkeypatch.setattr(
        run, "our_layer", lambda case: Doubled(**case.arguments) if case.rank == 2 else right(case)
    )
    told = tmp_path / "report.json"
    assert main(["parity", "--quick", "--json", str(told)]) == 1
    found = json.loads(told.read_text("utf-8"))
    assert found["environment"]["backend"] == keras.config.backend()
    groups = {group["name"] for group in found["groups"] if group["compared"]}
    assert groups >= {*few, "3D shapes", "3D config", "3D saving"}
    assert {result["group"] for result in found["different"]} == {
        name for name in few if name.startswith("2D")
    }


class Inside(keras.Model):
    """Pools where no graph shows it."""

    def __init__(self):
        super().__init__()
        self.conv = keras.layers.Conv2D(4, 3)
        self.pool = keras_maxpool.MaxPooling2D(2, name="pool")

    def call(self, inputs):
        return self.pool(self.conv(inputs))


def test_report_of_a_class_of_ones_own():
    """The batch is unknown when Keras traces the model, on each backend in another way."""
    model = Inside()
    model.build((None, 11, 9, 3))
    (row,) = report(model).rows
    assert (row.layer, row.input_shape, row.output_shape) == (
        "pool",
        (None, 9, 7, 4),
        (None, 4, 3, 4),
    )
    assert row.bytes_saved == 4 * 4 * (9 * 7 - 4 * 3)


def test_there_and_back():
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), keras.layers.MaxPooling2D(2)]
    )
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype("float32")
    ours = to_keras_maxpool(model)
    assert isinstance(ours.layers[-1], keras_maxpool.MaxPooling2D)
    for other in (ours, to_builtin(ours)):
        np.testing.assert_array_equal(*(each.predict(x, verbose=0) for each in (other, model)))
