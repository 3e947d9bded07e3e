"""Configurations of max pooling, chosen and drawn; inputs to fill them with; and what the reference makes of them."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from itertools import combinations, product
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import reference

from keras_maxpool.ops import max_pool

FORMATS = ("channels_last", "channels_first")
FLOATS = ("float16", "bfloat16", "float32", "float64")
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


@dataclass(frozen=True)
class Config:
    """One pooling: the spatial sizes and the arguments, which the reference and the package share."""

    spatial: tuple[int, ...]
    pool_size: int | tuple[int, ...] = 2
    strides: int | tuple[int, ...] | None = None
    padding: Any = "valid"
    dilation_rate: int | tuple[int, ...] = 1
    ceil_mode: bool = False

    @property
    def rank(self) -> int:
        return len(self.spatial)

    @property
    def arguments(self) -> dict[str, Any]:
        """All of them, by name."""
        return {name: value for name, value in asdict(self).items() if name != "spatial"}

    def pooling(self, **options: Any) -> Callable[..., Any]:
        """`ops.max_pool` of these arguments, and others."""
        return partial(max_pool, **self.arguments, **options)

    @property
    def dilated(self) -> bool:
        return np.max(self.dilation_rate) > 1

    @property
    def axes(self) -> list[tuple]:
        """(size, pool, stride, padding, dilation, ceil_mode) of every axis, as the reference has them."""

        def per_axis(value: Any) -> tuple:
            return value if isinstance(value, tuple) else (value,) * self.rank

        pool = per_axis(self.pool_size)
        stride = pool if self.strides is None else per_axis(self.strides)
        padding = [(p, p) if isinstance(p, int) else p for p in per_axis(self.padding)]
        rates = per_axis(self.dilation_rate)
        return [
            (*axis, self.ceil_mode)
            for axis in zip(self.spatial, pool, stride, padding, rates, strict=True)
        ]

    @property
    def sees_only_padding(self) -> bool:
        """Whether some window has no real element."""
        return any(reference.sees_only_padding(*axis) for axis in self.axes)

    def __str__(self) -> str:
        """The id in a test's name: what is not the default."""
        default = asdict(Config(()))
        own = [f"{name}={value}" for name, value in asdict(self).items() if value != default[name]]
        return f"{self.rank}d-{'-'.join(own)}".replace(" ", "")


class Case(NamedTuple):
    """An input, an upstream gradient, and what must come of them."""

    x: np.ndarray
    upstream: np.ndarray
    indices: np.ndarray
    values: np.ndarray
    gradient: np.ndarray


