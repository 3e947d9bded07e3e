"""keras-maxpool parity: what it compares, what it finds, and how it says so."""

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import keras
import pytest
import tensorflow as tf
from harness import wrong_layers
from rich.console import Console

from keras_maxpool.tools.cli import main
from keras_maxpool.tools.parity import cases as parity_cases
from keras_maxpool.tools.parity import checks as parity_checks
from keras_maxpool.tools.parity import command as parity
from keras_maxpool.tools.parity import files as parity_files
from keras_maxpool.tools.parity import processes as parity_processes
from keras_maxpool.tools.parity import report as parity_report
from keras_maxpool.tools.parity import run as parity_run
from keras_maxpool.tools.parity.cases import GRAPH_ANY_BATCH, MODES, RANKS, Case
from keras_maxpool.tools.parity.faults import FAULTS, Fault, Finding
from keras_maxpool.tools.parity.outcome import Group, Outcome, Result
from keras_maxpool.tools.parity.processes import probing

ROOT = Path(__file__).parents[2]
EAGER = Case(2, 3, 2, "same", "channels_last", "float32", "eager")
FEW = [
    EAGER,
    Case(2, 3, 2, "same", "channels_last", "float32", "graph", ties=True),
    Case(1, 2, None, "valid", "channels_first", "int8", "graph"),
    Case(3, 2, None, "valid", "channels_last", "float32", GRAPH_ANY_BATCH),
]
FORM = Case(2, 3, 2, "same", "channels_last", "float32", GRAPH_ANY_BATCH)
FAULT = Fault("a fault", "does it", "does not", parity_cases)
MET = Finding(FAULT, "did [it]", "")
ABSENT = Finding(Fault("another", "", "", FAULTS[0].probe), "", "")


def no_processes(*findings):
    """In place of the processes, which take their time."""
    return lambda: contextlib.nullcontext(lambda: list(findings))


@pytest.fixture
def few(monkeypatch):
    """A run of a few cases and no processes."""
    monkeypatch.setattr(parity, "probing", no_processes(MET, ABSENT))
    monkeypatch.setattr(parity_cases, "cases", lambda quick: FEW)
    monkeypatch.setattr(parity_cases, "forms", lambda quick: [FORM])


def run():
    return parity.run(quick=True, advance=lambda *call: None)


def planted(wrong):
    """Wrong layers in 2D, with the arguments of the case."""
    return lambda case: (
        getattr(wrong_layers, wrong)(**case.arguments)
        if case.rank == 2
        else parity_run.builtin_layer(case)
    )


# What is compared.


@pytest.mark.parametrize("quick", [False, True])
def test_everything_comes_up_in_every_rank_and_mode(quick):
    cases = parity_cases.cases(quick=quick)
    assert len(set(cases)) == len(cases)
    for rank in RANKS:
        for mode in MODES:
            of_group = [case for case in cases if (case.rank, case.mode) == (rank, mode)]
            plain = [case for case in of_group if not case.ties]
            assert len({case.strides for case in plain}) > 2
            assert {case.padding for case in plain} == {"valid", "same"}
            assert {case.data_format for case in plain} == {"channels_last", "channels_first"}
            assert {case.ties for case in of_group} == {False} | {
                mode in parity_cases.EVERY_TIE and (rank, mode) != (3, "eager")
            }
            if not quick or (mode in ("eager", "graph") and rank < 3):
                assert {case.pool_size for case in plain} == set(parity_cases.WINDOWS[rank])
                assert {case.strides for case in plain} == set(parity_cases.STRIDES[rank])
                assert {case.dtype for case in plain} == set(parity_cases.dtypes(rank, mode))
                assert {case.spelling for case in plain} == {
                    f"MaxPool{rank}D",
                    f"MaxPooling{rank}D",
                }


def test_all_is_more_than_quick():
    everything, few = parity_cases.cases(quick=False), parity_cases.cases(quick=True)
    assert len(everything) > 6 * len(few)
    assert [case for case in everything if case.mode == "eager" and not case.ties] == [
        case
        for rank in RANKS
        for case in everything
        if case.rank == rank and case.mode == "eager" and not case.ties
    ]


def test_arguments_reach_both_layers():
    case = Case(3, (2, 3, 1), (1, 3, 2), "same", "channels_first", "bfloat16", "eager")
    for layer in (parity_run.our_layer(case), parity_run.builtin_layer(case)):
        assert (layer.pool_size, layer.strides) == ((2, 3, 1), (1, 3, 2))
        assert (layer.padding, layer.data_format) == ("same", "channels_first")
        assert layer.compute_dtype == "bfloat16"
    assert case.input_shape == (2, 3, 5, 6, 4)
    assert isinstance(parity_run.builtin_layer(case), keras.layers.MaxPool3D)


