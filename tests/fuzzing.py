"""What the fuzzer draws: any pooling that the op takes, and inputs of every kind."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from hypothesis import strategies as st
from running import FLOATS, FORMATS, INTEGERS

LARGEST = {1: 40, 2: 40, 3: 12}
MOST_PLACES = 400
"""Of an input's spatial volume: the oracle is written to be read."""

LAYOUTS = ("random", "constant", "ties", "extremes", "infinite", "nan", "denormal")
MODES = ("eager",) * 8 + ("graph",) * 3 + ("xla",)
"""Tracing takes ten times as long as a call, and XLA again."""


@dataclass(frozen=True)
class Example:
    """One pooling and its input's kind; `seed` makes the values."""

    batch: int
    spatial: tuple[int, ...]
    channels: int
    arguments: dict[str, Any]
    data_format: str
    dtype: str
    layout: str
    nonfinite: str
    implementation: str
    mode: str
    seed: int

    @property
    def rank(self) -> int:
        return len(self.spatial)

    @property
    def is_float(self) -> bool:
        return self.dtype in FLOATS

    def input(self) -> np.ndarray:
        """Values in the example's data format."""
        rng = np.random.default_rng(self.seed)
        shape = (self.batch, *self.spatial, self.channels)
        x = fill(self.layout, shape, self.dtype, rng).astype(tf.as_dtype(self.dtype).as_numpy_dtype)
        return np.moveaxis(x, -1, 1) if self.data_format == "channels_first" else x


def fill(layout: str, shape: tuple[int, ...], dtype: str, rng: np.random.Generator) -> np.ndarray:
    """Numbers that the dtype holds."""
    ends = tf.as_dtype(dtype)
    low, high = float(ends.min), float(ends.max)
    if layout == "constant":
        return np.full(shape, rng.choice([-1, 0, 1]) if low < 0 else 1)
    if layout == "ties":
        return rng.integers(0, 3, shape) - (1 if low < 0 else 0)
    if dtype in INTEGERS:
        info = np.iinfo(dtype)
        if layout == "random":
            return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
        return rng.choice(
            np.array([info.min, info.min + 1, 0, info.max - 1, info.max], dtype), shape
        )
    x = rng.normal(size=shape)
    few = {
        "extremes": [low, high, 0.0, -1.0],
        "infinite": [-math.inf, -math.inf, math.inf, low, 1.0],
        "nan": [math.nan, -math.inf, 0.0, 1.0],
        "denormal": [float(ends.as_numpy_dtype(0)), -0.0, 1e-40, -1e-40, 1e-45],
    }.get(layout)
    return x if few is None else rng.choice(few, shape)


@st.composite
def examples(draw: st.DrawFn) -> Example:
    """Poolings of every rank, padding, dtype, layout, kernel and mode."""
    rank = draw(st.integers(1, 3))
    # One example in five has an axis without elements.
    empty = draw(st.sampled_from([*range(rank + 2), *[None] * (4 * rank + 8)]))
    spatial: list[int] = []
    for _ in range(rank):
        most = min(LARGEST[rank], MOST_PLACES // math.prod(spatial))
        spatial.append(draw(st.integers(min(most, 4), most) | st.integers(1, most)))
    batch, channels = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    if empty is not None:
        sizes = [batch, *spatial, channels]
        sizes[empty] = 0
        batch, *spatial, channels = sizes

    def each(low: int, high: int) -> Any:
        return draw(st.integers(low, high) | st.tuples(*[st.integers(low, high)] * rank))

    kinds = ["valid", "same", "same_lower", "number", "numbers", "pairs"] + ["causal"] * (rank == 1)
    kind = draw(st.sampled_from(kinds))
    pair = st.tuples(st.integers(0, 4), st.integers(0, 4))
    padding = {
        "number": st.integers(0, 3),
        "numbers": st.tuples(*[st.integers(0, 3)] * rank),
        "pairs": st.tuples(*[pair] * rank),
    }.get(kind)
    arguments = {
        "pool_size": each(1, 6 if rank < 3 else 4),
        "strides": draw(st.none()) if draw(st.booleans()) else each(1, 5),
        "padding": kind if padding is None else draw(padding),
        "dilation_rate": each(1, 4) if draw(st.booleans()) else 1,
        "ceil_mode": kind not in ("same", "same_lower", "causal") and draw(st.booleans()),
    }
    dtype = draw(st.sampled_from(FLOATS * 2 + INTEGERS))
    layouts = LAYOUTS if dtype in FLOATS else LAYOUTS[:4]
    layout = draw(st.sampled_from(layouts))
    # TensorFlow's own answer for the rest depends on the mode.
    finite = layout in ("random", "constant", "ties", "denormal") or dtype not in FLOATS
    dilated = np.max(arguments["dilation_rate"]) > 1
    one = not dilated and (rank < 3 or dtype in ("float32", "bfloat16"))
    return Example(
        batch=batch,
        spatial=tuple(spatial),
        channels=channels,
        arguments=arguments,
        data_format=draw(st.sampled_from(FORMATS)),
        dtype=dtype,
        layout=layout,
        nonfinite=draw(st.sampled_from(["backend", "ieee"])) if finite else "ieee",
        implementation=draw(st.sampled_from(["auto", "folded", "shifted"] + ["direct"] * one)),
        mode=draw(st.sampled_from(MODES)),
        seed=draw(st.integers(0, 2**32 - 1)),
    )
