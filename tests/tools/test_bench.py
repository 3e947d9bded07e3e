"""keras-maxpool bench: what it measures, sides that are equal before they are timed, turns, and what it shows."""

import gc
import io
import json
import re
import tempfile
from collections import Counter
from dataclasses import asdict, replace
from math import prod
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from harness.commands import check_piped
from harness.install import needs
from rich.console import Console

from keras_maxpool.tools.bench import cases as bench_cases
from keras_maxpool.tools.bench import measure as bench_measure
from keras_maxpool.tools.bench import peers as bench_peers
from keras_maxpool.tools.bench import sample
from keras_maxpool.tools.bench.cases import BUILTIN, CASES, GROWTH, QUICK, Case, Setting
from keras_maxpool.tools.bench.measure import Note, Outcome
from keras_maxpool.tools.cli import main
from keras_maxpool.tools.commands import NEEDED

for module in NEEDED["bench"]:
    needs(module)

from keras_maxpool.tools.bench import networks, tables  # noqa: E402
from keras_maxpool.tools.bench import plot as bench_plot  # noqa: E402

TINY = Case((2, 8, 6, 3), 2, 2)
GRAPH = Setting(TINY, "graph", "gradient", BUILTIN)
SAME = replace(TINY, pool=3, strides=1, padding="same")


def measured(*settings):
    return bench_measure.run(settings, 0.0, lambda setting: None)


def row(ratio, case=TINY, mode="graph", peer=BUILTIN, scale=1):
    """A row whose rounds took 2, 4 and 3 ms of ours."""
    ours = [0.002 * scale, 0.004 * scale, 0.003 * scale]
    setting = Setting(case, mode, "forward", peer)
    return bench_measure.make_row(setting, ours, [ratio * seconds for seconds in ours])


def rendered(outcome, width=200, **options):
    console = Console(file=io.StringIO(), width=width)
    tables.render(outcome, console, **({"every_row": True} | options))
    return console.file.getvalue()


PROMISED = """1D 32x4096x64: 2/2, 9/1 same; 2D 16x112x112x64: 2/2, 3/2 same, 3/1 same; 2D 32x28x28x32: 2/2;
2D 8x40x40x256: 5/1 same, 9/1 same, 13/1 same; 2D 64x224x224x1: 2/2; 2D 64x224x224x3: 2/2; 2D 1x8x8x8: 2/2;
2D 2x512x512x3: 5/1 same, 31/1 same, 63/1 same; 2D 8x8x8x8: 2/2; 3D 4x16x56x56x64: 2/2, 3/2 same;
3D 1x32x64x64x16: 5/1 same; 3D 1x64x64x64x1: 3/2"""


def test_what_is_promised():
    names = [case.name for case in CASES + GROWTH]
    assert len(set(names)) == len(names)
    for shape, windows in (of.strip().split(": ") for of in PROMISED.split(";")):
        assert {f"{shape} {window}" for window in windows.split(", ")} <= set(names)
    for name, value, count in (
        *(("data_format", "channels_first", 5), ("unknown_batch", True, 2)),
        *(("dtype", "float16", 3), ("dtype", "bfloat16", 3)),
    ):
        twins = [case for case in CASES if getattr(case, name) == value]
        assert len(twins) == count
        assert all(replace(case, **{name: getattr(TINY, name)}) in CASES for case in twins)
    large = [case for case in CASES if case.shape in (bench_cases.IMAGES, bench_cases.VIDEO)]
    assert len(large) > 10
    assert all(4 * prod(case.shape) > 1.4 * 2**25 for case in large), "more than a cache holds"
    assert {case.rank for case in CASES if case.dilation > 1} == {1, 2, 3}
    assert {case.rank for case in CASES if not isinstance(case.padding, str)} == {1, 2, 3}
    for case in CASES + GROWTH:
        assert prod(case.shape) <= 2**24, "more distinct numbers than float32 has integers"
        assert min(case.output_shape) > 0


