"""assert_parity and keras-maxpool parity: what is equal passes, each planted fault is found, named and shown again."""

import contextlib
import io
import itertools
import json
import re
import signal
import sys
import tempfile
from dataclasses import replace
from xml.etree import ElementTree

import keras
import numpy as np
import pytest
import tensorflow as tf
from harness import wrong_layers
from harness.commands import check_piped
from rich.console import Console

import keras_maxpool
from keras_maxpool.tools.cli import main
from keras_maxpool.tools.errors import one_line
from keras_maxpool.tools.parity import (
    assert_parity,
    checks,
    command,
    files,
    processes,
    report,
    reproduce,
    run,
)
from keras_maxpool.tools.parity import cases as every
from keras_maxpool.tools.parity.cases import GRAPH_ANY_BATCH, MODES, RANKS, Case
from keras_maxpool.tools.parity.compare import difference, make_input
from keras_maxpool.tools.parity.faults import FAULTS, Fault, Finding
from keras_maxpool.tools.parity.outcome import Group, Outcome, Result

OURS, BUILTIN = keras_maxpool.MaxPool2D, keras.layers.MaxPool2D
SHAPE = (2, 7, 8, 3)
SAME = {"pool_size": 3, "strides": 2, "padding": "same"}
EAGERLY = {"modes": ["eager"]}


def test_what_is_a_layer():
    """Models, layers of integers, of no known size, and those that do not compute their shape."""
    assert_parity(OURS(), BUILTIN(), SHAPE, dtype="uint8", modes=["eager", "graph"])
    assert_parity(OURS(), BUILTIN(), (None, None, None, 3), modes=())
    ours, builtin, average = (
        keras.Sequential([keras.Input(SHAPE[1:]), pool(2), last(3, 1)])
        for pool, last in ((OURS, OURS), (BUILTIN, BUILTIN), (BUILTIN, keras.layers.AvgPool2D))
    )
    secretive = wrong_layers.Secretive(OURS())
    for pair in ((ours, builtin), (secretive, BUILTIN()), (BUILTIN(), secretive)):
        assert_parity(*pair, SHAPE, **EAGERLY)
    with pytest.raises(AssertionError, match="output differs in mode 'eager'"):
        assert_parity(ours, average, SHAPE, **EAGERLY)
    with pytest.raises(AssertionError, match=r"symbolic call differs: float32\(2, 3, 4, 3\) in"):
        assert_parity(secretive, BUILTIN(padding="same"), SHAPE, **EAGERLY)


ELEMENTS = r"\d+ of 336 elements differ, first at \[0, "
COMPUTED = re.escape("compute_output_shape differs: (None, 5, 4, 3) instead of (None, 4, 4, 3)\n")


def test_wrong_layers_are_found():
    """In this mode alone, and again by the line of Python that it ends with."""
    for wrong, mode, text in (
        ("LastMaximum", "eager", f"gradient .*: {ELEMENTS}"),
        ("NoNegatives", "graph", r"output .* first at \[.*\]: 0\.0 instead of -1\.0\d+"),
        ("Shorter", "eager", r"output .*: float32\(2, 3, 4, 3\) instead of float32\(2, 4, 4, 3\)"),
        ("WrongDtype", "eager", r"output .*: float64\(2, 4, 4, 3\) instead of float32\(2, 4, 4, "),
        ("NoGradient", "eager", "gradient .*: there is none"),
        ("Failing", "graph", "output .*: raised RuntimeError: not in a graph"),
        ("WrongForAnyBatch", "graph", "output .* elements differ"),
        ("WrongInXla", "xla", "output .* elements differ"),
        ("WrongShape", "", COMPUTED),
    ):
        layer, ties = getattr(wrong_layers, wrong)(**SAME), wrong == "LastMaximum"
        shape = (None if wrong in ("WrongForAnyBatch", "WrongShape") else 2, *SHAPE[1:])
        with pytest.raises(AssertionError, match=text) as caught:
            assert_parity(layer, BUILTIN(**SAME), shape, modes=[mode] * bool(mode), ties=ties)
        message = str(caught.value)
        assert f"in mode {mode!r}" in message or not mode
        line = message.partition("To see it again: ")[2]
        assert line.startswith("import ")
        with pytest.raises(AssertionError) as again:
            exec(line, {})
        assert str(again.value) == message


