"""keras-maxpool bench: our layers against the built-in ones and other peers, compared and timed.

`cases`, `networks` and `sample` say what, `peers` makes the sides and `steps` what is timed of them, `measure` compares
and times them, `tables` and `plot` show the outcome.
"""

import importlib
import itertools
import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from keras_maxpool.tools import console as consoles
from keras_maxpool.tools.bench import cases as bench_cases
from keras_maxpool.tools.bench import measure, networks, plot, sample, steps, tables
from keras_maxpool.tools.bench import peers as bench_peers
from keras_maxpool.tools.bench.cases import TRAINING, Case, Network, Setting
from keras_maxpool.tools.versions import BACKEND, BACKENDS, versions

Named = TypeVar("Named", Case, Network)

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


def choose(
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
) -> list[Setting]:
    """Returns what is to be measured, in order; without `modes`, in all that make sense.

    Raises:
        ValueError: there is nothing to measure; the message says why.
    """
    _check(modes or (), kernels=kernels, whole_networks=whole_networks)
    asked = [mode for mode in steps.MODES if not modes or mode in modes]

    def named(cases: Iterable[Named]) -> list[Named]:
        return [case for case in cases if re.search(pattern or "", case.name)]

    if whole_networks:
        settings = [
            Setting(network, mode, "gradient", bench_cases.BUILTIN)
            for network in named(networks.NETWORKS)
            for mode in asked
            if mode in TRAINING and "gradient" in directions
        ]
    elif drawn is None:
        cases = named(bench_cases.select(few=quick and pattern is None, growth=growth))
        others = bench_peers.others()
        settings = bench_cases.plan(cases, asked, directions, others, kernels=kernels)
    else:
        cases = named(sample.draw(drawn, seed))
        asked = [mode for mode in asked if modes or mode not in TRAINING]
        settings = bench_cases.plan(cases, asked, directions, (), kernels=kernels)
    if not settings:
        raise ValueError("no case matches")
    return settings


def _check(modes: Collection[str], *, kernels: bool, whole_networks: bool) -> None:
    backend = BACKENDS[BACKEND]
    for mode in modes:
        if mode not in steps.MODES:
            raise ValueError(
                f"--modes {mode}: Keras runs on {backend}, whose modes are {', '.join(steps.MODES)}"
            )
    if kernels and BACKEND != "tensorflow":
        raise ValueError(f"--kernels: on {backend} there is one: set KERAS_BACKEND=tensorflow")
    if kernels and whole_networks:
        raise ValueError("--kernels does not go with --networks: leave one out")


def main(
    settings: Sequence[Setting],
    *,
    quick: bool,
    sampled: bool,
    every_row: bool,
    json_file: Path | None,
    plot_file: Path | None,
) -> int:
    """Runs the bench, tables on stdout and progress on stderr; returns 1 if a side differs."""
    budget = QUICK_BUDGET if quick else SAMPLE_BUDGET if sampled else BUDGET
    done = itertools.count()
    with steps.on_cpu(), consoles.progress() as advance:

        def start(setting: Setting) -> None:
            advance(str(setting), next(done), len(settings))

        outcome = measure.run(settings, budget, start)
        advance("", len(settings), len(settings))
    tables.render(outcome, Console(), every_row=every_row, extremes=EXTREMES if sampled else 0)
    if json_file:
        json_file.write_text(measure.to_json(outcome, environment()) + "\n", "utf-8")
    if plot_file and outcome.rows:
        draw = plot.plot_sample if sampled else plot.plot
        draw(outcome.rows, plot_file)
    return 1 if outcome.different else 0
