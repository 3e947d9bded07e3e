"""keras-maxpool bench: our layers against the built-in ones and other peers, compared and timed.

`cases` says what, `peers` makes the sides, `measure` compares and times them, `tables` and `plot` show the outcome.
"""

import importlib
import itertools
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import tensorflow as tf
from rich.console import Console

from keras_maxpool.tools import console as consoles
from keras_maxpool.tools.bench import cases as bench_cases
from keras_maxpool.tools.bench import measure, networks, plot, sample, tables
from keras_maxpool.tools.bench import peers as bench_peers
from keras_maxpool.tools.bench.cases import Setting
from keras_maxpool.tools.quiet import start_xla
from keras_maxpool.tools.versions import versions

BUDGET, QUICK_BUDGET = 2.0, 0.2
"""Seconds for the timed rounds of a row."""
SAMPLE_BUDGET = 0.5
"""The same for a sample, of which the share that is clearly slower counts, and not a single row."""

EXTREMES = 10
"""How many of the worst and of the best rows are shown for each mode and direction of a sample."""


def environment() -> dict[str, Any]:
    """Returns what the figures depend on: versions and the machine's kind."""
    modules = [bench_peers.MODULES[peer] for peer in bench_peers.installed()]
    peers = {module: importlib.import_module(module).__version__ for module in modules}
    return {**versions(), **peers}


def main(
    pattern: str | None,
    modes: Collection[str] | None,
    directions: Collection[str],
    *,
    quick: bool,
    growth: bool,
    drawn: int | None,
    seed: int,
    whole_networks: bool,
    kernels: bool,
    every_row: bool,
    json_file: Path | None,
    plot_file: Path | None,
) -> int:
    """Runs the bench, tables on stdout and progress on stderr; returns 1 if a side differs, 2 if no case matches."""
    # A GPU would work on after a call returns, and most peers have none.
    tf.config.set_visible_devices([], "GPU")
    budget = BUDGET if drawn is None else SAMPLE_BUDGET
    if whole_networks:
        settings = [
            Setting(network, mode, "gradient", bench_cases.BUILTIN)
            for network in networks.NETWORKS
            for mode in bench_cases.TRAINING
            if mode in (modes or bench_cases.TRAINING) and "gradient" in directions
        ]
    elif drawn is None:
        cases = bench_cases.select(pattern, quick=quick, growth=growth)
        peers, modes = bench_peers.installed(), modes or bench_cases.MODES
        settings = bench_cases.plan(cases, modes, directions, peers, kernels=kernels)
    else:
        cases, modes = sample.draw(drawn, seed), modes or bench_cases.LAYER_MODES
        settings = bench_cases.plan(cases, modes, directions, (), kernels=kernels)
        settings = [setting for setting in settings if setting.peer != bench_cases.COPY]
    settings = [s for s in settings if re.search(pattern or "", s.case.name)]
    if not settings:
        consoles.notes().print("keras-maxpool: no case matches")
        return 2
    start_xla()
    with consoles.progress() as advance:
        done = itertools.count()

        def start(setting: Setting) -> None:
            advance(str(setting), next(done), len(settings))

        outcome = measure.run(settings, QUICK_BUDGET if quick else budget, start)
        advance("", len(settings), len(settings))
    extremes = EXTREMES if drawn is not None else 0
    tables.render(outcome, Console(), every_row=every_row, extremes=extremes)
    if json_file:
        json_file.write_text(measure.to_json(outcome, environment()) + "\n", "utf-8")
    if plot_file and outcome.rows:
        draw = plot.plot if drawn is None else plot.plot_sample
        draw(outcome.rows, plot_file)
    return 1 if outcome.different else 0