def test_wrong_arguments():
    other_rank, capitals = keras.layers.MaxPool3D(), BUILTIN(2, padding="SAME")
    too_many = {"dtype": "float16", "input_shape": (1, 256, 256, 1)}
    for change, words in (
        ({"layer": "MaxPool2D"}, "`layer` takes a Keras layer; received layer='MaxPool2D'"),
        ({"reference_layer": BUILTIN}, "`reference_layer` takes a Keras layer"),
        ({"input_shape": 8}, "`input_shape` takes a tuple; received input_shape=8"),
        ({"input_shape": (2, None, 8, 3)}, "`input_shape` takes integers, not NoneType"),
        ({"modes": "eager"}, "Write modes=['eager']"),
        ({"ties": 1}, "`ties` takes True or False"),
        ({"reference_layer": other_rank}, "`reference_layer` cannot do this itself"),
        ({"reference_layer": capitals}, "padding=SAME"),
        ({"input_shape": (2, 0, 8, 3)}, "`input_shape` must be positive"),
        ({"modes": ["fast"]}, "`modes` is unknown; received modes='fast'"),
        ({"dtype": "complex64"}, "`dtype` is unknown; received dtype='complex64'"),
        (too_many, "holds 65536 elements, more than float16"),
    ):
        given = {"layer": OURS(), "reference_layer": BUILTIN(), "input_shape": SHAPE} | change
        error = TypeError if " takes " in words or "Write" in words else ValueError
        with pytest.raises(error, match=re.escape(words)):
            assert_parity(**given)


def test_make_input():
    def made(shape, dtype, ties=False):
        return make_input(shape, dtype, ties, np.random.default_rng(0))

    for dtype in ("float16", "bfloat16", "float32", "float64"):
        x = made((2, 7, 9, 3), dtype)
        wide = np.sort(x.astype("float64").ravel())
        assert (x.shape, x.dtype.name, np.abs(wide).min()) == ((2, 7, 9, 3), dtype, 1)
        assert np.diff(wide).min() > 1e-5, "the built-in takes closer ones for equal in eager 3D"
        assert (wide[0] < -1, (wide > 0).sum()) == (True, 189)
        if dtype in ("float32", "float64"):
            assert (wide != wide.astype("float16")).mean() > 0.9
    for dtype in ("int8", "uint8", "int64", "uint64"):
        x, ends = made((1, 30, 30, 3), dtype), np.iinfo(dtype)
        near = (ends.max - ends.min) // 50
        assert x.dtype == dtype
        assert int(x.max()) + near > ends.max > ends.min > int(x.min()) - near
    assert np.unique(made((1, 8, 8, 3), "float32", True)).tolist() == [0, 1, 2]


def test_difference():
    last_digit = "1 of 3 elements differ, first at [2]: 3.0 instead of 3.000000238418579"
    for got, expected, text in (
        ([1, np.nan, -0.0], [1, np.nan, 0.0], ""),
        ([1, 2, 3], [1, 2, 3 + 2**-22], last_digit),
        ([1, np.nan, 3], [1, 2, 4], "2 of 3 elements differ, first at [1]: nan instead of 2.0"),
        ([1, 2], [1, 2, 3], "float32(2,) instead of float32(3,)"),
        (np.zeros(1), [0], "float64(1,) instead of float32(1,)"),
        (None, [1], "there is none"),
    ):
        got = np.array(got, "float32") if isinstance(got, list) else got
        assert difference(got, np.array(expected, "float32")) == text


def test_one_line_of_an_error():
    for text, line in (
        ("first\nsecond", "ValueError: first"),
        ("Exception encountered when calling X.call().\n\n\x1b[1mwhy\x1b[0m\n", "ValueError: why"),
        ("in user code:\n\n    File x\n    ValueError: why\n\nArguments", "ValueError: why"),
        ("", "ValueError"),
    ):
        assert one_line(ValueError(text)) == line