# What is found.


def test_equal_layers(few):
    told = []
    outcome = parity.run(quick=True, advance=lambda *call: told.append(call))
    assert outcome.ok
    assert outcome.different == []
    counts = {group.name: group.compared for group in outcome.groups}
    assert counts == {
        **{"2D eager": 2, "2D graph, ties": 2, "1D graph": 1, "3D graph, batch None": 2},
        **{"2D shapes": 6, "2D config": 1},
        **{f"{rank}D names": 1 for rank in RANKS},
        **{f"{rank}D saving": 6 for rank in RANKS},
    }
    assert [done for _, done, _ in told] == list(range(len(told)))
    assert {total for *_, total in told} == {len(told) - 1}


@pytest.mark.parametrize(
    ("wrong", "found"),
    [
        ("LastMaximum", {"2D graph, ties": "gradient of"}),
        ("ZeroPadding", {"2D eager": "output of"}),
        ("StrideOffByOne", {"2D eager": "output of", "2D graph, ties": "output of"}),
        ("WrongDtype", {"2D eager": "output of", "2D graph, ties": "output of"}),
        ("WrongShape", {"2D shapes": "compute_output_shape of"}),
    ],
)
def test_wrong_layers_are_found(wrong, found, few, monkeypatch):
    monkeypatch.setattr(parity_run, "our_layer", planted(wrong))
    outcome = run()
    assert not outcome.ok
    seen = {result.group: result for result in reversed(outcome.different)}
    assert found.keys() <= seen.keys()
    if wrong in ("LastMaximum", "WrongShape"):
        assert found.keys() == seen.keys()
    for group, start in found.items():
        result = seen[group]
        assert result.name.startswith(start)
        with pytest.raises(AssertionError, match=re.escape(result.problem)):
            exec(result.reproduction, {})


@pytest.mark.parametrize(
    ("wrong", "mode"), [("WrongInXla", "xla"), ("WrongForAnyBatch", GRAPH_ANY_BATCH)]
)
def test_modes_are_what_they_say(wrong, mode, few, monkeypatch):
    monkeypatch.setattr(parity_cases, "cases", lambda quick: [EAGER, replace(EAGER, mode=mode)])
    monkeypatch.setattr(parity_run, "our_layer", planted(wrong))
    assert [result.group for result in run().different] == [f"2D {mode}"]


def test_a_layer_that_cannot_be_made_is_different(few, monkeypatch):
    def unmade(case):
        raise ValueError("no [such] layer")

    monkeypatch.setattr(parity_run, "our_layer", unmade)
    outcome = run()
    first = outcome.different[0]
    assert (first.group, first.problem) == ("2D eager", "raised ValueError: no [such] layer")
    assert first.reproduction == (
        "import keras_maxpool; keras_maxpool.MaxPooling2D(**{'pool_size': 3, 'strides': 2, "
        "'padding': 'same', 'data_format': 'channels_last', 'dtype': 'float32'})"
    )


def test_what_the_builtin_cannot_do_is_left_out(few, monkeypatch):
    case = Case(3, 2, None, "valid", "channels_last", "float64", "graph")
    monkeypatch.setattr(parity_cases, "cases", lambda quick: [case])
    outcome = run()
    assert outcome.ok, "a known fault, and shapes and configs are equal"
    group = outcome.groups[0]
    assert group == Group("3D graph", 0, 0, 1)
    assert "float64" in outcome.results[0].unable or "double" in outcome.results[0].unable
    assert not Outcome(outcome.results[:1], []).ok, "nothing was compared"


@pytest.mark.parametrize(
    ("call", "change", "problem"),
    [
        ((parity_checks.names, 2), {"MaxPool2D": wrong_layers.ZeroPadding}, "are two classes"),
        ((parity_checks.config, "MaxPool2D"), {"MaxPool2D": wrong_layers.Forgetful}, "instead of"),
        ((parity_checks.spelling_in_a_config, "MaxPool2D"), {"MaxPool2D": wrong_layers.ZeroPadding}, "instead of"),
        ((parity_checks.saved_model, "MaxPool2D", ".h5"), {"MaxPool2D": keras.layers.AveragePooling2D}, "outputs"),
    ],
)  # fmt: skip
def test_checks_can_fail(call, change, problem, monkeypatch):
    check, *arguments = call
    options = {"padding": "same"} if check is parity_checks.config else {}
    check(*arguments, **options)
    for name, wrong in change.items():
        monkeypatch.setattr(parity_checks.keras_maxpool, name, wrong)
    with pytest.raises(AssertionError, match=problem):
        check(*arguments, **options)


