"""The configurations that the op's values and its indices are tested on: chosen ones, and many drawn ones."""

from __future__ import annotations

import numpy as np
import oracle
from running import Config


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
                oracle.geometry(*axis)
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
RNG = np.random.default_rng(20240607)
DRAWN = [config for rank in (1, 2, 3) for config in draw(rank, 40, RNG)]
# Gaps wide enough to step over all the data.
ONLY_PADDING = [
    Config((2,), 2, 1, ((1, 2),), 3),
    Config((3, 5), 2, (1, 2), ((2, 3), (1, 0)), (5, 1)),
    Config((3, 2, 4), (1, 2, 3), 1, ((0, 0), (2, 1), (1, 1)), (1, 3, 2)),
    *(config for config in DRAWN if config.sees_only_padding),
]
TABLE = CHOSEN + [config for config in DRAWN if not config.sees_only_padding]
