"""keras-maxpool bench --sample, --networks and --kernels: what is drawn, what counts as slower, and what is shown."""

import io
import json
from collections import Counter
from math import prod

import keras
import numpy as np
import pytest
from harness.install import needs
from rich.console import Console

from keras_maxpool.tools.bench import cases as bench_cases
from keras_maxpool.tools.bench import measure, sample
from keras_maxpool.tools.bench import peers as bench_peers
from keras_maxpool.tools.bench.cases import BUILTIN, Case, Setting
from keras_maxpool.tools.cli import main
from keras_maxpool.tools.commands import NEEDED

for module in NEEDED["bench"]:
    needs(module)

from keras_maxpool.tools.bench import networks, plot, tables  # noqa: E402


def test_half_is_from_networks_and_half_at_random():
    known = set(sample.census())
    drawn = sample.draw(100, 7)
    assert drawn == sample.draw(100, 7) != sample.draw(100, 8)
    assert len(set(drawn)) == 100
    assert [case in known for case in drawn] == [True] * 50 + [False] * 50
    assert len(sample.draw(3, 0)) == 3
    everything = sample.draw(len(known) + 2 * len(known), 0)
    assert known <= set(everything), "a large sample has the whole census"


def test_random_cases_can_be_pooled_in_seconds():
    drawn = sample.draw(2000, 1)[len(set(sample.census())) :]
    for case in drawn:
        *_, channels = case.shape
        assert 1 <= channels <= 512
        assert min(case.shape[1:-1]) >= case.pool
        assert min(case.output_shape) > 0
        assert prod(case.output_shape) * prod(case.window.pool) <= sample.STEPS
        # Whole numbers of elements may be more than was drawn.
        assert prod(case.shape) < 4 * sample.MOST
    counts = Counter(case.rank for case in drawn)
    assert set(counts) == {1, 2, 3}
    assert min(counts.values()) > 300
    assert {case.pool for case in drawn} >= {*range(2, 10), 13, 63}
    assert {case.strides for case in drawn if case.pool == 5} == {1, 2, 5}
    tiny = [case for case in drawn if prod(case.shape) < sample.FEWEST / 2]
    assert 0.05 < len(tiny) / len(drawn) < 0.2
    for name, value in (("data_format", "channels_first"), ("padding", "same")):
        assert 0.1 < np.mean([getattr(case, name) == value for case in drawn]) < 0.7


@pytest.mark.slow
@pytest.mark.parametrize(
    ("application", "entries"),
    [
        ("VGG16", ["VGG"]),
        ("ResNet50", ["ResNet, DenseNet"]),
        ("DenseNet121", ["ResNet, DenseNet"]),
        ("ResNet50V2", ["ResNet, DenseNet", "ResNetV2"]),
        ("InceptionV3", ["InceptionV3"]),
        ("Xception", ["Xception"]),
        ("NASNetMobile", ["NASNetMobile"]),
    ],
)
def test_the_census_is_that_of_keras_applications(application, entries):
    model = getattr(keras.applications, application)(weights=None)
    found = set()
    for layer in model.layers:
        if isinstance(layer, keras.layers.MaxPooling2D):
            sizes = "x".join(map(str, layer.input.shape[1:]))
            same = " same" if layer.padding == "same" else ""
            found.add(f"{sizes} {layer.pool_size[0]}/{layer.strides[0]}{same}")
    listed = {layer for entry in entries for layer in sample.CENSUS[entry].split(", ")}
    # The last pooling of DenseNet is an average, and ResNetV2 has the stem of ResNet.
    assert found == listed


SMALL = Case((2, 8, 6, 3), 2, 2)


def row(ratio, case=SMALL, mode="graph"):
    setting = Setting(case, mode, "forward", BUILTIN)
    return measure.make_row(setting, [0.002] * 4, [0.002 * ratio] * 4)


def test_slower_is_measured_again(monkeypatch):
    """A row is clearly slower only if a second measurement of three budgets says so, too."""
    measured = []

    def take_turns(ours, peer, budget, *, warm_up=True):
        measured.append(budget)
        return [1.0] * 4, [ratios.pop(0)] * 4

    monkeypatch.setattr(measure, "take_turns", take_turns)
    setting = Setting(SMALL, "eager", "forward", BUILTIN)
    for given, budgets, slower in (
        ([0.95], [1.0], False),
        ([0.8, 0.95], [1.0, 3.0], False),
        ([0.8, 0.7], [1.0, 3.0], True),
    ):
        ratios, measured[:] = [*given], []
        (found,) = measure.run([setting], 1.0, lambda setting: None).rows
        assert measured == budgets
        assert found.clearly_slower is slower
        assert found.ratio.median == given[-1]
    one_lucky_round = measure.make_row(setting, [1.0] * 4, [0.8, 0.8, 0.8, 1.0])
    two = measure.make_row(setting, [1.0] * 4, [0.8, 0.8, 1.0, 1.0])
    assert (one_lucky_round.clearly_slower, two.clearly_slower) == (True, False)


def test_what_is_shown():
    cases = [Case((n, 8, 6, 3), 2, 2) for n in range(1, 31)]
    rows = [row(1.2 ** (i - 5), case) for i, case in enumerate(cases)]
    console = Console(file=io.StringIO(), width=120)
    tables.render(measure.Outcome(rows), console, every_row=False, extremes=10)
    text = console.file.getvalue()
    assert "5 of 30" in text.split("the worst")[0], "before any row: ratios up to 1.2 ** -1"
    worst, best = text.split("graph, forward: the worst")[1].split("graph, forward: the best")
    for part, numbers in ((worst, range(1, 11)), (best, range(30, 20, -1))):
        shown = [line for line in part.splitlines() if "2D " in line]
        assert [line.split("2D ")[1].split("x")[0] for line in shown] == [str(n) for n in numbers]


def test_plot(tmp_path):
    plot.plot_sample([row(2.0), row(0.5, mode="xla")], tmp_path / "sample.png")
    assert (tmp_path / "sample.png").read_bytes().startswith(b"\x89PNG")


def test_networks_train_alike():
    """Both sides have the same first loss, under `fit`'s two modes, and pool with the layers that they should."""
    network = next(n for n in networks.NETWORKS if n.name == "MNIST CNN")
    settings = [Setting(network, mode, "gradient", BUILTIN) for mode in bench_cases.TRAINING]
    outcome = measure.run(settings, 0.0, lambda setting: None)
    assert outcome.different == outcome.left_out == []
    assert [row.setting for row in outcome.rows] == settings


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


def test_commands(tmp_path):
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
    told, _ = bench("--networks", "--cases", "MNIST", "--modes", "fit")
    assert told == [("MNIST CNN", "fit", "gradient", BUILTIN)]


def test_kernels_that_cannot_dilate_are_left_out():
    dilated = Case((2, 8, 6, 3), 3, 1, dilation=2)
    settings = bench_cases.plan([dilated], ["graph"], ["forward"], [], kernels=True)
    assert [setting.peer for setting in settings] == ["separable", "shifted"]
    layer = bench_peers.our_layer(dilated, "shifted")
    assert layer.implementation == "shifted"
