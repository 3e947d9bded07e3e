"""What the fuzzer draws: any pooling that the op takes, inputs of every kind, and what the package returns for them."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness import cases
from harness.assertions import assert_same
from harness.cases import FLOATS, FORMATS, INTEGERS, Config
from harness.runner import MODES, run, with_gradient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_maxpool.backend.tensorflow import cost, plan
from keras_maxpool.backend.tensorflow import pool as backend_pool

LIMITS = {
    1: [(40,)],
    2: [(40, 6), (6, 40), (16, 16)],
    3: [(40, 3, 2), (2, 40, 3), (3, 2, 40), (6, 6, 7)],
}
"""By rank, how long axes get together: there are 256 distinct numbers, and the reference is written to be read."""
MOST_OF_A_WINDOW = 36
"""Elements, for the same reason."""

FILLS = {"distinct": cases.distinct, "ties": cases.ties, "ends": cases.ends}
NONFINITE = {"lowest": cases.lowest, "wild": cases.wild}
"""Of what these hold, TensorFlow's own answer depends on the mode."""
NAMED = ("same", "same_lower", "causal")
PADDINGS = ("valid", *NAMED, "int", "ints", "pairs")
KERNELS = ("auto", "direct", "separable", "shifted")
NATIVE_3D = ("float32", "bfloat16")
"""What MaxPool3D takes, the built-in's operation and that of the kernel "direct"."""

AT_LENGTH = int(os.environ.get("KERAS_MAXPOOL_FUZZ_EXAMPLES", "0"))
"""Examples in a process of the long run, in all modes and kernels together."""
SHARES = dict(zip(MODES, (11, 2, 2), strict=True))
"""Of the modes: tracing takes eight times as long as a call, and XLA three times as long again."""


def drawn(
    strategy: Callable[..., st.SearchStrategy],
    *others: st.SearchStrategy,
    quick: int,
    kernels: Sequence[str | None] = (None,),
) -> Callable[[Callable], Callable]:
    """A test of drawn examples in each mode, with each of the `kernels`, None for a drawn one.

    `quick` tells how many are drawn by default, always the same ones. Hypothesis mixes parts of earlier examples into
    new ones, which left some pairs of mode and kernel out when they were drawn with the rest.
    """

    def decorate(test: Callable) -> Callable:
        @pytest.mark.parametrize("kernel", kernels)
        @pytest.mark.parametrize("mode", MODES)
        def check(mode: str, kernel: str | None) -> None:
            count = (AT_LENGTH or quick) * SHARES[mode] // sum(SHARES.values())
            how = settings(
                max_examples=count // len(kernels),
                deadline=None,
                database=None,
                derandomize=not AT_LENGTH,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            )
            how(given(strategy(mode=mode, kernel=kernel), *others)(test))()

        check.__doc__ = test.__doc__
        return check

    return decorate


@dataclass(frozen=True)
class Example:
    """One pooling and its input's kind; `seed` makes the values."""

    config: Config
    batch: int
    channels: int
    data_format: str
    dtype: str
    fill: str
    nonfinite: str
    implementation: str
    mode: str
    lowered: bool
    """Whether the plan's thresholds are so low that this input is above them."""
    seed: int

    @property
    def is_float(self) -> bool:
        return self.dtype in FLOATS

    @property
    def options(self) -> dict[str, Any]:
        """All of `max_pool`'s arguments that are no tensors."""
        names = ("data_format", "nonfinite", "implementation")
        return self.config.arguments | {name: getattr(self, name) for name in names}

    def rng(self, purpose: str = "") -> np.random.Generator:
        return np.random.default_rng([self.seed, *purpose.encode()])

    def laid_out(self, *arrays: np.ndarray) -> list[np.ndarray]:
        """Channels-last arrays in the example's data format."""
        first = self.data_format == "channels_first"
        return [reference.channels_first(array) if first else array for array in arrays]

    def last(self, x: np.ndarray) -> np.ndarray:
        return reference.channels_last(x) if self.data_format == "channels_first" else x

    def input(self) -> np.ndarray:
        shape = (self.batch, *self.config.spatial, self.channels)
        fill = (FILLS | NONFINITE)[self.fill]
        return self.laid_out(fill(shape, self.dtype, self.rng()).astype(np.dtype(self.dtype)))[0]

    def mask(self) -> np.ndarray:
        """Of elements, from nothing hidden to everything."""
        rng = self.rng("mask")
        return rng.random((self.batch, *self.config.spatial)) < rng.choice([0, 0.2, 0.6, 1])

    def integers(self, shape: Sequence[int], purpose: str) -> np.ndarray:
        """Small ones, whose sums are exact in every dtype."""
        low = 0 if self.dtype.startswith("uint") else -2
        return self.rng(purpose).integers(low, 3, shape).astype(np.dtype(self.dtype))

    def run(self, function: Callable, *arrays: np.ndarray) -> list[np.ndarray]:
        """The results of a function of tensors in the example's mode, in one list."""
        with thresholds(self.lowered):
            return tf.nest.flatten(run(function, self.mode, *arrays))


