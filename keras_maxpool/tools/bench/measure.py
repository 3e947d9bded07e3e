"""Measures for keras-maxpool bench: compares two sides, then times them in turn.

`run` turns settings into an `Outcome`; `summarize` and `to_json` are what else is made of one.
"""

import gc
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

from keras_maxpool.tools.bench import networks
from keras_maxpool.tools.bench import peers as bench_peers
from keras_maxpool.tools.bench.cases import COPY, TRAINING, Case, Network, Setting
from keras_maxpool.tools.bench.peers import Arrays, Side
from keras_maxpool.tools.bench.steps import UNABLE
from keras_maxpool.tools.errors import one_line

ROUNDS = 5
"""At least so many, unless a round takes so long that the budget is gone several times over."""
MOST_ROUNDS = 500
PATIENCE = 4
"""How many budgets the wish for `ROUNDS` may cost."""
SLOWER = 0.9
"""A case is clearly slower where three of four rounds have a ratio below this, in a second, longer measurement, too."""
LONGER = 3
"""How many budgets that second measurement takes."""


@dataclass(frozen=True)
class Spread:
    """A median between its quartiles."""

    median: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Row:
    """One setting's times in milliseconds; `ratio` is the peer's time over ours, round by round."""

    setting: Setting
    rounds: int
    ours_ms: Spread
    peer_ms: Spread
    ratio: Spread

    @property
    def clearly_slower(self) -> bool:
        """Whether ours is slower beyond what other work on the machine explains."""
        return self.ratio.upper < SLOWER


@dataclass(frozen=True)
class Note:
    """Why a setting has no row."""

    setting: Setting
    reason: str


@dataclass
class Outcome:
    """All rows; what was not timed because the sides differ, or because the peer is unable."""

    rows: list[Row] = field(default_factory=list)
    different: list[Note] = field(default_factory=list)
    left_out: list[Note] = field(default_factory=list)


@dataclass(frozen=True)
class Summary:
    """The ratios of one mode, direction and peer over all cases."""

    mode: str
    direction: str
    peer: str
    cases: int
    clearly_slower: int
    geometric_mean: float
    worst: float
    worst_case: str


def run(settings: Sequence[Setting], budget: float, advance: Callable[[Setting], None]) -> Outcome:
    """Compares and times each setting, for about `budget` seconds each; calls `advance` before each."""
    outcome = Outcome()
    for case, of_case in groupby(settings, key=lambda setting: setting.case):
        # The functions of the case before hold its tensors in cycles.
        gc.collect()
        sides: Any = networks if isinstance(case, Network) else bench_peers
        data = sides.make_data(case)
        for (mode, direction), group in groupby(of_case, key=lambda s: (s.mode, s.direction)):
            ours = sides.ours(case, mode, direction, data)
            our_arrays = ours.arrays(ours.step())
            for setting in group:
                advance(setting)
                start = time.perf_counter()
                try:
                    peer = sides.peer(setting, data)
                    peer_arrays = peer.arrays(peer.step())
                except UNABLE as error:
                    outcome.left_out.append(Note(setting, one_line(error)))
                    continue
                reason = difference(setting, our_arrays, peer_arrays)
                if reason:
                    outcome.different.append(Note(setting, reason))
                    continue
                # A call that takes so long needs no second one to be warm.
                warm_up = time.perf_counter() - start < PATIENCE * budget
                row = make_row(setting, *take_turns(ours, peer, budget, warm_up=warm_up))
                if row.clearly_slower:
                    row = make_row(setting, *take_turns(ours, peer, LONGER * budget))
                outcome.rows.append(row)
    return outcome


def difference(setting: Setting, ours: Arrays, peer: Arrays) -> str:
    """Returns how the sides differ, or ""; gradients of overlapping windows are compared to rounding."""
    if setting.mode in TRAINING:
        # The loss and the trained number are sums over everything.
        return "" if _close(ours, peer, 1e-3) else "the losses or the trained numbers differ"
    if setting.peer == COPY:
        return ""
    assert isinstance(setting.case, Case)
    names = ("outputs", "gradients")[: len(ours)]
    for name, our, other in zip(names, ours, peer, strict=True):
        if our.shape != other.shape or our.dtype != other.dtype:
            return f"the {name} are {our.dtype}{our.shape} and {other.dtype}{other.shape}"
        if not _equal(name, setting.case, our, other):
            return f"the {name} differ"
    return ""


