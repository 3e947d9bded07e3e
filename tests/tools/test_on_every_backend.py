"""The tools that run on every backend, on the one that Keras runs on: no TensorFlow is imported here."""

import contextlib
import importlib
import json

import keras
import pytest
from harness.commands import complaint
from harness.install import needs
from tools.models import TripleGradient

import keras_maxpool
from keras_maxpool.tools.bench import cases, measure, peers
from keras_maxpool.tools.cli import main
from keras_maxpool.tools.parity import assert_parity, command
from keras_maxpool.tools.parity import cases as parity_cases
from keras_maxpool.tools.parity.modes import MODES


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


BACKEND = keras.config.backend()
BENCH_MODES = cases.MODES[BACKEND]
elsewhere = pytest.mark.skipif(
    BACKEND == "tensorflow", reason="the test of each tool does this: set KERAS_BACKEND=jax"
)


def test_bench_finds_wrong_gradients_in_each_mode(monkeypatch):
    case = cases.Case((2, 4, 4, 1), 2, 2)
    settings = cases.plan([case], BENCH_MODES, cases.DIRECTIONS, [])
    monkeypatch.setattr(peers, "our_layer", lambda case: TripleGradient(2))
    outcome = measure.run(settings, 0.0, lambda setting: None)
    assert [note.setting for note in outcome.different] == [
        setting for setting in settings if setting.direction == "gradient"
    ]
    assert {setting.mode for setting in settings} == set(BENCH_MODES)


@elsewhere
@pytest.mark.parametrize("options", ["--cases ^2D.8x8x8x8.2/2$", "--networks --cases MNIST"])
def test_bench(options, tmp_path, capsys):
    needs("matplotlib")
    file = tmp_path / "bench.json"
    assert main(["bench", "--quick", *options.split(), "--json", str(file)]) == 0
    found = json.loads(file.read_text("utf-8"))
    rows = [row for row in found["rows"] if row["peer"] == "built-in"]
    assert [(row["mode"], row["direction"]) for row in rows] == [
        (mode, way)
        for mode in BENCH_MODES
        for way in ("forward", "gradient")
        if (way == "gradient" if mode in cases.TRAINING else "--networks" not in options)
    ]
    assert all(row["rounds"] >= 2 and 1e-3 < row["ours_ms"]["median"] < 1e4 for row in rows)
    version = importlib.import_module(BACKEND).__version__
    assert {"backend": BACKEND, BACKEND: version}.items() <= found["environment"].items()
    assert "geometric mean" in capsys.readouterr().out


@elsewhere
def test_bench_refuses_what_other_backends_have(capsys):
    needs("matplotlib")
    line = complaint(["bench", "--modes", "graph"], capsys)
    assert line.startswith("keras-maxpool: --modes graph: Keras runs on ")
    assert line.endswith(f"whose modes are {', '.join(BENCH_MODES)}")
    assert "--kernels: on" in complaint(["bench", "--kernels"], capsys)


@elsewhere
def test_the_parity_command(monkeypatch, tmp_path):
    """One case of each group; layers/test_faults.py has the known faults."""
    few = {case.group: case for case in parity_cases.cases(quick=True)}
    told = tmp_path / "report.json"
    monkeypatch.setattr(parity_cases, "cases", lambda quick: [*few.values()])
    monkeypatch.setattr(command, "probing", lambda: contextlib.nullcontext(list))
    assert main(["parity", "--quick", "--json", str(told)]) == 0
    found = json.loads(told.read_text("utf-8"))
    assert found["environment"]["backend"] == BACKEND
    groups = {group["name"] for group in found["groups"] if group["compared"]}
    assert groups >= {*few, "3D shapes", "3D config", "3D saving"}


@elsewhere
def test_demo(capsys):
    needs("sklearn")
    assert main(["demo", "--epochs", "1"]) == 0
    out, _ = capsys.readouterr()
    assert f" {importlib.import_module(BACKEND).__version__}\n" in out
    assert (out.count("│ equal "), out.count("DIFFERENT")) == (6, 0)
