"""Draws the pictures of keras-maxpool bench: ratios by case or by time, and cost by size where growth was measured."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from keras_maxpool.tools.bench.cases import DIRECTIONS
from keras_maxpool.tools.bench.measure import Row, split
from keras_maxpool.tools.bench.steps import MODES

WAYS = [f"{mode}, {direction}" for mode in MODES for direction in DIRECTIONS]
COLOURS = {way: f"C{number}" for number, way in enumerate(WAYS)}
"""The colour of each mode and direction, whichever of them are drawn."""


def plot(rows: Sequence[Row], path: Path) -> None:
    """Writes a PNG."""
    table, growth = split(rows)
    names = list(dict.fromkeys(row.setting.case.name for row in table))
    ratios_height = 2.5 + 0.25 * len(names) if table else 0
    growth_height = 5 if growth else 0
    figure = Figure(figsize=(16, ratios_height + growth_height), layout="constrained")
    heights = [height for height in (ratios_height, growth_height) if height]
    parts = iter(figure.subfigures(len(heights), height_ratios=heights, squeeze=False).flat)
    if table:
        _ratios(next(parts), table, names)
    if growth:
        _growth(next(parts), growth)
    figure.savefig(path, format="png", dpi=110)


def plot_sample(rows: Sequence[Row], path: Path) -> None:
    """Writes a PNG: for each mode, the ratio over the built-in's time, a point per case and direction."""
    modes = list(dict.fromkeys(row.setting.mode for row in rows))
    figure = Figure(figsize=(5 * len(modes), 4.5), layout="constrained")
    figure.suptitle("the built-in's time over ours: above the line, ours is faster")
    parts = figure.subplots(1, len(modes), sharex=True, sharey=True, squeeze=False).flat
    for axes, mode in zip(parts, modes, strict=True):
        axes.axhline(1, color="black", linewidth=1)
        for way, group in _ways([row for row in rows if row.setting.mode == mode]):
            times, ratios = [r.peer_ms.median for r in group], [r.ratio.median for r in group]
            axes.scatter(times, ratios, s=14, alpha=0.8, color=COLOURS[way], label=way)
        axes.set(title=mode, xscale="log", yscale="log", xlabel="the built-in's milliseconds")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.grid(alpha=0.3)
    _legend(figure)
    figure.savefig(path, format="png", dpi=110)


def _way(row: Row) -> str:
    return f"{row.setting.mode}, {row.setting.direction}"


def _ratios(part: Any, rows: Sequence[Row], names: list[str]) -> None:
    peers = list(dict.fromkeys(row.setting.peer for row in rows))
    part.suptitle("the peer's time over ours: right of the line, ours is faster")
    for axes, peer in zip(
        part.subplots(1, len(peers), sharey=True, squeeze=False).flat, peers, strict=True
    ):
        axes.axvline(1, color="black", linewidth=1)
        for way, group in _ways([row for row in rows if row.setting.peer == peer]):
            ratios = [row.ratio for row in group]
            axes.errorbar(
                [ratio.median for ratio in ratios],
                [names.index(row.setting.case.name) for row in group],
                xerr=[
                    [ratio.median - ratio.lower for ratio in ratios],
                    [ratio.upper - ratio.median for ratio in ratios],
                ],
                fmt="o",
                markersize=4,
                alpha=0.8,
                color=COLOURS[way],
                label=way,
            )
        axes.set(title=peer, xscale="log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_yticks(range(len(names)), names, fontsize="small")
        axes.grid(alpha=0.3)
    # The axes share their y axis: the first case comes on top.
    axes.invert_yaxis()
    _legend(part)


def _growth(part: Any, rows: Sequence[Row]) -> None:
    axes_of = {row.setting.case.grows: None for row in rows}
    part.suptitle("milliseconds by size: ours solid, the built-in dotted")
    for axes, grows in zip(
        part.subplots(1, len(axes_of), squeeze=False).flat, axes_of, strict=True
    ):
        for way, group in _ways([row for row in rows if row.setting.case.grows == grows]):
            sizes = [row.setting.case.size for row in group]
            ours = [row.ours_ms.median for row in group]
            axes.plot(sizes, ours, "o-", markersize=3, color=COLOURS[way], label=way)
            theirs = [row.peer_ms.median for row in group]
            axes.plot(sizes, theirs, "o:", markersize=3, color=COLOURS[way])
        axes.set(title=grows, yscale="log")
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.grid(alpha=0.3)
    _legend(part)


def _ways(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Yields the rows of each mode and direction."""
    for way, group in groupby(sorted(rows, key=_way), key=_way):
        yield way, list(group)


def _legend(part: Any) -> None:
    entries = {
        label: handle
        for axes in part.get_axes()
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    part.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=8)
