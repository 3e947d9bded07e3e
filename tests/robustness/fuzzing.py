"""What the fuzzer draws: any pooling that the op takes, inputs of every kind, and what the package returns for them."""

from __future__ import annotations

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
from harness.assertions import assert_same
from harness.cases import FLOATS, FORMATS, INTEGERS, Config
from harness.runner import MODES, run, with_gradient
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from keras_maxpool.backend.tensorflow import plan
from keras_maxpool.backend.tensorflow import pool as backend_pool
from keras_maxpool.ops import max_pool

LIMITS = {
    1: [(40,)],
    2: [(40, 10), (10, 40), (20, 20)],
    3: [(40, 5, 4), (4, 40, 5), (5, 4, 40), (9, 9, 9)],
}
"""By rank, how long axes get together: the reference is written to be read, so that its time counts."""
MOST_OF_A_WINDOW = 36
"""Elements, for the same reason."""

FINITE = ("random", "constant", "ties", "distinct")
EXACT = (*FINITE, "extremes", "infinite", "nan")
"""What TensorFlow takes as it is, in every mode and kernel."""
NAMED = ("same", "same_lower", "causal")
PADDINGS = ("valid", *NAMED, "int", "ints", "pairs")
KERNELS = ("auto", "direct", "separable", "shifted")
NATIVE_3D = ("float32", "bfloat16")
"""What MaxPool3D takes, the built-in's operation and that of the kernel "direct"."""

PART = os.environ.get("KERAS_MAXPOOL_FUZZ_PART")
"""Set in the processes of the long run: the seed of a part."""
AT_LENGTH = int(os.environ.get("KERAS_MAXPOOL_FUZZ_EXAMPLES", "0"))
"""Examples of that part, in all modes and kernels together."""
SHARES = (11, 2, 2)
"""Of the modes, at length: tracing takes eight times as long as a call, and XLA three times as long again."""