def test_growth_and_names():
    for grows, ends in {"batch": (1, 64), "channels": (1, 512), "window": (3, 127)}.items():
        sizes = [case.size for case in GROWTH if case.grows == grows]
        assert sizes == sorted(sizes)
        assert (sizes[0], sizes[-1]) == ends
    case = Case((2, 8, 6), 3, 1, ((1, 2),), 2, "channels_first", "float16", unknown_batch=True)
    name = "1D 2x8x6 3/1 pad ((1,2),) dilation 2 channels_first float16 batch None"
    assert case.name == name
    assert TINY.name == "2D 2x8x6x3 2/2"
    assert replace(TINY, padding="same", grows="batch").name == "batch 2: 2D 2x8x6x3 2/2 same"


def test_select():
    for few, cases, growth in ((False, CASES, GROWTH), (True, QUICK, GROWTH[::3])):
        assert bench_cases.select(few=few, growth=False) == [*cases]
        assert bench_cases.select(few=few, growth=True) == [*cases, *growth]
    assert set(QUICK) < set(CASES)


def planned(case, modes=bench_cases.MODES["tensorflow"], others=bench_cases.OTHERS):
    settings = bench_cases.plan([case], modes, bench_cases.DIRECTIONS, others)
    return [(s.mode, s.direction, s.peer) for s in settings]


def test_plan():
    both = [
        ("graph", way, peer) for way in ("forward", "gradient") for peer in ("built-in", "copy")
    ]
    trained = ("fit-xla", "gradient", "built-in")
    assert planned(TINY, ["graph", "fit-xla"], ["copy"]) == [*both, trained]
    assert ("eager", "gradient", "PyTorch") in planned(TINY)
    assert [line[1] for line in planned(SAME) if line[2] == "OpenCV"] == ["forward"] * 3
    assert "OpenCV" not in {peer for *_, peer in planned(TINY)}
    assert {mode for mode, *_ in planned(replace(TINY, unknown_batch=True))} == {"graph", "xla"}
    sixteen = {mode for mode, *_ in planned(replace(TINY, dtype="float16"))}
    assert sixteen == {"eager", "graph", "xla"}
    assert {peer for *_, peer in planned(replace(TINY, grows="batch"))} == {"built-in"}
    dilated = {peer for *_, peer in planned(replace(TINY, dilation=2), ["fit"])}
    assert dilated == {"built-in, space-to-batch", "built-in, reshaped"}
    assert planned(replace(TINY, dilation=2), ["fit"], []) == [
        ("fit", "gradient", "built-in, reshaped")
    ]
    dilated = replace(TINY, pool=3, strides=1, dilation=2)
    kernels = bench_cases.plan([dilated], ["graph"], ["forward"], [], kernels=True)
    assert [setting.peer for setting in kernels] == ["separable", "shifted"]


def test_data_is_distinct_and_fits_16_bits():
    for case in (TINY, Case((3, 50, 50, 64), 3, 1, data_format="channels_first")):
        data = bench_peers.make_data(case)
        assert data.x.shape == case.input_shape
        assert data.upstream.shape == case.output_shape
        assert np.diff(np.sort(data.x, axis=None)).min() > 1e-3
        assert -(2**15) <= data.x.min() < -(2**14) + 1 < 2**14 - 1 < data.x.max() <= 2**15
        assert data.upstream.min() >= 0.5


FIRST, SAME_3 = {"data_format": "channels_first"}, (3, 2, "same")
EAGER = [
    *(TINY, Case((2, 9, 4), *SAME_3), Case((2, 8, 4), *SAME_3, **FIRST)),
    *(Case((2, 9, 4), 4, 2, ((1, 2),)), Case((2, 8, 4), 3, 1, "same", dilation=3)),
    *(Case((2, 7, 6, 3), 3, 1, "same"), Case((2, 7, 6, 1), 5, 1, "same")),
    *(Case((2, 7, 6, 3), 4, 1, "same"), Case((2, 7, 6, 3), 3, 2, 2)),
    *(Case((2, 7, 6, 3), 3, 2, ((2, 0), (0, 1))), Case((2, 7, 6, 3), 3, 1, "same", dilation=2)),
    *(Case((2, 8, 6, 5), *SAME_3, **FIRST), Case((2, 8, 6, 5), *SAME_3, dtype="bfloat16")),
    *(Case((2, 5, 6, 4, 3), *SAME_3), Case((2, 5, 6, 4, 3), 3, 1, "same", dilation=2)),
]
TRACED = [
    ("graph", Case((2, 8, 6, 5), 2, 2, "same", unknown_batch=True)),
    *(("xla", TINY), ("fit", replace(SAME, dilation=2)), ("fit-xla", TINY)),
]