def test_expression():
    halves = OURS(3, 2, dtype="float16")
    options = "pool_size=(3, 3), strides=(2, 2), dtype='float16'"
    for layer, text in (
        (OURS(), "keras_maxpool.MaxPooling2D()"),
        (halves, f"keras_maxpool.MaxPooling2D({options})"),
        (keras.layers.MaxPool1D(2, name="here"), "keras.layers.MaxPooling1D()"),
        (wrong_layers.NoNegatives(3), "harness.wrong_layers.NoNegatives(pool_size=(3, 3))"),
        (wrong_layers.Secretive(OURS()), "harness.wrong_layers.Secretive(...)"),
    ):
        assert reproduce.expression(layer) == text

    class Own(OURS):
        def __init__(self, *args, factor, **kwargs):
            super().__init__(*args, **kwargs)

    Own.__module__ = "__main__"
    assert reproduce.line(Own(factor=2), OURS(), SHAPE, "float32", [], False).partition(
        "assert_parity("
    )[2] == (
        f"{Own.__qualname__}(...), keras_maxpool.MaxPooling2D(), {SHAPE}, dtype='float32', modes=[])"
        f"  # after the definition of {Own.__qualname__}"
    )
    wrapper = keras.layers.TimeDistributed(OURS(3))
    assert (
        eval(reproduce.expression(wrapper), {"keras": keras}).get_config() == wrapper.get_config()
    )


EAGER = Case(2, 3, 2, "same", "channels_last", "float32", "eager")
FEW = [
    *(EAGER, replace(EAGER, mode="graph", ties=True)),
    Case(1, 2, None, "valid", "channels_first", "int8", "graph"),
    Case(3, 2, None, "valid", "channels_last", "float32", GRAPH_ANY_BATCH),
]
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals: run it on Linux or macOS")
FORM = replace(EAGER, mode=GRAPH_ANY_BATCH)
MET = Finding(Fault("a fault", "does it", "does not", every), "did [it]", "")
ABSENT = Finding(Fault("another", "", "", FAULTS[0].probe), "", "")
OURS_DID_IT = Finding(FAULTS[0], "", "ours did it")


@pytest.fixture
def few(monkeypatch):
    """Has a few cases run, with findings in place of the processes, and without the slow checks."""

    def set_up(cases=FEW, wrong=None, findings=(MET, ABSENT), without_checks=True):
        found = contextlib.nullcontext(lambda: list(findings))
        monkeypatch.setattr(command, "probing", lambda: found)
        monkeypatch.setattr(every, "cases", lambda quick: cases)
        monkeypatch.setattr(every, "forms", lambda quick: [FORM])
        for name in ("names", "config", "spelling_in_a_config", "saved_model") * without_checks:
            monkeypatch.setattr(checks, name, lambda *_, **__: None)
        if wrong:
            monkeypatch.setattr(
                run, "our_layer", lambda case: getattr(wrong_layers, wrong)(**case.arguments)
            )

    return set_up


def compared(advance=lambda *call: None):
    return command.run(quick=True, advance=advance)


def test_everything_comes_up_in_every_rank_and_mode():
    everything, few = every.cases(quick=False), every.cases(quick=True)
    assert len(everything) > 6 * len(few)
    for cases, rank, mode in itertools.product((everything, few), RANKS, MODES):
        assert len(set(cases)) == len(cases)
        of_group = [case for case in cases if (case.rank, case.mode) == (rank, mode)]
        names = ("strides", "padding", "data_format", "pool_size", "dtype", "spelling")
        strides, paddings, formats, *rest = (
            {getattr(case, name) for case in of_group if not case.ties} for name in names
        )
        assert len(strides) > 2
        assert (paddings, formats) == ({"valid", "same"}, {"channels_last", "channels_first"})
        ties = mode in every.EVERY_TIE and (rank, mode) != (3, "eager")
        assert {case.ties for case in of_group} == {False, ties}
        if cases is everything or (mode in ("eager", "graph") and rank < 3):
            spellings = {f"MaxPool{rank}D", f"MaxPooling{rank}D"}
            assert rest == [set(every.WINDOWS[rank]), set(every.dtypes(rank, mode)), spellings]
            assert strides == set(every.STRIDES[rank])


def test_equal_layers(few):
    few(without_checks=False)
    told = []
    outcome = compared(lambda *call: told.append(call))
    assert outcome.ok
    assert {group.name: group.compared for group in outcome.groups} == {
        **{"2D eager": 2, "2D graph, ties": 2, "1D graph": 1, "3D graph, batch None": 2},
        **{"2D shapes": 6, "2D config": 1},
        **{f"{rank}D names": 1 for rank in RANKS},
        **{f"{rank}D saving": 6 for rank in RANKS},
    }
    assert [call[1:] for call in told] == [(done, len(told) - 1) for done in range(len(told))]
    first = Case(3, (2, 3, 1), None, "same", "channels_first", "bfloat16", "eager")
    assert first.input_shape == (2, 3, 5, 6, 4)