# What is shown.


def rendered(outcome):
    console = Console(file=io.StringIO(), width=160)
    parity_report.render(outcome, console)
    return console.file.getvalue()


def outcome_of_all_kinds():
    results = [
        Result("2D eager", "output of [this]"),
        Result(
            "2D eager", "gradient of [this]", "1 of 2 differ\x1b", reproduction="line(" + "x" * 200
        ),
        Result("3D eager", "output of that", unable="no [double]"),
    ]
    return Outcome(results, [MET, ABSENT, Finding(FAULTS[0], "", "ours did it")])


def test_report():
    text = rendered(outcome_of_all_kinds())
    assert re.search(r"│ 2D eager │ +2 │ +1 │ +1 │ +0 │", text)
    assert re.search(r"│ 3D eager │ +0 │ +0 │ +0 │ +1 │", text)
    assert re.search(r"│ a fault +│ does it +│ does not +│ did \[it\] +│", text)
    assert "known faults not met: another; ties, 3D eager\n" in text
    assert "the built-in is unable: no [double]\n" in text
    assert "DIFFERENT: 2D eager: gradient of [this]: 1 of 2 differ" in text
    assert f"\n  line({'x' * 200}\n" in text, "a line to paste is not broken"
    assert "DIFFERENT: known fault, ties, 3D eager: ours: ours did it\n" in text
    assert "2 comparisons, 2 different; " in text


def test_line_of_a_fault_runs(capsys):
    exec(Finding(FAULTS[0], "", "").line, {})
    assert capsys.readouterr().out == "\n"


def test_junit():
    root = ElementTree.fromstring(parity_files.to_junit(outcome_of_all_kinds()))
    assert [suite.attrib for suite in root] == [
        {"name": "2D eager", "tests": "2", "failures": "1", "skipped": "0", "errors": "0"},
        {"name": "3D eager", "tests": "1", "failures": "0", "skipped": "1", "errors": "0"},
        {"name": "known faults of the built-in", "tests": "3", "failures": "1", "skipped": "0", "errors": "0"},
    ]  # fmt: skip
    assert {test.attrib["classname"] for test in root[0]} == {"2D eager"}
    failure = root[0][1].find("failure")
    assert failure.attrib["message"] == "1 of 2 differ?", "XML has no control characters"
    assert failure.text == "line(" + "x" * 200
    assert root[1][0].find("skipped").attrib["message"] == "no [double]"
    assert [test.findtext("system-out") for test in root[2]] == [
        "met: did [it]",
        "not met",
        "not met",
    ]
    assert root[2][2].find("failure").attrib["message"] == "ours did it"


def test_json():
    found = json.loads(parity_files.to_json(outcome_of_all_kinds()))
    assert found["ok"] is False
    assert found["environment"]["tensorflow"] == tf.__version__
    assert found["groups"][0] == {"name": "2D eager", "compared": 2, "different": 1, "unable": 0}
    assert [line["name"] for line in found["different"]] == ["gradient of [this]"]
    assert [line["unable"] for line in found["unable"]] == ["no [double]"]
    assert [line["met"] for line in found["known_faults"]] == [True, False, False]
    assert found["known_faults"][2]["ours_here"] == "ours did it"


# The command.


@pytest.mark.parametrize("wrong", [None, "ZeroPadding"])
def test_command(wrong, few, monkeypatch, tmp_path, capsys):
    if wrong:
        monkeypatch.setattr(parity_run, "our_layer", planted(wrong))
    junit, report = tmp_path / "junit.xml", tmp_path / "report.json"
    code = main(["parity", "--quick", "--junit", str(junit), "--json", str(report)])
    out, err = capsys.readouterr()
    assert code == (1 if wrong else 0)
    assert ("DIFFERENT: 2D eager: output of MaxPooling2D 3/2 same" in out) == bool(wrong)
    assert ("assert_parity(wrong_layers.ZeroPadding(" in out) == bool(wrong)
    assert "a fault" in out
    assert re.search(r"(\d+)/\1 ", err), "the progress belongs here"
    assert "│" not in err
    assert json.loads(report.read_text("utf-8"))["ok"] == (not wrong)
    failures = ElementTree.parse(junit).getroot().findall(".//failure")
    assert bool(failures) == bool(wrong)