@st.composite
def examples(
    draw: st.DrawFn,
    *,
    mode: str,
    kernel: str | None = None,
    empties: bool = True,
    plain: bool = False,
) -> Example:
    """Poolings of every rank, padding, dtype, fill and kernel.

    Their windows fit their inputs. `empties` makes one in eleven that has axes without elements. `plain` ones have no
    gaps and no ceil_mode.
    """

    def chosen(options: Sequence[Any]) -> Any:
        return draw(st.sampled_from(options))

    def one_or_many(numbers: Sequence[int]) -> int | tuple[int, ...]:
        """The numbers, or the least of them as one for all axes."""
        return min(numbers) if draw(st.booleans()) else tuple(numbers)

    rank = draw(st.integers(1, 3))
    implementation = kernel or chosen(KERNELS)
    native = implementation == "direct" and rank == 3
    dtype = chosen(NATIVE_3D if native else (*FLOATS * 2, *INTEGERS))
    limits = chosen(LIMITS[rank])
    empty = chosen([empties] + [False] * 10)
    pools: list[int] = []
    for limit in limits:
        most = min(limit, MOST_OF_A_WINDOW // math.prod(pools))
        pools.append(draw(st.integers(1, min(3, most)) | st.integers(1, most)))
    window = Config(limits, one_or_many(pools))
    if not plain and implementation != "direct" and draw(st.booleans()):
        longest = [min(5, (limit - 1) // max(pool - 1, 1) or 1) for limit, pool, *_ in window.axes]
        rates = one_or_many([draw(st.integers(1, most)) for most in longest])
        window = Config(limits, window.pool_size, dilation_rate=rates)
    kind = chosen([padding for padding in PADDINGS if rank == 1 or padding != "causal"])
    lengths = [(pool - 1) * gap + 1 for _, pool, _, _, gap, _ in window.axes]
    pads = [(0, 0)] * rank
    if kind in ("int", "ints", "pairs"):
        each = [st.integers(0, length - 1) for length in lengths]
        pads = [(draw(pad), draw(pad)) for pad in each]
        if kind != "pairs":
            pads = [(before, before) for before, _ in pads]
    if kind == "int":
        pads = [min(pads)] * rank
    sizes = [draw(st.integers(1, 3)), draw(st.integers(1, 5))]
    for place, (limit, length, pad) in enumerate(zip(limits, lengths, pads, strict=True), 1):
        least = 1 if kind in NAMED else max(1, length - sum(pad))
        sizes.insert(place, draw(st.integers(least, max(least, limit))))
    if empty:
        # No window fits an axis without elements, unless its padding has a name or is as long.
        fits = [
            place for place in range(rank) if kind in NAMED or sum(pads[place]) >= lengths[place]
        ]
        choices = [0, *(place + 1 for place in fits), rank + 1]
        for place in draw(st.sets(st.sampled_from(choices), min_size=1, max_size=2)):
            sizes[place] = 0
    strides = one_or_many([draw(st.integers(1, 3) | st.integers(1, 12)) for _ in limits])
    explicit = {"int": pads[0][0], "ints": tuple(before for before, _ in pads), "pairs": (*pads,)}
    fill = chosen([*FILLS, *NONFINITE] if dtype in FLOATS else [*FILLS, "lowest"])
    return Example(
        Config(
            tuple(sizes[1:-1]),
            window.pool_size,
            strides if draw(st.booleans()) else None,
            explicit.get(kind, kind),
            window.dilation_rate,
            not plain and kind not in NAMED and draw(st.booleans()),
        ),
        batch=sizes[0],
        channels=sizes[-1],
        data_format=chosen(FORMATS),
        dtype=dtype,
        fill=fill,
        nonfinite=chosen(["backend", "ieee"]) if fill in FILLS or dtype in INTEGERS else "ieee",
        implementation=implementation,
        mode=mode,
        lowered=draw(st.integers(0, 4)) == 4,
        seed=draw(st.integers(0, 2**32 - 1)),
    )


@contextmanager
def thresholds(lowered: bool) -> Iterator[None]:
    """The package's own, or such as make many channels and much work of few and little."""

    def forget() -> None:
        for cache in (plan.choose, backend_pool._one_function, backend_pool._traced_gradient):
            cache.cache_clear()

    if not lowered:
        yield
        return
    with mock.patch.object(plan, "LARGE", 1), mock.patch.object(cost, "NARROW", 2):
        forget()
        yield
    forget()


class Outcome(NamedTuple):
    """What a pooling returns; of floats the gradient, too, and the gradient's own with respect to `upstream`."""

    values: np.ndarray
    indices: np.ndarray
    gradient: np.ndarray | None = None
    second: np.ndarray | None = None


def outcome(
    example: Example, op: Callable, x: np.ndarray, *of_gradients: np.ndarray, **options: Any
) -> Outcome:
    """What `op` returns in the example's mode, for the upstream gradient and a further one if there are any."""

    def function(x: tf.Tensor, *of_gradients: tf.Tensor) -> tuple[tf.Tensor, ...]:
        untaped = op(x, **options, return_indices=True)
        if not of_gradients:
            return untaped
        upstream, further = of_gradients
        with tf.GradientTape() as tape:
            tape.watch(upstream)
            values, gradient = with_gradient(lambda x: op(x, **options))(x, upstream)
        zero = tf.UnconnectedGradients.ZERO
        second = tape.gradient(gradient, upstream, further, zero)
        return *untaped, gradient, second, values

    values, indices, *taped = example.run(function, x, *of_gradients)
    if taped:
        assert_same(taped.pop(), values)  # a tape makes another plan
    return Outcome(values, indices, *taped)