@pytest.mark.parametrize(("mode", "case"), [*(("eager", case) for case in EAGER), *TRACED], ids=str)
def test_sides_are_equal(mode, case):
    layers = mode in ("eager", "graph")
    peers = bench_peers.others() if layers else [bench_cases.SPACE_TO_BATCH]
    settings = bench_cases.plan([case], [mode], bench_cases.DIRECTIONS, peers)
    outcome = measured(*settings)
    assert outcome.different == outcome.left_out == []
    assert [row.setting for row in outcome.rows] == settings


def test_copy_moves_what_the_pooling_must():
    """Half of 288 and 72 numbers, or all."""
    for direction, moved in (("forward", 720), ("gradient", 1440)):
        setting = Setting(TINY, "graph", direction, bench_cases.COPY)
        copied = bench_peers.peer(setting, bench_peers.make_data(TINY)).step()
        assert copied.shape[0] * copied.dtype.size == moved


def average(case):
    return keras.layers.AveragePooling2D(case.pool, case.strides, dtype=case.dtype)


def twice_the_gradient(case):
    @tf.custom_gradient
    def double(y):
        return tf.identity(y), lambda upstream: 2 * upstream

    layer = keras.layers.MaxPooling2D(case.pool, case.strides, dtype=case.dtype)
    return lambda x: double(layer(x))


OUTPUTS, GRADIENTS = "the outputs differ", "the gradients differ"
TRAINED = "the losses or the trained numbers differ"


def test_wrong_layer_is_not_timed(monkeypatch):
    monkeypatch.delattr(bench_measure, "take_turns")
    half = replace(TINY, dtype="bfloat16")
    for layer, case, mode, reason in (
        (average, TINY, "eager", OUTPUTS),
        (twice_the_gradient, TINY, "eager", GRADIENTS),
        (twice_the_gradient, half, "eager", GRADIENTS),
        (average, TINY, "fit", TRAINED),
        (twice_the_gradient, TINY, "fit", TRAINED),
    ):
        monkeypatch.setattr(bench_peers, "our_layer", layer)
        setting = replace(GRAPH, case=case, mode=mode)
        assert measured(setting) == Outcome(different=[Note(setting, reason)])


def test_difference():
    """Outputs are compared exactly, gradients of windows that overlap to rounding, and in 16 bits roughly."""
    for change, relative, same in (
        ({}, 1e-6, False),
        ({"pool": 3}, 1e-6, True),
        ({"pool": 3}, 1e-3, False),
        ({"dtype": "float16"}, 1e-3, True),
        ({"dtype": "float16"}, 0.1, False),
    ):
        setting = replace(GRAPH, case=replace(TINY, **change))
        outputs = np.ones([2, 3], setting.case.dtype)
        gradients = (outputs.astype("float64") + relative).astype(outputs.dtype)
        found = bench_measure.difference(setting, [outputs, outputs], [outputs, gradients])
        assert (found == "") == same, (change, relative)
    ours, other = np.ones(3, "float32"), np.full(3, np.nextafter(np.float32(1), np.float32(2)))
    assert bench_measure.difference(GRAPH, [ours], [other]) == OUTPUTS
    wrong_shape = bench_measure.difference(GRAPH, [ours], [ours[:2]])
    assert wrong_shape == "the outputs are float32(3,) and float32(2,)"


def test_unable_peer_is_left_out_and_own_failure_is_not(monkeypatch):
    def unable(*_):
        raise tf.errors.UnimplementedError(None, None, "no kernel\nfor this")

    monkeypatch.setattr(bench_peers, "peer", unable)
    assert measured(GRAPH) == Outcome(left_out=[Note(GRAPH, "UnimplementedError: no kernel")])
    monkeypatch.setattr(bench_peers, "our_layer", unable)
    with pytest.raises(tf.errors.UnimplementedError):
        measured(GRAPH)


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