def distinct(shape: tuple[int, ...], dtype: str, rng: np.random.Generator) -> np.ndarray:
    """A permutation in each sample and channel, small enough that even bfloat16 and int8 hold it."""
    batch, *spatial, channels = shape
    size = int(np.prod(spatial))
    assert size <= 256, "bfloat16 has no more integers"
    first = 0 if dtype.startswith("uint") else -(size // 2)
    parts = [rng.permutation(size) + first for _ in range(batch * channels)]
    return np.moveaxis(np.reshape(parts, (batch, channels, *spatial)), 1, -1)


def ties(shape: tuple[int, ...], dtype: str, rng: np.random.Generator) -> np.ndarray:
    """Three values only, so that most windows have several maxima."""
    return rng.integers(0, 3, shape) - (0 if dtype.startswith("uint") else 1)


def lowest(shape: tuple[int, ...], dtype: str, rng: np.random.Generator) -> np.ndarray:
    """Little but the smallest value there is, which padding ties with."""
    return np.where(rng.random(shape) < 0.1, 1, reference.lowest(np.dtype(dtype)))


def ends(shape: tuple[int, ...], dtype: str, rng: np.random.Generator) -> np.ndarray:
    """The ends of the dtype's range, but for the lowest float, which only "ieee" tells from -inf."""
    if "int" in dtype:
        of = np.iinfo(dtype)
        few = np.array([of.min, of.min, of.min + 1, of.max - 1, of.max // 2], dtype)
    else:
        of = ml_dtypes.finfo(dtype)
        low, high, tiny = float(of.min), float(of.max), float(of.tiny)
        few = [low * (1 - float(of.eps)), high, low / 4, high / 4, -0.0, 0.0, tiny]
    return rng.choice(few, shape)


def wild(shape: tuple[int, ...], dtype: str, rng: np.random.Generator) -> np.ndarray:
    """NaN, infinities, the ends of the dtype's range and both zeros."""
    ends = ml_dtypes.finfo(dtype)
    few = [np.nan, np.inf, -np.inf, -np.inf, float(ends.min), float(ends.max), -0.0, 0.0, -1, 1]
    chosen = rng.choice(few, shape)
    # One channel without NaN and one with nothing but the smallest, or few windows would show them.
    chosen[..., :1] = rng.choice(few[1:], chosen[..., :1].shape)
    chosen[..., 1:2] = rng.choice(few[2:5], chosen[..., 1:2].shape)
    return chosen


@cache
def case(
    config: Config,
    fill: Callable[..., np.ndarray] = distinct,
    dtype: str = "float32",
    data_format: str = "channels_last",
    batch: int = 2,
) -> Case:
    """The reference's answer for one configuration.

    The upstream gradients are small integers, so that their sums are exact in every dtype.
    """
    rng = np.random.default_rng(sum(config.spatial))
    to = np.dtype(dtype)
    x = fill((batch, *config.spatial, 3), dtype, rng).astype(to)
    x = reference.channels_first(x) if data_format == "channels_first" else x
    values, indices = reference.pool(x, **config.arguments, data_format=data_format)
    upstream = rng.integers(1, 4, values.shape).astype(to)
    gradient = reference.gradient(x.shape, indices, upstream, dtype=to, data_format=data_format)
    return Case(x, upstream, indices, values, gradient)


# Configurations


def draw(rank: int, count: int, rng: np.random.Generator) -> list[Config]:
    """Configurations without a repeat, drawn from all that the op takes."""
    configs: dict[Config, None] = {}
    while len(configs) < count:

        def ints(low: int, high: int, size: int = rank) -> tuple[int, ...]:
            return tuple(int(i) for i in rng.integers(low, high, size))

        spatial, pool = ints(3, 10 if rank < 3 else 7), ints(1, 5)
        dilation = ints(1, 4) if rng.random() < 0.5 else 1
        kinds = ["valid", "same", "same_lower", "int", "ints", "pairs"] + ["causal"] * (rank == 1)
        kind = kinds[len(configs) % len(kinds)]  # in turn, so that each comes equally often
        padding = {
            "int": ints(0, 3, 1)[0],
            "ints": ints(0, 3),
            "pairs": tuple(ints(0, 4, 2) for _ in range(rank)),
        }.get(kind, kind)
        ceil_mode = bool(rng.random() < 0.5) and kind not in ("same", "same_lower", "causal")
        config = Config(spatial, pool, ints(1, 5), padding, dilation, ceil_mode)
        try:
            for _, length, _, pads, gap, _ in config.axes:
                if not isinstance(pads, str) and max(pads) > (length - 1) * gap:
                    raise ValueError("the op refuses pads of the window's length")
            for axis in config.axes:
                reference.geometry(*axis)
        except ValueError:
            continue
        configs[config] = None
    return list(configs)


# What has gone wrong in pooling code before: strides and gaps with and without a common divisor,
# windows that hang over, that fill the input, that reach into both pads.
CHOSEN = [
    Config((12,), 3, 4, "valid", 2),  # common divisor 2 of stride and gap
    Config((17,), 3, 6, "valid", 4),  # common divisor 2, smaller than both
    Config((12,), 2, 3, "valid", 3),  # stride and gap equal
    Config((13,), 3, 2, "valid", 3),  # coprime
    Config((13,), 3, 3, "same", 2),
    Config((9,), 3, 2, "causal", 2),
    Config((9,), 2, 2, "valid", 1, True),
    Config((4,), 2, 3, 1, 1, True),  # a third window would start in the padding at the end
    Config((5,), 1, 3, "valid", 1, True),
    Config((2,), 3, 2, 1, 1, True),  # larger than the input, not than the padded one
    Config((7, 6), 3, 2, 1),  # a ResNet stem's
    Config((7, 8), (3, 2), (2, 3), ((1, 0), (0, 1)), (2, 1)),
    Config((8, 8), (2, 3), (4, 3), "same_lower", (2, 3)),
    Config((6, 5), (6, 5)),
    Config((6, 5), (1, 5), 1, "same"),
    Config((5, 6), 2, (1, 4)),
    Config((5, 4, 6), (3, 2, 2), (2, 3, 1), ((2, 1), (0, 1), (1, 0))),
    Config((5, 5, 5), 2, 2, "same", (2, 1, 2)),
    Config((4, 5, 3), 2, (1, 2, 2), "valid", 1, True),
    Config((4, 3, 5), (1, 2, 3), None, "same_lower"),
]
# In each rank one without dilation, which every kernel does; in 2D one with gaps, and one whose output and input have
# one shape, so that a kernel of the second order may write over what it reads.
PLAIN = {
    1: Config((9,), 3, 2, "same"),
    2: Config((5, 6), (3, 2), (2, 1), "same"),
    3: Config((4, 5, 3), (2, 3, 2), (2, 1, 2), "same"),
}
GAPS = Config((5, 6), (3, 2), (2, 1), ((1, 2), (0, 1)), (1, 2))
LEVEL = Config((5, 6), 3, 1, "same")
RNG = np.random.default_rng(20240607)
DRAWN = [config for rank in (1, 2, 3) for config in draw(rank, 24, RNG)]
# Gaps wide enough to step over all the data.
ONLY_PADDING = [
    Config((2,), 2, 1, ((1, 2),), 3),
    Config((3, 5), 2, (1, 2), ((2, 3), (1, 0)), (5, 1)),
    Config((3, 2, 4), (1, 2, 3), 1, ((0, 0), (2, 1), (1, 1)), (1, 3, 2)),
    *(config for config in DRAWN if config.sees_only_padding),
]
TABLE = CHOSEN + [config for config in DRAWN if not config.sees_only_padding]


def assign(
    cells: Sequence[tuple[str, Config]],
    factors: Sequence[Sequence[str]],
    fit: Callable[[str, Config, tuple], bool],
) -> list[tuple[str, Config, tuple[str, ...]]]:
    """Adds one option of each factor to each (mode, configuration).

    Pairs of options, and of an option and a rank, occur evenly in every mode; options of a configuration over all.
    """
    seen: Counter = Counter()
    rows = []
    for mode, config in cells:
        chosen = []
        for options in product(*factors):
            if fit(mode, config, options):
                tagged = [config.rank, *options]
                pairs = [(mode, *pair) for pair in combinations(tagged, 2)]
                pairs += [(config, option) for option in options]
                gain = sum(0.25 ** seen[pair] for pair in pairs)
                chosen.append((gain, options, pairs))
        _, options, pairs = max(chosen, key=lambda choice: choice[0])
        seen.update(pairs)
        rows.append((mode, config, options))
    return rows