def test_layers_that_cannot_be_made_or_pooled(few, monkeypatch):
    """Ours is different then, and where the built-in is unable, nothing is compared."""
    few([Case(3, 2, None, "valid", "channels_last", "float64", "graph")])
    outcome = compared()
    assert outcome.ok, "a known fault, and shapes and configs are equal"
    assert outcome.groups[0] == Group("3D graph", 0, 0, 1)
    assert re.search("float64|double", outcome.results[0].unable)
    assert not Outcome(outcome.results[:1], []).ok, "nothing was compared"

    def unmade(case):
        raise ValueError("no [such] layer")

    few()
    monkeypatch.setattr(run, "our_layer", unmade)
    line = (
        "import keras_maxpool; keras_maxpool.MaxPooling2D(**{'pool_size': 3, 'strides': 2, "
        "'padding': 'same', 'data_format': 'channels_last', 'dtype': 'float32'})"
    )
    problem = "raised ValueError: no [such] layer"
    assert compared().different[0] == Result("2D eager", EAGER.name, problem, reproduction=line)


def test_checks_can_fail(monkeypatch):
    for check, arguments, options, wrong, problem in (
        ("names", (2,), {}, wrong_layers.NoNegatives, "are two classes"),
        ("config", ("MaxPool2D",), {"padding": "same"}, wrong_layers.Forgetful, "instead of"),
        ("spelling_in_a_config", ("MaxPool2D",), {}, wrong_layers.NoNegatives, "instead of"),
        ("saved_model", ("MaxPool2D", ".h5"), {}, keras.layers.AveragePooling2D, "outputs"),
    ):
        getattr(checks, check)(*arguments, **options)
        with monkeypatch.context() as patch:
            patch.setattr(checks.keras_maxpool, "MaxPool2D", wrong)
            with pytest.raises(AssertionError, match=problem):
                getattr(checks, check)(*arguments, **options)


REPRODUCTION = "line(" + "x" * 200
OUTCOME = Outcome(
    [
        Result("2D eager", "output of [this]"),
        Result("2D eager", "gradient of [this]", "1 of 2 differ\x1b", reproduction=REPRODUCTION),
        Result("3D eager", "output of that", unable="no [double]"),
    ],
    [MET, ABSENT, OURS_DID_IT],
)


def test_report(capsys):
    exec(OURS_DID_IT.line, {})
    assert capsys.readouterr().out == "\n"
    console = Console(file=io.StringIO(), width=160)
    report.render(OUTCOME, console)
    text = console.file.getvalue()
    assert re.search(r"│ 2D eager │ +2 │ +1 │ +1 │ +0 │", text)
    assert re.search(r"│ 3D eager │ +0 │ +0 │ +0 │ +1 │", text)
    assert re.search(r"│ a fault +│ does it: did \[it\] +│ does not +│", text)
    assert f"known faults not met: another; {FAULTS[0].name}\n" in text
    assert "the built-in is unable: no [double]\n" in text
    assert "DIFFERENT: 2D eager: gradient of [this]: 1 of 2 differ" in text
    assert f"\n  {REPRODUCTION}\n" in text, "a line to paste is not broken"
    assert f"DIFFERENT: known fault, {FAULTS[0].name}: ours: ours did it\n" in text
    assert "2 comparisons, 2 different; " in text


def test_junit():
    root = ElementTree.fromstring(files.to_junit(OUTCOME))
    counts = ("name", "tests", "failures", "skipped", "errors")
    assert [[suite.attrib[name] for name in counts] for suite in root] == [
        ["2D eager", "2", "1", "0", "0"],
        ["3D eager", "1", "0", "1", "0"],
        ["known faults of the built-in", "3", "1", "0", "0"],
    ]
    assert {test.attrib["classname"] for test in root[0]} == {"2D eager"}
    failure, ours = root[0][1].find("failure"), root[2][2].find("failure")
    # XML has no control characters.
    assert (failure.attrib["message"], failure.text) == ("1 of 2 differ?", REPRODUCTION)
    assert root[1][0].find("skipped").attrib["message"] == "no [double]"
    outputs = [test.findtext("system-out") for test in root[2]]
    assert outputs == ["met: did [it]", "not met", "not met"]
    assert ours.attrib["message"] == "ours did it"


