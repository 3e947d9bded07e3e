"""keras-maxpool bench: our layers against the built-in ones and other peers, compared and timed.

`cases` says what, `peers` makes the sides, `measure` compares and times them, `plot` draws; here are the tables and the
command.
"""

import importlib
import itertools
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from rich.console import Console
from rich.table import Table

from keras_maxpool.tools import console as consoles
from keras_maxpool.tools.bench import cases as bench_cases
from keras_maxpool.tools.bench import measure, plot
from keras_maxpool.tools.bench import peers as bench_peers
from keras_maxpool.tools.bench.cases import Setting
from keras_maxpool.tools.bench.measure import Outcome, Row, Spread
from keras_maxpool.tools.versions import versions

BUDGET, QUICK_BUDGET = 2.0, 0.2
"""Seconds for the timed rounds of a row."""


def render(outcome: Outcome, console: Console) -> None:
    """Shows the rows sorted from the worst ratio, growth by size, the summary, and what was not timed."""
    rows, growth = measure.split(outcome.rows)
    floor = [row for row in rows if row.setting.peer == bench_cases.COPY]
    peers = [row for row in rows if row.setting.peer != bench_cases.COPY]
    for title, of_table in (
        ("the peer's time over ours: above 1, ours is faster", peers),
        ("the floor: a plain copy of as many bytes", floor),
    ):
        if of_table:
            console.print(_table(title, measure.worst_first(of_table)))
    if growth:
        console.print(_growth(growth))
    if rows:
        console.print(_summary(rows))
    for note in outcome.left_out:
        console.print(f"left out: {note.setting}: {note.reason}", markup=False, highlight=False)
    for note in outcome.different:
        console.print(f"[bold red]DIFFERENT[/]: {note.setting}: {note.reason}", highlight=False)


def _table(title: str, rows: Sequence[Row]) -> Table:
    words = ("case", "mode", "direction", "peer")
    table = _right(Table(*words, "rounds", "ours, ms", "peer, ms", "ratio", title=title), 4)
    for row in rows:
        setting = row.setting
        table.add_row(
            *(setting.case.name, setting.mode, setting.direction, setting.peer),
            *(str(row.rounds), _spread(row.ours_ms), _spread(row.peer_ms), _ratio(row)),
        )
    return table


def _growth(rows: Sequence[Row]) -> Table:
    columns = ("mode", "direction", "grows", "size", "ours, ms", "times", "built-in, ms", "times")
    table = _right(Table(*columns, "ratio", title="growth: times what the first size took"), 6)

    def series(row: Row) -> tuple[str, str, str]:
        return row.setting.mode, row.setting.direction, row.setting.case.grows

    first: dict[tuple[str, str, str], Row] = {}
    for row in rows:
        first.setdefault(series(row), row)
    order = list(first)
    for row in sorted(rows, key=lambda row: order.index(series(row))):
        start = first[series(row)]
        table.add_row(
            *(*series(row), str(row.setting.case.size)),
            *(_spread(row.ours_ms), f"{row.ours_ms.median / start.ours_ms.median:.1f}"),
            *(_spread(row.peer_ms), f"{row.peer_ms.median / start.peer_ms.median:.1f}"),
            _ratio(row),
        )
    return table


def _summary(rows: Sequence[Row]) -> Table:
    table = _right(
        Table("mode", "direction", "peer", "cases", "geometric mean", "worst", title="summary"), 3
    )
    table.add_column("worst case")
    for line in measure.summarize(rows):
        table.add_row(
            *(line.mode, line.direction, line.peer, str(line.cases)),
            *(f"{line.geometric_mean:.2f}", f"{line.worst:.2f}", line.worst_case),
        )
    return table


def _right(table: Table, last: int) -> Table:
    """Returns the table, with its last columns set flush right and no number broken."""
    for column in table.columns[-last:]:
        column.justify = "right"
        column.no_wrap = True
    return table


def _spread(spread: Spread) -> str:
    median, lower, upper = (
        f"{ms:.3g}" if ms < 1000 else f"{ms:.0f}"
        for ms in (spread.median, spread.lower, spread.upper)
    )
    return f"{median} ({lower}-{upper})"


def _ratio(row: Row) -> str:
    ratio = row.ratio
    text = f"{ratio.median:.2f} ({ratio.lower:.2f}-{ratio.upper:.2f})"
    # A ratio with its quartiles on both sides of 1 is not coloured.
    if ratio.lower <= 1 <= ratio.upper:
        return text
    return f"[{'green' if ratio.median > 1 else 'red'}]{text}[/]"


def environment() -> dict[str, Any]:
    """Returns what the figures depend on: versions and the machine's kind."""
    modules = [bench_peers.MODULES[peer] for peer in bench_peers.installed()]
    peers = {module: importlib.import_module(module).__version__ for module in modules}
    return {**versions(), **peers}


def main(
    pattern: str | None,
    modes: Collection[str],
    directions: Collection[str],
    *,
    quick: bool,
    growth: bool,
    json_file: Path | None,
    plot_file: Path | None,
) -> int:
    """Runs the bench, tables on stdout and progress on stderr; returns 1 if a side differs, 2 if no case matches."""
    # A GPU would work on after a call returns, and most peers have none.
    tf.config.set_visible_devices([], "GPU")
    cases = bench_cases.select(pattern, quick=quick, growth=growth)
    settings = bench_cases.plan(cases, modes, directions, bench_peers.installed())
    if not settings:
        consoles.notes().print("keras-maxpool: no case matches")
        return 2
    with consoles.progress() as advance:
        done = itertools.count()

        def start(setting: Setting) -> None:
            advance(str(setting), next(done), len(settings))

        outcome = measure.run(settings, QUICK_BUDGET if quick else BUDGET, start)
        advance("", len(settings), len(settings))
    render(outcome, consoles.tables())
    if json_file:
        json_file.write_text(measure.to_json(outcome, environment()) + "\n", "utf-8")
    if plot_file and outcome.rows:
        plot.plot(outcome.rows, plot_file)
    return 1 if outcome.different else 0