def test_turns(clock):
    for ours, peer, warm, rounds in (
        *((0.001, 0.001, 3, 500), (0.01, 0.03, 3, 51), (0.21, 0.21, 2, 5), (0.5, 0.7, 1, 5)),
        *((1.0, 3.0, 1, 3), (10.0, 30.0, 1, 2), (10.0, 30.0, 0, 2)),
    ):
        log = []
        sides = side("ours", ours, clock, log), side("peer", peer, clock, log)
        times = bench_measure.take_turns(*sides, budget=2.0, warm_up=warm > 0)
        assert [name for name, _ in log] == ["ours", "peer"] * (warm + rounds)
        assert [on for _, on in log] == [True] * 2 * warm + [False] * 2 * rounds
        assert gc.isenabled()
        assert times == (pytest.approx([ours] * rounds), pytest.approx([peer] * rounds))

    def fails():
        assert gc.isenabled(), "while timing"

    with pytest.raises(AssertionError, match="while timing"):
        bench_measure.take_turns(sides[0], bench_peers.Side(fails, list), 1.0)
    assert gc.isenabled()


def test_make_row():
    found = bench_measure.make_row(GRAPH, [0.001, 0.002, 0.003, 0.004, 0.005], [0.004] * 5)
    assert found.rounds == 5
    for spread, wanted in (
        *((found.ours_ms, (3, 2, 4)), (found.peer_ms, (4, 4, 4))),
        (found.ratio, (4 / 3, 1, 2)),  # of paired ratios
    ):
        assert tuple(asdict(spread).values()) == pytest.approx(wanted)
    for last, slower in ((0.7, True), (1.0, False)):
        found = bench_measure.make_row(GRAPH, [1.0] * 4, [0.7, 0.7, last, 1.0])
        assert found.clearly_slower is slower, "but for one lucky round"


def test_json_holds_every_row():
    grown = replace(TINY, grows="batch")
    rows = [row(2.0), row(0.5, peer="copy"), row(1.0, mode="eager"), row(3.0, grown)]
    outcome = Outcome(rows, [Note(GRAPH, OUTPUTS)], [Note(GRAPH, "no kernel")])
    found = json.loads(bench_measure.to_json(outcome, {"python": "3"}))
    for line, one in zip(found["rows"] + found["growth"], rows, strict=True):
        told = asdict(one)
        wanted = told | told.pop("setting") | {"case": one.setting.case.name}
        assert wanted.items() <= line.items()
    assert [(line["grows"], line["size"]) for line in found["growth"]] == [("batch", 2)]
    assert found["summary"] == [asdict(line) for line in bench_measure.summarize(rows[:3])]
    ways = [(line["mode"], line["peer"]) for line in found["summary"]]
    assert ways == [("graph", BUILTIN), ("eager", BUILTIN), ("graph", "copy")]
    names = {"case": TINY.name, "mode": "graph", "direction": "gradient", "peer": "built-in"}
    assert found["different"] == [names | {"why": OUTPUTS}]
    assert found["left_out"] == [names | {"why": "no kernel"}]
    assert found["environment"] == {"python": "3"}


def test_what_is_shown():
    cases = [replace(TINY, pool=pool) for pool in (2, 3, 4)]
    rows = [row(2.5, cases[0]), row(0.25, cases[1], peer="PyTorch"), row(1.5, cases[2])]
    notes = [Note(GRAPH, OUTPUTS)], [Note(GRAPH, "RuntimeError: [no] kernel")]
    text = rendered(Outcome([*rows, row(0.125, peer="copy")], *notes))
    ratios = re.findall(r"([\d.]+) \([\d.]+-[\d.]+\) │$", text, re.M)
    # Worst first, a table for each peer.
    assert ratios == ["1.50", "2.50", "0.25", "0.12"]
    line = r"2/2.*graph.*forward.* 3 │ +3 \(2\.5-3\.5\).*7\.5 \(6\.2"
    assert re.search(line, text)
    assert re.search(r"graph.*forward.* 2 .* 1\.94 .* 1\.50 .* 2D 2x8x6x3 4/2 ", text)
    assert f"DIFFERENT: {GRAPH}: the outputs differ" in text
    assert f"left out: {GRAPH}: RuntimeError: [no] kernel" in text
    # Growth by its size.
    grown = [Case((batch, 8, 6, 3), 2, 2, grows="batch") for batch in (1, 2)]
    text = rendered(Outcome([row(2.0, grown[0]), row(500.0, grown[1], scale=2)]))
    assert re.search(r"batch │ +1 │ +3 \(.*\) │ +1\.0 │ +6 \(.*\) │ +1\.0 │ +2\.00", text)
    assert re.search(r"batch │ +2 │ +6 \(.*\) │ +2\.0 │ +3000 \(.*\) │ +500\.0 │ +500\.00", text)
    assert "geometric mean" not in text