def test_wrong_fault_of_ours_is_a_difference(few, monkeypatch, capsys):
    monkeypatch.setattr(parity, "probing", no_processes(Finding(FAULTS[0], "", "did it")))
    assert main(["parity", "--quick"]) == 1
    assert "ours: did it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--junit", "no/such/folder/x.xml"], "is not a file in a folder that exists"),
        (["--json", "x" * 300], "cannot be written: File name too long"),
        (["--junit", "."], "'.' is not a file"),
        (["--slow"], "unrecognized arguments: --slow"),
    ],
)
def test_wrong_arguments(arguments, complaint, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["parity", *arguments])
    out, err = capsys.readouterr()
    assert stop.value.code == 2
    assert out == ""
    assert complaint in err.splitlines()[-1]


def test_one_file_for_two(tmp_path, capsys):
    file = str(tmp_path / "x")
    assert main(["parity", "--junit", file, "--json", file]) == 2
    assert capsys.readouterr().err == (
        f"keras-maxpool: --junit and --json are the same file, {file}: name two\n"
    )
    assert not os.path.exists(file)


def test_help(capsys):
    with pytest.raises(SystemExit):
        main(["parity", "--help"])
    out = capsys.readouterr().out
    words = ["--quick", "--junit", "--json", "minutes", "Exit code", "stdout", "assert_parity"]
    assert [word for word in words if word not in out] == []


# The processes.

CHILD = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where tests run in the background
from keras_maxpool.tools.cli import main
from keras_maxpool.tools.parity import cases as parity_cases
from keras_maxpool.tools.parity import run as parity_run
some = parity_cases.cases(quick=True)[:3]
parity_cases.cases = lambda quick: some
{}
sys.exit(main(["parity", "--quick", "--json", "{}"]))
"""


def child(code, tmp_path):
    """A command of few comparisons and all known faults, with its output piped."""
    colours = ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
    (tmp_path / "temporary").mkdir()
    return subprocess.run(
        [sys.executable, "-c", CHILD.format(code, tmp_path / "report.json")],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if key not in colours}
        | {"TMPDIR": str(tmp_path / "temporary")},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
def test_known_faults_and_pipes(tmp_path):
    done = child("", tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"[\x00-\x09\x0b-\x1f\x7f]", done.stdout + done.stderr) is None
    assert max(map(len, done.stdout.splitlines())) < 320
    found = json.loads((tmp_path / "report.json").read_text("utf-8"))["known_faults"]
    assert [fault["name"] for fault in found] == [fault.name for fault in FAULTS]
    assert [fault["ours_here"] for fault in found] == [""] * len(FAULTS)
    mended = [fault["name"] for fault in found if not fault["met"]]
    if mended:
        warnings.warn(f"keras.layers does this right: {'; '.join(mended)}", stacklevel=2)
    ended = [fault["builtin_here"] for fault in found if fault["builtin"] == "ends the process"]
    assert (
        any(text.startswith("ended the process: SIG") for text in ended) or sys.platform == "win32"
    )
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.mark.skipif(
    sys.platform == "win32", reason="sends SIGINT to one process: run it on Linux or macOS"
)
def test_stopped(tmp_path):
    code = (
        f"import os; parity_run.our_layer = lambda case: os.kill(os.getpid(), {int(signal.SIGINT)})"
    )
    done = child(code, tmp_path)
    assert done.returncode == 130, done.stderr
    assert done.stdout == ""
    assert done.stderr.endswith("\nkeras-maxpool: stopped\n")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "report.json").exists()
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_process_that_does_not_start_is_no_fault(monkeypatch):
    monkeypatch.setattr(sys, "executable", "false")
    with probing() as wait:
        findings = wait()
    assert {finding.ours for finding in findings} == {"its process did not start: exit code 1"}
    assert {finding.met for finding in findings} == {True}


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script in Python's place")
def test_a_process_that_does_not_end_is_given_up(monkeypatch, tmp_path):
    script = tmp_path / "script"
    script.write_text("""#!/bin/sh
echo '{"probe": "first"}'
echo '{"outcome": "done"}'
echo '{"probe": "second"}'
exec sleep 60
""")
    script.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(script))
    monkeypatch.setattr(parity_processes, "PATIENCE", 1.0)
    monkeypatch.setattr(parity_processes, "FAULTS", FAULTS[:2])
    with probing() as wait:
        findings = wait()
    assert [finding.ours for finding in findings] == ["done", "did not end in 1 s"]
    assert [finding.builtin for finding in findings] == ["done", "did not end in 1 s"]
