"""What keras-maxpool parity compares, as plain data: every combination that the built-in layers get right.

Where they do not is `faults`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from keras_maxpool.arguments import DATA_FORMATS
from keras_maxpool.tools.parity import modes
from keras_maxpool.tools.parity.modes import BACKEND, holds

RANKS = (1, 2, 3)
SPELLINGS = ("MaxPooling", "MaxPool")
BATCH, CHANNELS = 2, 3

Sizes = int | tuple[int, ...]

SPATIAL = {1: (11,), 2: (7, 9), 3: (5, 6, 4)}
# Windows of one element, anisotropic ones, and one that fills its input.
WINDOWS: dict[int, tuple[Sizes, ...]] = {
    1: (1, 2, 3, 5, 11),
    2: (2, 3, (2, 3), (1, 5), (7, 9)),
    3: (2, 3, (2, 3, 1), (1, 2, 4), (5, 6, 4)),
}
# Strides smaller and larger than the window.
STRIDES: dict[int, tuple[Sizes | None, ...]] = {
    1: (None, 1, 2, 4),
    2: (None, 1, 2, (3, 1)),
    3: (None, 1, 2, (1, 3, 2)),
}
PADDINGS = ("valid", "same")
FLOATS = ("float32", "float16", "bfloat16", "float64")
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "int64")

GRAPH_ANY_BATCH = "graph, batch None"
MODES = ("eager", "graph", GRAPH_ANY_BATCH, "xla") if BACKEND == "tensorflow" else modes.MODES

# One of how many combinations is compared, by mode, in a full run and with --quick: tracing and compiling take time.
# No step divides a row's length, so that every size, dtype and format occurs.
EVERY = {
    "tensorflow": {"eager": (1, 7), "graph": (1, 23), GRAPH_ANY_BATCH: (1, 11), "xla": (7, 89)},
    "jax": {"eager": (11, 89), "jit": (11, 89)},
    "torch": {"eager": (1, 7)},
}[BACKEND]
EVERY_TIE = {
    "tensorflow": {"eager": (1, 3), "graph": (1, 7), "xla": (3, 37)},
    "jax": {"eager": (3, 37), "jit": (3, 37)},
    "torch": {"eager": (1, 3)},
}[BACKEND]


@dataclass(frozen=True)
class Case:
    """One pooling, run by both sides in one mode."""

    rank: int
    pool_size: Sizes
    strides: Sizes | None
    padding: str
    data_format: str
    dtype: str
    mode: str
    ties: bool = False

    @property
    def group(self) -> str:
        """The row of the table that it counts in."""
        return f"{self.rank}D {self.mode}" + (", ties" if self.ties else "")

    @property
    def spelling(self) -> str:
        """The layers' name: the two spellings in turn, by the strides."""
        return f"{SPELLINGS[STRIDES[self.rank].index(self.strides) % 2]}{self.rank}D"

    @property
    def arguments(self) -> dict[str, Any]:
        """Both layers' arguments."""
        names = ("pool_size", "strides", "padding", "data_format")
        # Keras does not cast integers to a layer's dtype.
        dtype = {"dtype": self.dtype} if self.dtype in FLOATS else {}
        return {name: getattr(self, name) for name in names} | dtype

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """The input's shape in its data format."""
        batch = None if self.mode == GRAPH_ANY_BATCH else BATCH
        spatial = SPATIAL[self.rank]
        if self.data_format == "channels_first":
            return (batch, CHANNELS, *spatial)
        return (batch, *spatial, CHANNELS)

    @property
    def name(self) -> str:
        """The name in the tables."""
        parts = [f"{self.spelling} {self.pool_size}/{self.strides or self.pool_size}"]
        return " ".join([*parts, self.padding, self.data_format, self.dtype])


def dtypes(rank: int, mode: str) -> tuple[str, ...]:
    """Returns the dtypes that the built-in pools on a CPU."""
    if mode == GRAPH_ANY_BATCH:
        return ("float32",)
    if BACKEND == "tensorflow" and rank == 3:
        return ("float32", "bfloat16", "float16") if mode == "xla" else ("float32", "bfloat16")
    if BACKEND == "torch" and rank == 1:
        return FLOATS
    return tuple(filter(holds, (*FLOATS, *INTEGERS)))


def cases(*, quick: bool) -> list[Case]:
    """Returns all cases, or the few that take seconds."""
    return [
        case
        for rank in RANKS
        for mode in MODES
        for case in [
            *list(_combinations(rank, mode))[:: EVERY[mode][quick]],
            *list(_with_ties(rank, mode))[:: EVERY_TIE.get(mode, (1, 1))[quick]],
        ]
    ]


def forms(*, quick: bool) -> list[Case]:
    """Returns one case of each form, for what does not depend on dtype and mode."""
    return [
        Case(*form, "float32", GRAPH_ANY_BATCH)
        for rank in RANKS
        for form in list(_forms(rank))[:: 3 if quick else 1]
    ]


def _forms(rank: int) -> Iterator[tuple[int, Sizes, Sizes | None, str, str]]:
    return product((rank,), WINDOWS[rank], STRIDES[rank], PADDINGS, DATA_FORMATS)


def _combinations(rank: int, mode: str) -> Iterator[Case]:
    for form, dtype in product(_forms(rank), dtypes(rank, mode)):
        yield Case(*form, dtype, mode)


def _with_ties(rank: int, mode: str) -> Iterator[Case]:
    for form in _forms(rank):
        case = Case(*form, "float32", mode, ties=True)
        if _builtin_keeps_its_rule(case):
            yield case


def _builtin_keeps_its_rule(case: Case) -> bool:
    """Returns whether the built-in's gradient of a tie goes to the first element; the known faults hold the rest."""
    rule = {
        "eager": case.rank < 3 or BACKEND != "tensorflow",
        "jit": True,
        "graph": True,
        GRAPH_ANY_BATCH: False,  # nothing new for ties
        "xla": case.rank == 1 or case.padding == "valid",
    }
    return rule[case.mode]