def _equal(name: str, case: Case, our: np.ndarray, other: np.ndarray) -> bool:
    if name == "gradients" and case.dtype != "float32":
        # 16 bits hold too few numbers for an input without ties, and each side may choose another tied element.
        axes = tuple(range(1, our.ndim))
        sums = [[array.astype("float64").sum(axes)] for array in (our, other)]
        return _close(sums[0], sums[1], 1e-2)
    if name == "gradients" and case.overlaps:
        return _close([our], [other], 1e-4)
    return np.array_equal(our, other)


def _close(ours: Arrays, peer: Arrays, tolerance: float) -> bool:
    return all(
        np.allclose(our, other, rtol=tolerance, atol=0)
        for our, other in zip(ours, peer, strict=True)
    )


def take_turns(
    ours: Side, peer: Side, budget: float, *, warm_up: bool = True
) -> tuple[list[float], list[float]]:
    """Returns the seconds of each side, measured in turn: ours, the peer, ours, the peer."""
    for _ in _rounds(budget / 4, 1, 3 if warm_up else 0):
        ours.step()
        peer.step()
    gc.disable()
    try:
        times = [(_seconds(ours), _seconds(peer)) for _ in _rounds(budget, ROUNDS, MOST_ROUNDS)]
    finally:
        gc.enable()
    our_times, peer_times = zip(*times, strict=True)
    return list(our_times), list(peer_times)


def _rounds(budget: float, least: int, most: int) -> Iterator[int]:
    start = time.perf_counter()
    for done in range(most):
        spent = time.perf_counter() - start
        if (done >= least and spent > budget) or (done >= 2 and spent > PATIENCE * budget):
            return
        yield done


def _seconds(side: Side) -> float:
    start = time.perf_counter()
    side.step()
    return time.perf_counter() - start


def make_row(setting: Setting, ours: Sequence[float], peer: Sequence[float]) -> Row:
    """Returns the row for the seconds of each side."""
    ratios = [b / a for a, b in zip(ours, peer, strict=True)]
    return Row(
        setting,
        len(ours),
        _spread([1e3 * seconds for seconds in ours]),
        _spread([1e3 * seconds for seconds in peer]),
        _spread(ratios),
    )


def _spread(values: Sequence[float]) -> Spread:
    lower, median, upper = np.percentile(values, (25, 50, 75)).tolist()
    return Spread(median, lower, upper)


def worst_first(rows: Sequence[Row]) -> list[Row]:
    """Returns the rows in the order of their ratios."""
    return sorted(rows, key=lambda row: row.ratio.median)


def summarize(rows: Sequence[Row]) -> list[Summary]:
    """Returns one line for each mode, direction and peer, one peer after the other."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    peers = list(dict.fromkeys(row.setting.peer for row in rows))
    for row in sorted(rows, key=lambda row: peers.index(row.setting.peer)):
        setting = row.setting
        groups.setdefault((setting.peer, setting.mode, setting.direction), []).append(row)
    summaries = []
    for (peer, mode, direction), group in groups.items():
        worst = worst_first(group)[0]
        mean = statistics.geometric_mean(row.ratio.median for row in group)
        summaries.append(
            Summary(
                mode,
                direction,
                peer,
                len(group),
                sum(row.clearly_slower for row in group),
                mean,
                worst.ratio.median,
                worst.setting.case.name,
            )
        )
    return summaries


def to_json(outcome: Outcome, environment: dict[str, Any]) -> str:
    """Returns the outcome as a JSON text: environment, rows, growth, summary, and what was not timed."""
    table, growth = split(outcome.rows)
    return json.dumps(
        {
            "environment": environment,
            "rows": [_flat(row.setting) | _numbers(row) for row in table],
            "growth": [
                {"grows": row.setting.case.grows, "size": row.setting.case.size}
                | _flat(row.setting)
                | _numbers(row)
                for row in growth
            ],
            "summary": [asdict(summary) for summary in summarize(table)],
            "different": [_flat(note.setting) | {"why": note.reason} for note in outcome.different],
            "left_out": [_flat(note.setting) | {"why": note.reason} for note in outcome.left_out],
        },
        indent=1,
    )


def split(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Returns the rows of the table, and those of growth."""
    table = [row for row in rows if not row.setting.case.grows]
    return table, [row for row in rows if row.setting.case.grows]


def _flat(setting: Setting) -> dict[str, Any]:
    return asdict(setting) | {"case": setting.case.name}


def _numbers(row: Row) -> dict[str, Any]:
    numbers = asdict(row) | {"clearly_slower": row.clearly_slower}
    del numbers["setting"]
    return numbers
