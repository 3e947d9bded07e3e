import gc
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from harness.install import needs

from keras_maxpool.tools.bench import cases as bench_cases
from keras_maxpool.tools.bench import measure as bench_measure
from keras_maxpool.tools.bench import peers as bench_peers
from keras_maxpool.tools.bench.cases import CASES, GROWTH, QUICK, Case, Setting
from keras_maxpool.tools.bench.measure import Note, Outcome
from keras_maxpool.tools.cli import EXTRAS, main

ROOT = Path(__file__).parents[2]
TINY = Case((2, 8, 6, 3), 2, 2)
GRAPH = Setting(TINY, "graph", "gradient", bench_cases.BUILTIN)


@pytest.fixture
def extra():
    for module in EXTRAS["bench"]:
        needs(module)


def ignore(setting):
    pass


def row(ratio, case=TINY, mode="graph", direction="forward", peer=bench_cases.BUILTIN):
    """A row whose rounds took 2, 4 and 3 ms of ours."""
    ours = [0.002, 0.004, 0.003]
    setting = Setting(case, mode, direction, peer)
    return bench_measure.make_row(setting, ours, [ratio * seconds for seconds in ours])


def rendered(outcome):
    from rich.console import Console

    from keras_maxpool.tools.bench import command as bench

    console = Console(file=io.StringIO(), width=200)
    bench.render(outcome, console)
    return console.file.getvalue()


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still but for what the sides add to it."""
    clock = SimpleNamespace(now=0.0)
    clock.perf_counter = lambda: clock.now
    monkeypatch.setattr(bench_measure, "time", clock)
    return clock


def side(name, seconds, clock, log):
    def step():
        clock.now += seconds
        log.append((name, gc.isenabled()))

    return bench_peers.Side(step, lambda result: [])


# What is measured.


@pytest.mark.parametrize(
    ("shape", "pool", "strides", "padding"),
    [
        ((32, 4096, 64), 2, 2, "valid"),
        ((32, 4096, 64), 9, 1, "same"),
        ((16, 112, 112, 64), 2, 2, "valid"),
        ((16, 112, 112, 64), 3, 2, "same"),
        ((16, 112, 112, 64), 3, 1, "same"),
        ((32, 28, 28, 32), 2, 2, "valid"),
        ((8, 40, 40, 256), 5, 1, "same"),
        ((8, 40, 40, 256), 9, 1, "same"),
        ((8, 40, 40, 256), 13, 1, "same"),
        ((64, 224, 224, 1), 2, 2, "valid"),
        ((64, 224, 224, 3), 2, 2, "valid"),
        ((2, 512, 512, 3), 5, 1, "same"),
        ((2, 512, 512, 3), 31, 1, "same"),
        ((2, 512, 512, 3), 63, 1, "same"),
        ((1, 8, 8, 8), 2, 2, "valid"),
        ((8, 8, 8, 8), 2, 2, "valid"),
        ((4, 16, 56, 56, 64), 2, 2, "valid"),
        ((4, 16, 56, 56, 64), 3, 2, "same"),
        ((1, 32, 64, 64, 16), 5, 1, "same"),
        ((1, 64, 64, 64, 1), 3, 2, "valid"),
    ],
)
def test_cases_promised(shape, pool, strides, padding):
    assert Case(shape, pool, strides, padding) in CASES


@pytest.mark.parametrize(
    ("twin", "count"),
    [
        ({"data_format": "channels_first"}, 5),
        ({"dtype": "float16"}, 3),
        ({"dtype": "bfloat16"}, 3),
        ({"unknown_batch": True}, 2),
    ],
)
def test_twins_promised(twin, count):
    twins = [case for case in CASES if twin.items() <= asdict(case).items()]
    plain = {name: getattr(TINY, name) for name in twin}
    assert len(twins) == count
    assert all(replace(case, **plain) in CASES for case in twins)


def test_dilated_and_padded_cases_of_every_rank():
    assert {case.rank for case in CASES if case.dilation > 1} == {1, 2, 3}
    assert {case.rank for case in CASES if not isinstance(case.padding, str)} == {1, 2, 3}


def test_growth_reaches_from_end_to_end():
    sizes = {grows: [] for grows in ("batch", "channels", "window")}
    for case in GROWTH:
        sizes[case.grows].append(case.size)
    assert {grows: (found[0], found[-1]) for grows, found in sizes.items()} == {
        "batch": (1, 64),
        "channels": (1, 512),
        "window": (3, 127),
    }
    assert all(found == sorted(found) for found in sizes.values())


def test_names_are_unique():
    names = [case.name for case in CASES + GROWTH]
    assert len(set(names)) == len(names)


def test_names_say_what_is_unusual():
    case = Case((2, 8, 6), 3, 1, ((1, 2),), 2, "channels_first", "float16", unknown_batch=True)
    name = "1D 2x8x6 3/1 pad ((1,2),) dilation 2 channels_first float16 batch None"
    assert case.name == name
    assert TINY.name == "2D 2x8x6x3 2/2"
    assert replace(TINY, padding="same", grows="batch").name == "batch 2: 2D 2x8x6x3 2/2 same"


def test_large_cases_exceed_a_cache_of_32_mib():
    large = [case for case in CASES if case.shape in (bench_cases.IMAGES, bench_cases.VIDEO)]
    assert len(large) > 10
    assert all(4 * np.prod(case.shape) > 1.4 * 2**25 for case in large)


@pytest.mark.parametrize("case", CASES + GROWTH, ids=lambda case: case.name)
def test_every_case_can_be_without_ties(case):
    assert np.prod(case.shape) <= 2**24, "more distinct numbers than float32 has integers"
    assert min(case.output_shape) > 0


def test_select():
    everything = bench_cases.select(None, quick=False, growth=False)
    assert everything == list(CASES)
    assert bench_cases.select(None, quick=False, growth=True) == list(CASES + GROWTH)
    assert bench_cases.select(None, quick=True, growth=False) == list(QUICK)
    assert set(QUICK) < set(CASES)
    thinned = bench_cases.select(None, quick=True, growth=True)[len(QUICK) :]
    assert {case.grows for case in thinned} == {"batch", "channels", "window"}
    named = bench_cases.select("^1D .* 9/1", quick=True, growth=True)
    assert [case.name for case in named] == ["1D 32x4096x64 9/1 same"]
    assert bench_cases.select("no such case", quick=False, growth=True) == []


def planned(case, modes=bench_cases.MODES, installed=bench_cases.OPTIONAL):
    settings = bench_cases.plan([case], modes, bench_cases.DIRECTIONS, installed)
    return [(s.mode, s.direction, s.peer) for s in settings]


def test_plan():
    assert planned(TINY, ["graph", "fit-xla"], []) == [
        ("graph", "forward", "built-in"),
        ("graph", "forward", "copy"),
        ("graph", "gradient", "built-in"),
        ("graph", "gradient", "copy"),
        ("fit-xla", "gradient", "built-in"),
    ]
    assert ("eager", "gradient", "PyTorch") in planned(TINY)


def test_plan_of_special_cases():
    dilate = planned(replace(TINY, pool=3, strides=1, padding="same"))
    assert [line[1] for line in dilate if line[2] == "OpenCV"] == ["forward"] * 3
    assert "OpenCV" not in {peer for *_, peer in planned(TINY)}
    assert {mode for mode, *_ in planned(replace(TINY, unknown_batch=True))} == {"graph", "xla"}
    assert {mode for mode, *_ in planned(replace(TINY, dtype="float16"))} == {
        *("eager", "graph", "xla")
    }
    assert {peer for *_, peer in planned(replace(TINY, grows="batch"))} == {"built-in"}
    assert {peer for *_, peer in planned(replace(TINY, dilation=2), ["fit"])} == {
        *("built-in, space-to-batch", "built-in, reshaped")
    }


# The sides.


@pytest.mark.parametrize("case", [TINY, Case((3, 50, 50, 64), 3, 1, data_format="channels_first")])
def test_data_is_distinct_and_fits_16_bits(case):
    data = bench_peers.make_data(case)
    assert data.x.shape == case.input_shape
    assert data.upstream.shape == case.output_shape
    assert np.diff(np.sort(data.x, axis=None)).min() > 1e-3
    assert -(2**15) <= data.x.min() < -(2**14) + 1 < 2**14 - 1 < data.x.max() <= 2**15
    assert data.upstream.min() >= 0.5


@pytest.mark.parametrize(
    "case",
    [
        TINY,
        Case((2, 9, 4), 3, 2, "same"),
        Case((2, 8, 4), 3, 2, "same", data_format="channels_first"),
        Case((2, 9, 4), 4, 2, ((1, 2),)),
        Case((2, 8, 4), 3, 1, "same", dilation=3),
        Case((2, 7, 6, 3), 3, 1, "same"),
        Case((2, 7, 6, 1), 5, 1, "same"),
        Case((2, 7, 6, 3), 4, 1, "same"),
        Case((2, 7, 6, 3), 3, 2, 2),
        Case((2, 7, 6, 3), 3, 2, ((2, 0), (0, 1))),
        Case((2, 7, 6, 3), 3, 1, "same", dilation=2),
        Case((2, 8, 6, 5), 3, 2, "same", data_format="channels_first"),
        Case((2, 8, 6, 5), 3, 2, "same", dtype="bfloat16"),
        Case((2, 8, 6, 5), 2, 2, "same", unknown_batch=True),
        Case((2, 5, 6, 4, 3), 3, 2, "same"),
        Case((2, 5, 6, 4, 3), 3, 1, "same", dilation=2),
    ],
    ids=lambda case: getattr(case, "name", case),
)
def test_sides_are_equal(case):
    mode = "graph" if case.unknown_batch else "eager"
    settings = bench_cases.plan([case], [mode], bench_cases.DIRECTIONS, bench_peers.installed())
    outcome = bench_measure.run(settings, 0.0, ignore)
    assert outcome.different == outcome.left_out == []
    assert [row.setting for row in outcome.rows] == settings


@pytest.mark.parametrize(("mode", "dilation"), [("xla", 2), ("fit", 2), ("fit-xla", 1)])
def test_sides_are_equal_in_compiled_modes(mode, dilation):
    case = Case((2, 8, 6, 3), 3, 1, "same", dilation)
    settings = bench_cases.plan([case], [mode], ["gradient"], [])
    outcome = bench_measure.run(settings, 0.0, ignore)
    assert outcome.different == outcome.left_out == []
    assert [row.setting for row in outcome.rows] == settings


@pytest.mark.parametrize(("direction", "bytes_copied"), [("forward", 720), ("gradient", 1440)])
def test_copy_moves_what_the_pooling_must(direction, bytes_copied):
    setting = Setting(TINY, "graph", direction, bench_cases.COPY)
    copied = bench_peers.peer(setting, bench_peers.make_data(TINY)).step()
    assert copied.shape[0] * copied.dtype.size == bytes_copied, "half of 288 and 72 numbers, or all"


# The comparison.


def average(case):
    return keras.layers.AveragePooling2D(case.pool, case.strides, dtype=case.dtype)


def twice_the_gradient(case):
    @tf.custom_gradient
    def double(y):
        return tf.identity(y), lambda upstream: 2 * upstream

    layer = keras.layers.MaxPooling2D(case.pool, case.strides, dtype=case.dtype)
    return lambda x: double(layer(x))


def no_time_for(*_, **__):
    raise AssertionError("a wrong layer was timed")


@pytest.mark.parametrize("case", [TINY, replace(TINY, strides=1), replace(TINY, dtype="bfloat16")])
@pytest.mark.parametrize(
    ("layer", "reason"),
    [(average, "the outputs differ"), (twice_the_gradient, "the gradients differ")],
)
def test_wrong_layer_is_not_timed(case, layer, reason, monkeypatch):
    monkeypatch.setattr(bench_peers, "our_layer", layer)
    monkeypatch.setattr(bench_measure, "take_turns", no_time_for)
    setting = replace(GRAPH, case=case)
    outcome = bench_measure.run([setting], 0.0, ignore)
    assert outcome == Outcome(different=[Note(setting, reason)])


@pytest.mark.parametrize("layer", [average, twice_the_gradient])
def test_wrong_layer_in_training_is_not_timed(layer, monkeypatch):
    monkeypatch.setattr(bench_peers, "our_layer", layer)
    monkeypatch.setattr(bench_measure, "take_turns", no_time_for)
    setting = replace(GRAPH, mode="fit")
    outcome = bench_measure.run([setting], 0.0, ignore)
    assert outcome == Outcome(different=[Note(setting, "the losses or the trained numbers differ")])


@pytest.mark.parametrize(
    ("case", "relative", "same"),
    [
        (TINY, 1e-6, False),
        (replace(TINY, pool=3), 1e-6, True),
        (replace(TINY, pool=3), 1e-3, False),
        (replace(TINY, dtype="float16"), 1e-3, True),
        (replace(TINY, dtype="float16"), 0.1, False),
    ],
)
def test_tolerance_of_gradients(case, relative, same):
    outputs = np.ones([2, 3], case.dtype)
    gradients = outputs.astype("float64") + relative
    gradients = [outputs, gradients.astype(case.dtype)]
    setting = replace(GRAPH, case=case)
    found = bench_measure.difference(setting, [outputs, outputs], gradients)
    assert (found == "") == same


def test_outputs_are_compared_exactly():
    ours, other = np.ones(3, "float32"), np.full(3, np.nextafter(np.float32(1), np.float32(2)))
    assert bench_measure.difference(GRAPH, [ours], [other]) == "the outputs differ"
    wrong_shape = bench_measure.difference(GRAPH, [ours], [ours[:2]])
    assert wrong_shape == "the outputs are float32(3,) and float32(2,)"


def test_unable_peer_is_left_out(monkeypatch):
    def unable(setting, data):
        raise tf.errors.UnimplementedError(None, None, "no kernel\nfor this")

    monkeypatch.setattr(bench_peers, "peer", unable)
    outcome = bench_measure.run([GRAPH], 0.0, ignore)
    assert outcome == Outcome(left_out=[Note(GRAPH, "UnimplementedError: no kernel")])


@pytest.mark.parametrize(("seconds", "warm_up"), [(7.9, True), (8.1, False)])
def test_slow_peer_is_warm_after_its_comparison(seconds, warm_up, clock, monkeypatch):
    asked = []

    def slow(setting, data):
        return side("peer", seconds, clock, [])

    def take_turns(ours, peer, budget, *, warm_up):
        asked.append(warm_up)
        return [1.0], [1.0]

    monkeypatch.setattr(bench_peers, "peer", slow)
    monkeypatch.setattr(bench_measure, "take_turns", take_turns)
    bench_measure.run([replace(GRAPH, peer="copy")], 2.0, ignore)
    assert asked == [warm_up]


def test_own_failure_is_no_reason_to_leave_out(monkeypatch):
    def failing(case):
        raise RuntimeError("ours")

    monkeypatch.setattr(bench_peers, "our_layer", failing)
    with pytest.raises(RuntimeError, match="ours"):
        bench_measure.run([GRAPH], 0.0, ignore)


# The measuring.


@pytest.mark.parametrize(
    ("ours", "peer", "warm", "rounds"),
    [
        (0.001, 0.001, 3, 500),
        (0.01, 0.03, 3, 51),
        (0.5, 0.7, 1, 5),
        (1.0, 3.0, 1, 3),
        (10.0, 30.0, 1, 2),
        (10.0, 30.0, 0, 2),
    ],
)
def test_turns(ours, peer, warm, rounds, clock):
    log = []
    sides = side("ours", ours, clock, log), side("peer", peer, clock, log)
    times = bench_measure.take_turns(*sides, budget=2.0, warm_up=warm > 0)
    assert [name for name, _ in log] == ["ours", "peer"] * (warm + rounds)
    assert False not in {enabled for _, enabled in log[: 2 * warm]}
    assert {enabled for _, enabled in log[2 * warm :]} == {False}
    assert gc.isenabled()
    assert times == (pytest.approx([ours] * rounds), pytest.approx([peer] * rounds))


def test_garbage_is_collected_again_after_a_failure(clock):
    log = []

    def step():
        if not gc.isenabled():
            raise ValueError("while timing")

    with pytest.raises(ValueError, match="while timing"):
        bench_measure.take_turns(
            side("ours", 1, clock, log), bench_peers.Side(step, lambda result: []), 1.0
        )
    assert gc.isenabled()


def test_make_row():
    found = bench_measure.make_row(GRAPH, [0.001, 0.002, 0.003, 0.004, 0.005], [0.004] * 5)
    assert found.rounds == 5
    assert asdict(found.ours_ms) == pytest.approx({"median": 3, "lower": 2, "upper": 4})
    assert asdict(found.peer_ms) == pytest.approx({"median": 4, "lower": 4, "upper": 4})
    ratio = asdict(found.ratio)
    assert ratio == pytest.approx({"median": 4 / 3, "lower": 1, "upper": 2}), "of paired ratios"


def test_summarize():
    other = replace(TINY, strides=1)
    rows = [row(0.5), row(2.0, peer="copy"), row(8.0, other), row(3.0, mode="eager")]
    found = bench_measure.summarize(rows)
    assert [(s.mode, s.direction, s.peer, s.cases) for s in found] == [
        ("graph", "forward", "built-in", 2),
        ("eager", "forward", "built-in", 1),
        ("graph", "forward", "copy", 1),
    ]
    assert [s.geometric_mean for s in found] == pytest.approx([2, 3, 2])
    assert (found[0].worst, found[0].worst_case) == (pytest.approx(0.5), TINY.name)


def test_json_holds_every_row():
    rows = [row(2.0), row(0.5, peer="copy"), row(3.0, replace(TINY, grows="batch"))]
    outcome = Outcome(rows, [Note(GRAPH, "the outputs differ")], [Note(GRAPH, "no kernel")])
    found = json.loads(bench_measure.to_json(outcome, {"python": "3"}))
    cases = {case.name: case for case in (TINY, replace(TINY, grows="batch"))}

    def setting(line):
        return Setting(cases[line["case"]], line["mode"], line["direction"], line["peer"])

    def rebuilt(line):
        spreads = [bench_measure.Spread(**line[name]) for name in ("ours_ms", "peer_ms", "ratio")]
        return bench_measure.Row(setting(line), line["rounds"], *spreads)

    assert [rebuilt(line) for line in found["rows"] + found["growth"]] == rows
    assert [(line["grows"], line["size"]) for line in found["growth"]] == [("batch", 2)]
    assert found["summary"] == [asdict(line) for line in bench_measure.summarize(rows[:2])]
    assert [setting(line) for line in found["different"] + found["left_out"]] == [GRAPH, GRAPH]
    assert [line["why"] for line in found["different"]] == ["the outputs differ"]
    assert found["environment"] == {"python": "3"}


# What is shown.


def test_table_is_sorted_worst_first(extra):
    cases = [replace(TINY, pool=pool) for pool in (2, 3, 4)]
    rows = [row(2.5, cases[0]), row(0.25, cases[1], peer="PyTorch"), row(1.5, cases[2])]
    lines = rendered(Outcome([*rows, row(0.125, peer="copy")])).splitlines()
    ratios = [
        found for line in lines for found in re.findall(r"([\d.]+) \([\d.]+-[\d.]+\) │$", line)
    ]
    assert ratios == ["0.25", "1.50", "2.50", "0.12"], "the floor has a table of its own"
    assert any(
        re.search(r"2/2.*graph.*forward.*built-in.* 3 │ +3 \(2\.5-3\.5\).*7\.5 \(6\.2", line)
        for line in lines
    )


def test_summary_and_notes_are_shown(extra):
    notes = [Note(GRAPH, "the outputs differ")], [Note(GRAPH, "RuntimeError: [no] kernel")]
    text = rendered(Outcome([row(2.0), row(8.0, replace(TINY, pool=3))], *notes))
    assert re.search(r"graph.*forward.*built-in.* 2 .* 4\.00 .* 2\.00 .* 2D 2x8x6x3 2/2 ", text)
    assert f"DIFFERENT: {GRAPH}: the outputs differ" in text
    assert f"left out: {GRAPH}: RuntimeError: [no] kernel" in text


def test_growth_is_shown_by_size(extra):
    grown = [Case((batch, 8, 6, 3), 2, 2, grows="batch") for batch in (1, 2)]
    longer = bench_measure.make_row(
        Setting(grown[1], "graph", "forward", "built-in"), [0.006], [3.0]
    )
    text = rendered(Outcome([row(2.0, grown[0]), longer]))
    assert re.search(r"batch │ +1 │ +3 \(.*\) │ +1\.0 │ +6 \(.*\) │ +1\.0 │ +2\.00", text)
    assert re.search(r"batch │ +2 │ +6 \(.*\) │ +2\.0 │ +3000 \(.*\) │ +500\.0 │ +500\.00", text)
    assert "summary" not in text


@pytest.mark.parametrize("kinds", ["table", "growth", "both"])
def test_plot_is_a_png(kinds, tmp_path, extra):
    from keras_maxpool.tools.bench import plot as bench_plot

    table = [row(2.0), row(0.5, mode="eager"), row(0.5, peer="copy")]
    growth = [row(2.0, Case((2**i, 8, 6, 3), 2, 2, grows="batch")) for i in range(3)]
    rows = {"table": table, "growth": growth, "both": table + growth}[kinds]
    path = tmp_path / "ratios.png"
    bench_plot.plot(rows, path)
    written = path.read_bytes()
    assert written[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(written) > 5000


# The command.


def test_command(tmp_path, extra):
    (tmp_path / "shown").mkdir()
    child = subprocess.run(
        [
            *(sys.executable, "-m", "keras_maxpool", "bench", "--quick"),
            *("--cases", "^2D 8x8x8x8 2/2$", "--modes", "graph", "eager"),
            *("--directions", "forward"),
            *("--json", tmp_path / "shown" / "bench.json", "--plot", tmp_path / "shown" / "b.PNG"),
        ],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert child.returncode == 0, child.stderr
    found = json.loads((tmp_path / "shown" / "bench.json").read_text("utf-8"))
    assert {line["case"] for line in found["rows"]} == {"2D 8x8x8x8 2/2"}
    assert {line["mode"] for line in found["rows"]} == {"graph", "eager"}
    assert {line["direction"] for line in found["rows"]} == {"forward"}
    assert {line["peer"] for line in found["rows"]} >= {"built-in", "copy"}
    assert all(line["rounds"] >= 5 for line in found["rows"])
    assert found["environment"]["tensorflow"] == tf.__version__
    assert child.stdout.count("2D 8x8x8x8 2/2") == len(found["rows"]) + len(found["summary"])
    assert "geometric mean" in child.stdout
    rows = len(found["rows"])
    assert f"{rows}/{rows}" in child.stderr, "the progress belongs here"
    assert (tmp_path / "shown" / "b.PNG").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shown"]


def test_command_where_a_layer_is_wrong(monkeypatch, capsys, extra):
    monkeypatch.setattr(bench_peers, "our_layer", average)
    few = ["--cases", "^2D 1x8x8x8 2/2$", "--modes", "graph", "--directions", "forward"]
    assert main(["bench", "--quick", *few]) == 1
    assert "DIFFERENT" in capsys.readouterr().out


@pytest.mark.parametrize(
    "filters",
    [["--cases", "no such case"], ["--modes", "fit", "--directions", "forward"]],
)
def test_nothing_to_measure(filters, capsys, extra):
    assert main(["bench", *filters]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "keras-maxpool: no case matches\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--cases", "("], "'(' is no regular expression"),
        (["--modes", "fast"], "invalid choice: 'fast'"),
        (["--directions", "back"], "invalid choice: 'back'"),
        (["--json", "no/such/folder/x.json"], "is not a file in a folder that exists"),
        (["--plot", "picture.jpg"], "'picture.jpg' does not end in .png"),
    ],
)
def test_wrong_arguments(arguments, complaint, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["bench", *arguments])
    out, err = capsys.readouterr()
    assert stop.value.code == 2
    assert out == ""
    assert complaint in err


@pytest.mark.parametrize("module", ["rich", "matplotlib"])
def test_missing_extra(module, monkeypatch, capsys, extra):
    monkeypatch.setitem(sys.modules, module, None)
    assert main(["bench"]) == 2
    assert capsys.readouterr().err == (
        f"keras-maxpool: needs {module}: pip install 'keras_maxpool[bench]'\n"
    )
