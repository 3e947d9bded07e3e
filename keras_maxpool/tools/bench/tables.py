"""Shows the outcome of keras-maxpool bench as tables: a summary per peer, and all rows if asked for."""

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table

from keras_maxpool.tools.bench import measure
from keras_maxpool.tools.bench.cases import COPY
from keras_maxpool.tools.bench.measure import Outcome, Row, Spread, Summary

WIDE = 120
"""Columns of a terminal that has room for quartiles and rounds; in a narrower one the rows are medians."""


def render(outcome: Outcome, console: Console, *, every_row: bool, extremes: int = 0) -> None:
    """Shows a summary of each peer, growth by size, every row from the worst ratio on, and what was not timed.

    Of each mode and direction, `extremes` rows with the worst ratios and as many with the best ones are shown, too.
    """
    rows, growth = measure.split(outcome.rows)
    if outcome.rows:
        console.print("Ratios are the peer's time over ours: above 1, ours is faster.")
    for peer, lines in groupby(measure.summarize(rows), key=lambda line: line.peer):
        console.print(_summary(peer, list(lines)))
    wide = console.width >= WIDE
    for mode, direction in _ways(growth):
        way = [r for r in growth if (r.setting.mode, r.setting.direction) == (mode, direction)]
        console.print(_growth(f"growth: {mode}, {direction}", way, wide))
    for mode, direction in _ways(rows) if extremes else ():
        way = [r for r in rows if (r.setting.mode, r.setting.direction) == (mode, direction)]
        worst = measure.worst_first(way)
        console.print(_rows(f"{mode}, {direction}: the worst", worst[:extremes], wide))
        console.print(_rows(f"{mode}, {direction}: the best", worst[: -extremes - 1 : -1], wide))
    for peer in dict.fromkeys(row.setting.peer for row in rows) if every_row else ():
        of_peer = [row for row in rows if row.setting.peer == peer]
        console.print(_rows(_title(peer), measure.worst_first(of_peer), wide))
    for note in outcome.left_out:
        console.print(f"left out: {note.setting}: {note.reason}", markup=False, highlight=False)
    for note in outcome.different:
        console.print(f"[bold red]DIFFERENT[/]: {note.setting}: {note.reason}", highlight=False)


def _summary(peer: str, lines: Sequence[Summary]) -> Table:
    table = _table(
        ["mode", "direction"], ["clearly slower", "geometric mean", "worst"], _title(peer)
    )
    table.add_column("worst case")
    for line in lines:
        slower = f"{line.clearly_slower} of {line.cases}"
        figures = slower, f"{line.geometric_mean:.2f}", f"{line.worst:.2f}"
        table.add_row(line.mode, line.direction, *figures, line.worst_case)
    return table


def _rows(title: str, rows: Sequence[Row], wide: bool) -> Table:
    figures = [*["rounds"] * wide, "ours, ms", "peer, ms", "ratio"]
    table = _table(["case", "mode", "direction"], figures, title)
    for row in rows:
        setting = row.setting
        times = (_spread(times, wide) for times in (row.ours_ms, row.peer_ms))
        rounds = [str(row.rounds)] * wide
        words = setting.case.name, setting.mode, setting.direction
        table.add_row(*words, *rounds, *times, _ratio(row.ratio, wide))
    return table


def _ways(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Returns each mode and direction of the rows."""
    return list(dict.fromkeys((row.setting.mode, row.setting.direction) for row in rows))


def _growth(title: str, rows: Sequence[Row], wide: bool) -> Table:
    """Returns what each size takes, in milliseconds and as a multiple of the first size."""
    figures = ["size", "ours, ms", "times", "built-in, ms", "times", "ratio"]
    table = _table(["grows"], figures, title)
    first: dict[str, Row] = {}
    for row in rows:
        grows = row.setting.case.grows
        start = first.setdefault(grows, row)
        ours, peer = row.ours_ms, row.peer_ms
        table.add_row(
            *(grows, str(row.setting.case.size)),
            *(_spread(ours, wide), f"{ours.median / start.ours_ms.median:.1f}"),
            *(_spread(peer, wide), f"{peer.median / start.peer_ms.median:.1f}"),
            _ratio(row.ratio, wide),
        )
    return table


def _title(peer: str) -> str:
    return "a plain copy of as many bytes, the floor" if peer == COPY else f"against {peer}"


def _table(words: Sequence[str], figures: Sequence[str], title: str) -> Table:
    """Returns a table whose figures are set flush right, and none broken."""
    table = Table(*words, title=title)
    for figure in figures:
        table.add_column(figure, justify="right", no_wrap=True)
    return table


def _spread(spread: Spread, wide: bool) -> str:
    median, lower, upper = (
        f"{ms:.3g}" if ms < 1000 else f"{ms:.0f}"
        for ms in (spread.median, spread.lower, spread.upper)
    )
    return f"{median} ({lower}-{upper})" if wide else median


def _ratio(ratio: Spread, wide: bool) -> str:
    text = f"{ratio.median:.2f}"
    if wide:
        text += f" ({ratio.lower:.2f}-{ratio.upper:.2f})"
    # A ratio with its quartiles on both sides of 1 is not coloured.
    if ratio.lower <= 1 <= ratio.upper:
        return text
    return f"[{'green' if ratio.median > 1 else 'red'}]{text}[/]"