def test_plot_is_a_png(tmp_path):
    table = [row(2.0), row(0.5, mode="eager"), row(0.5, peer="copy")]
    growth = [row(2.0, Case((2**i, 8, 6, 3), 2, 2, grows="batch")) for i in range(3)]
    for draw, *rows in (
        *((bench_plot.plot, *table), (bench_plot.plot, *growth)),
        *((bench_plot.plot, *table, *growth), (bench_plot.plot_sample, *table[:2])),
    ):
        draw(rows, tmp_path / "ratios.png")
        written = (tmp_path / "ratios.png").read_bytes()
        assert written.startswith(b"\x89PNG")
        assert len(written) > 5000
    modes = bench_cases.MODES["tensorflow"]
    ways = [f"{mode}, {way}" for mode in modes for way in bench_cases.DIRECTIONS]
    assert [bench_plot.COLOURS[way] for way in ways] == [f"C{n}" for n in range(10)]


def test_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    shown = tmp_path / "shown"
    shown.mkdir()
    few = ["--quick", "--cases", "^2D 8x8x8x8 2/2$", "--modes", "graph", "eager"]
    files = ["--json", str(shown / "bench.json"), "--plot", str(shown / "b.PNG")]
    assert main(["bench", *few, "--directions", "forward", *files]) == 0
    out, err = capsys.readouterr()
    check_piped(out)
    found = json.loads((shown / "bench.json").read_text("utf-8"))
    told = {(line["case"], line["mode"], line["direction"]) for line in found["rows"]}
    assert told == {("2D 8x8x8x8 2/2", mode, "forward") for mode in ("graph", "eager")}
    assert {line["peer"] for line in found["rows"]} >= {"built-in", "copy"}
    assert found["environment"]["tensorflow"] == tf.__version__
    assert out.count("2D 8x8x8x8 2/2") == len(found["summary"])
    assert f"{len(found['rows'])}/{len(found['rows'])}" in err, "the progress belongs here"
    assert (shown / "b.PNG").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir() if "autograph" not in path.name] == ["shown"]
    monkeypatch.setattr(bench_peers, "our_layer", average)
    assert main(["bench", *few, "--directions", "forward"]) == 1
    assert "DIFFERENT" in capsys.readouterr().out


def test_a_sample_is_half_from_networks_and_half_at_random():
    known = set(sample.census())
    drawn = sample.draw(100, 7)
    assert drawn == sample.draw(100, 7) != sample.draw(100, 8)
    assert len(set(drawn)) == 100
    assert [case in known for case in drawn] == [True] * 50 + [False] * 50
    assert len(sample.draw(3, 0)) == 3
    drawn = sample.draw(2000, 1)
    assert known <= set(drawn), "a large sample has the whole census"
    drawn = drawn[len(known) :]
    for case in drawn:
        assert 1 <= case.shape[-1] <= 512
        assert min(case.shape[1:-1]) >= case.pool
        assert min(case.output_shape) > 0
        assert prod(case.output_shape) * prod(case.window.pool) <= sample.STEPS
        # Whole numbers of elements may be more than was drawn.
        assert prod(case.shape) < 4 * sample.MOST
    assert {case.pool for case in drawn} >= {*range(2, 10), 13, 63}
    assert {case.strides for case in drawn if case.pool == 5} == {1, 2, 5}
    for name, values in (("rank", 3), ("data_format", 2), ("padding", 2)):
        counts = Counter(getattr(case, name) for case in drawn)
        assert (len(counts), min(counts.values()) > 0.1 * len(drawn)) == (values, True)
    assert 0.05 < np.mean([prod(case.shape) < sample.FEWEST / 2 for case in drawn]) < 0.2