def test_json():
    found = json.loads(files.to_json(OUTCOME))
    assert (found["ok"], found["environment"]["tensorflow"]) == (False, tf.__version__)
    assert found["groups"][0] == {"name": "2D eager", "compared": 2, "different": 1, "unable": 0}
    assert [line["name"] for line in found["different"]] == ["gradient of [this]"]
    assert [line["unable"] for line in found["unable"]] == ["no [double]"]
    ours = [(line["met"], line["ours_here"]) for line in found["known_faults"]]
    assert ours == [(True, ""), (False, ""), (False, "ours did it")]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("", " comparisons, 0 different; "),
        ("NoNegatives", "DIFFERENT: 2D eager: output of MaxPooling2D 3/2 same"),
        ("LastMaximum", "DIFFERENT: 2D graph, ties: gradient of"),
        ("WrongShape", "DIFFERENT: 2D shapes: compute_output_shape of"),
    ],
)
def test_command(wrong, said, few, tmp_path, capsys):
    few(FEW[:2], wrong)
    junit, told = tmp_path / "junit.xml", tmp_path / "report.json"
    code = main(["parity", "--quick", "--junit", str(junit), "--json", str(told)])
    out, err = capsys.readouterr()
    assert code == bool(wrong)
    assert said in out
    assert ("2D eager" in out.partition("DIFFERENT")[2]) == (wrong == "NoNegatives")
    assert "a fault" in out
    assert re.search(r"(\d+)/\1 ", err), "the progress belongs here"
    assert "│" not in err
    check_piped(out)
    assert json.loads(told.read_text("utf-8"))["ok"] == (not wrong)
    failures = ElementTree.parse(junit).getroot().findall(".//failure")
    assert bool(failures) == bool(wrong)
    for failure in failures[:1]:
        assert failure.text in out
        with pytest.raises(AssertionError, match=re.escape(failure.attrib["message"])):
            exec(failure.text, {})
    few(FEW[:1], findings=[OURS_DID_IT])
    assert main(["parity", "--quick"]) == 1
    assert "ours: ours did it" in capsys.readouterr().out


@pytest.mark.slow
def test_known_faults():
    """In processes of their own."""
    with processes.probing() as wait:
        findings = wait()
    assert [(found.fault, found.ours) for found in findings] == [(fault, "") for fault in FAULTS]
    ended = [found.builtin for found in findings if found.fault.builtin == "ends the process"]
    assert sys.platform == "win32" or any("ended the process: SIG" in text for text in ended)


@posix
def test_stopped(monkeypatch, tmp_path, capsys):
    """By Ctrl-C, with one line; the processes of the known faults end, too, and leave nothing."""
    monkeypatch.setattr(every, "cases", lambda quick: FEW[:1])
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(run, "our_layer", lambda case: signal.raise_signal(signal.SIGINT))
    # SIGINT is ignored where tests run in the background.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert main(["parity", "--quick", "--json", str(tmp_path / "report.json")]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    out, err = capsys.readouterr()
    check_piped(err)
    assert (out, err.endswith("\nkeras-maxpool: stopped\n"), "Traceback" in err) == (
        "",
        True,
        False,
    )
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_does_not_start_is_no_fault(monkeypatch):
    monkeypatch.setattr(sys, "executable", "false")
    with processes.probing() as wait:
        findings = wait()
    said = {(finding.ours, finding.met) for finding in findings}
    assert said == {("its process did not start: exit code 1", True)}


@posix
def test_a_process_that_does_not_end_or_ends_early(monkeypatch, tmp_path):
    """The next process takes on the rest: it is given the number of the first fault."""
    script = tmp_path / "script"
    script.write_text("""#!/bin/sh
if [ "$4" = 0 ]; then
    echo '{"probe": "first"}'
    echo '{"outcome": "done"}'
    echo '{"probe": "second"}'
    kill -ABRT $$
fi
echo '{"probe": "third"}'
exec sleep 60
""")
    script.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(script))
    monkeypatch.setattr(processes, "PATIENCE", 1.0)
    monkeypatch.setattr(processes, "FAULTS", FAULTS[:3])
    with processes.probing() as wait:
        findings = wait()
    said = ["done", "ended the process: SIGABRT", "did not end in 1 s"]
    assert [(finding.ours, finding.builtin) for finding in findings] == [
        (text,) * 2 for text in said
    ]