def drawn(
    strategy: Callable[..., st.SearchStrategy],
    *others: st.SearchStrategy,
    quick: tuple[int, int, int],
    kernels: Sequence[str | None] = (None,),
) -> Callable[[Callable], Callable]:
    """A test of drawn examples in each mode, with each of the `kernels`, None for a drawn one.

    `quick` tells how many are drawn by default in each mode, always the same ones. Hypothesis mixes parts of earlier
    examples into new ones, which left some pairs of mode and kernel out when they were drawn with the rest.
    """
    counts = [AT_LENGTH * share // sum(SHARES) for share in SHARES] if PART else quick
    cases = [
        pytest.param(mode, kernel, count // len(kernels), id=f"{mode}-{kernel}" if kernel else mode)
        for mode, count in zip(MODES, counts, strict=True)
        for kernel in kernels
    ]

    def decorate(test: Callable) -> Callable:
        @pytest.mark.parametrize(("mode", "kernel", "count"), cases)
        def check(mode: str, kernel: str | None, count: int) -> None:
            how = settings(
                max_examples=count,
                deadline=None,
                database=None,
                print_blob=PART is not None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            )
            own = {"mode": mode} | ({"kernels": [kernel]} if kernel else {})
            number = MODES.index(mode) * len(KERNELS) + list(kernels).index(kernel)
            seed(int(PART or 0) * 100 + number)(how(given(strategy(**own), *others)(test)))()

        check.__doc__ = test.__doc__
        check.run = lambda: [check(*case.values) for case in cases]
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
    layout: str
    nonfinite: str
    implementation: str
    mode: str
    lowered: bool
    """Whether the plan's thresholds are so low that this input is above them."""
    seed: int

    @property
    def rank(self) -> int:
        return self.config.rank

    @property
    def is_float(self) -> bool:
        return self.dtype in FLOATS

    @property
    def numpy_dtype(self) -> Any:
        return tf.as_dtype(self.dtype).as_numpy_dtype

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
        x = fill(self.layout, shape, self.dtype, self.rng()).astype(self.numpy_dtype)
        return self.laid_out(x)[0]

    def integers(self, shape: Sequence[int], purpose: str) -> np.ndarray:
        """Small ones, whose sums are exact in every dtype."""
        low = 0 if self.dtype.startswith("uint") else -2
        return self.rng(purpose).integers(low, 3, shape).astype(self.numpy_dtype)

    def wanted(self, x: np.ndarray) -> reference.Pooled:
        """The reference's values and indices."""
        return reference.pool(x, **self.config.arguments, data_format=self.data_format)

    def run(self, function: Callable, *arrays: np.ndarray) -> list[np.ndarray]:
        """The results of a function of tensors in the example's mode, in one list."""
        with thresholds(self):
            return tf.nest.flatten(run(function, self.mode, *arrays))

    def with_gradient(self, pool: Callable) -> Callable:
        """A function of (x, upstream): what `pool` returns and, of floats, the gradient for x."""
        return with_gradient(pool) if self.is_float else lambda x, _: pool(x)


def fill(layout: str, shape: tuple[int, ...], dtype: str, rng: np.random.Generator) -> np.ndarray:
    """Numbers that the dtype holds."""
    ends = tf.as_dtype(dtype)
    low, high = float(ends.min), float(ends.max)
    if layout == "constant":
        return np.full(shape, rng.choice([-1, 0, 1]) if low < 0 else 1)
    if layout == "ties":
        return rng.integers(0, 3, shape) - (1 if low < 0 else 0)
    if dtype in INTEGERS:
        lowest, highest = np.iinfo(dtype).min, np.iinfo(dtype).max
        if layout in ("random", "distinct"):
            return rng.integers(lowest, highest, shape, dtype=dtype, endpoint=True)
        return rng.choice(np.array([lowest, lowest + 1, 0, highest - 1, highest], dtype), shape)
    if layout == "distinct":
        order = np.tile(np.arange(math.prod(shape[1:-1])), (shape[0], shape[-1], 1))
        order = rng.permuted(order, axis=-1)
        # Steps of 1/128 of the power of two below: what bfloat16 can tell apart, and float16, too.
        numbers = 2.0 ** (order // 128) * (1 + order % 128 / 128)
        return np.moveaxis(numbers.reshape(shape[0], shape[-1], *shape[1:-1]), 1, -1)
    few = {
        "extremes": [low, high, 0.0, -1.0],
        "infinite": [-math.inf, -math.inf, math.inf, low, 1.0],
        "nan": [math.nan, -math.inf, 0.0, 1.0],
    }.get(layout)
    return rng.normal(size=shape) if few is None else rng.choice(few, shape)


@st.composite
def examples(
    draw: st.DrawFn,
    *,
    mode: str,
    misfits: bool = False,
    empties: bool = True,
    dilates: bool = True,
    ceils: bool = True,
    short_pads: bool = False,
    paddings: Sequence[str] = PADDINGS,
    layouts: Sequence[str] = EXACT,
    dtypes: Sequence[str] = (*FLOATS * 2, *INTEGERS),
    kernels: Sequence[str] = KERNELS,
) -> Example:
    """Poolings of every rank, padding, dtype, layout and kernel.

    By default their windows fit their inputs. `misfits` makes one in twelve of which most do not, `empties` one in
    twelve that has axes without elements. `short_pads` are at most half the window, without gaps counted.
    """

    def chosen(options: Sequence[Any]) -> Any:
        return draw(st.sampled_from(options))

    def one_or_many(numbers: Sequence[int]) -> int | tuple[int, ...]:
        """The numbers, or the least of them as one for all axes."""
        return min(numbers) if draw(st.booleans()) else tuple(numbers)

    rank = draw(st.integers(1, 3))
    implementation = chosen(kernels)
    few = NATIVE_3D if implementation == "direct" and rank == 3 else FLOATS + INTEGERS
    dtype = chosen([dtype for dtype in dtypes if dtype in few])
    limits = chosen(LIMITS[rank])
    odd = chosen(["misfit"] * misfits + ["empty"] * empties + [None] * 10)
    pools: list[int] = []
    for limit in limits:
        most = min(limit, MOST_OF_A_WINDOW // math.prod(pools))
        pools.append(draw(st.integers(1, min(3, most)) | st.integers(1, most)))
    window = Config(limits, one_or_many(pools))
    if dilates and implementation != "direct" and draw(st.booleans()):
        longest = [min(5, (limit - 1) // max(pool - 1, 1) or 1) for limit, pool, *_ in window.axes]
        rates = one_or_many([draw(st.integers(1, most)) for most in longest])
        window = Config(limits, window.pool_size, dilation_rate=rates)
    kind = chosen([p for p in paddings if rank == 1 or p != "causal"])
    axes = [(limit, pool, (pool - 1) * gap + 1) for limit, pool, _, _, gap, _ in window.axes]
    pads: list[tuple[int, int]] = [(0, 0)] * rank
    if kind in ("int", "ints", "pairs"):
        more = 2 if odd == "misfit" else 0
        most = [(pool // 2 if short_pads else length - 1) + more for _, pool, length in axes]
        pads = [(draw(st.integers(0, n)), draw(st.integers(0, n))) for n in most]
        if kind != "pairs":
            pads = [(before, before) for before, _ in pads]
    if kind == "int":
        pads = [min(pads)] * rank
    sizes = [draw(st.integers(1, 3)), draw(st.integers(1, 5))]
    for place, ((limit, _, length), pad) in enumerate(zip(axes, pads, strict=True), 1):
        least = 1 if kind in NAMED or odd == "misfit" else max(1, length - sum(pad))
        sizes.insert(place, draw(st.integers(least, max(least, limit))))
    if odd == "empty":
        # No window fits an axis without elements, unless its padding has a name.
        choices = range(rank + 2) if kind in NAMED or misfits else (0, rank + 1)
        for place in draw(st.sets(st.sampled_from(choices), min_size=1, max_size=2)):
            sizes[place] = 0
    strides = one_or_many([draw(st.integers(1, 3) | st.integers(1, 12)) for _ in limits])
    explicit = {"int": pads[0][0], "ints": tuple(before for before, _ in pads), "pairs": (*pads,)}
    layout = chosen(layouts)
    # TensorFlow's own answer for the rest depends on the mode.
    finite = layout in FINITE or dtype not in FLOATS
    return Example(
        Config(
            tuple(sizes[1:-1]),
            window.pool_size,
            strides if draw(st.booleans()) else None,
            explicit.get(kind, kind),
            window.dilation_rate,
            ceils and kind not in NAMED and draw(st.booleans()),
        ),
        batch=sizes[0],
        channels=sizes[-1],
        data_format=chosen(FORMATS),
        dtype=dtype,
        layout=layout,
        nonfinite=chosen(["backend", "ieee"]) if finite else "ieee",
        implementation=implementation,
        mode=mode,
        lowered=draw(st.integers(0, 4)) == 4,
        seed=draw(st.integers(0, 2**32 - 1)),
    )


@contextmanager
def thresholds(example: Example) -> Iterator[None]:
    """The package's own, or such as make many channels and much work of few and little."""
    if not example.lowered:
        yield
        return

    def forget() -> None:
        plan.choose.cache_clear()
        backend_pool._traced_gradient.cache_clear()

    with mock.patch.multiple(plan, LARGE=1, NARROW=2):
        forget()
        yield
    forget()


class Outcome(NamedTuple):
    """What a pooling returns; gradients of floats only."""

    values: np.ndarray
    indices: np.ndarray
    gradient: np.ndarray | None = None
    second: np.ndarray | None = None


def twice(pool: Callable) -> Callable:
    """A function of (x, upstream, further): values, gradient, and the gradient's own with respect to `upstream`."""

    def function(x: tf.Tensor, upstream: tf.Tensor, further: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape() as tape:
            tape.watch(upstream)
            values, gradient = with_gradient(pool)(x, upstream)
        zero = tf.UnconnectedGradients.ZERO
        return values, gradient, tape.gradient(gradient, upstream, further, zero)

    return function


def outcome(
    example: Example, x: np.ndarray, upstream: np.ndarray | None = None, **options: Any
) -> Outcome:
    """What `max_pool` returns in the example's mode; `options` in place of the example's own."""
    options = example.options | options

    def function(x: tf.Tensor, *of_gradients: tf.Tensor) -> tuple[tf.Tensor, ...]:
        untaped = max_pool(x, **options, return_indices=True)
        pool = twice(lambda x: max_pool(x, **options))
        return *untaped, *(pool(x, *of_gradients) if of_gradients else ())

    arrays = [x]
    if upstream is not None and example.is_float:
        arrays += [upstream, example.integers(x.shape, "further")]
    values, indices, *taped = example.run(function, *arrays)
    if taped:
        assert_same(taped[0], values)  # a tape makes another plan
    return Outcome(values, indices, *taped[1:])