@pytest.fixture
def turns(monkeypatch):
    """What `take_turns` returns, in turn, and what it was asked for."""
    turns = SimpleNamespace(ratios=[], asked=[])

    def take_turns(ours, peer, budget, *, warm_up=True):
        turns.asked.append((budget, warm_up))
        return [1.0] * 4, [turns.ratios.pop(0)] * 4

    monkeypatch.setattr(bench_measure, "take_turns", take_turns)
    return turns


def test_slow_peer_is_warm_after_its_comparison(clock, turns, monkeypatch):
    for seconds, warm_up in ((7.9, True), (8.1, False)):
        turns.ratios, turns.asked = [1.0], []
        peer = side("peer", seconds, clock, [])
        monkeypatch.setattr(bench_peers, "peer", lambda *_, peer=peer: peer)
        bench_measure.run([replace(GRAPH, peer="copy")], 2.0, lambda setting: None)
        assert turns.asked == [(2.0, warm_up)]


def test_slower_is_measured_again(turns):
    """A row is clearly slower only if a second measurement of three budgets says so, too."""
    for ratios, budgets, slower in (
        *(([0.95], [1.0], False), ([0.8, 0.95], [1.0, 3.0], False)),
        ([0.8, 0.7], [1.0, 3.0], True),
    ):
        turns.ratios, turns.asked = [*ratios], []
        (found,) = bench_measure.run([GRAPH], 1.0, lambda setting: None).rows
        assert turns.asked == [(budget, True) for budget in budgets]
        assert found.clearly_slower is slower
        assert found.ratio.median == ratios[-1]


def test_the_worst_and_the_best_of_a_sample_are_shown():
    cases = [Case((n, 8, 6, 3), 2, 2) for n in range(1, 31)]
    rows = [row(1.2 ** (i - 5), case) for i, case in enumerate(cases)]
    text = rendered(Outcome(rows), width=120, every_row=False, extremes=10)
    assert "5 of 30" in text.split("the worst")[0], "before any row: ratios up to 1.2 ** -1"
    worst, best = text.split("graph, forward: the worst")[1].split("graph, forward: the best")
    for part, numbers in ((worst, range(1, 11)), (best, range(30, 20, -1))):
        shown = [line for line in part.splitlines() if "2D " in line]
        assert [line.split("2D ")[1].split("x")[0] for line in shown] == [str(n) for n in numbers]


@pytest.mark.parametrize(
    "network",
    [
        pytest.param(network, marks=[pytest.mark.slow] * (network.name in ("VGG16", "ResNet50")))
        for network in networks.NETWORKS
    ],
    ids=lambda network: network.name,
)
def test_every_network_takes_a_step(network):
    batch = networks.make_data(network)
    ours = networks.ours(network, "fit", "gradient", batch)
    peer = networks.peer(Setting(network, "fit", "gradient", BUILTIN), batch)
    (our_loss,), (loss,) = (side.arrays(side.step()) for side in (ours, peer))
    assert 0 < loss < 100
    np.testing.assert_allclose(our_loss, loss, rtol=1e-5)


def test_samples_kernels_and_networks(tmp_path):
    file = tmp_path / "bench.json"

    def bench(*options):
        assert main(["bench", "--quick", "--json", str(file), *options]) == 0
        rows = json.loads(file.read_text("utf-8"))["rows"]
        return [(row["case"], row["mode"], row["direction"], row["peer"]) for row in rows], rows

    drawn = next(case for case in sample.draw(100, 7) if prod(case.shape) < 20_000)
    only = "--cases", f"^{drawn.name}$", "--directions", "forward"
    told, rows = bench("--sample", "100", "--seed", "7", *only)
    assert told == [(drawn.name, mode, "forward", BUILTIN) for mode in ("eager", "graph", "xla")]
    assert all(isinstance(row["clearly_slower"], bool) for row in rows)
    told, _ = bench("--sample", "100", "--seed", "7", *only, "--kernels", "--modes", "graph")
    kernels = ("direct", "separable", "shifted")
    assert told == [(drawn.name, "graph", "forward", kernel) for kernel in kernels]
    told, _ = bench("--networks", "--cases", "MNIST")
    assert told == [("MNIST CNN", mode, "gradient", BUILTIN) for mode in bench_cases.TRAINING]
