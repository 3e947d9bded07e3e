"""What the fuzzer draws: any pooling that the op takes, inputs of every kind, and what the package makes of them."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple
from unittest import mock

import ml_dtypes
import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.cases import FLOATS, FORMATS, INTEGERS
from harness.processes import in_child
from harness.runner import MODES, in_mode
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
LAYOUTS = (*EXACT, "denormal")
NAMED = ("same", "same_lower", "causal")
PADDINGS = ("valid", *NAMED, "number", "numbers", "pairs")
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


def at_length(module: str, test: str, part: int, count: int) -> None:
    """One part of a test, in a process of its own: compiled programs stay in memory."""
    in_child(
        module,
        f"{test}.run",
        3600,
        KERAS_MAXPOOL_FUZZ_PART=str(part),
        KERAS_MAXPOOL_FUZZ_EXAMPLES=str(count),
    )


def each(value: Any, count: int) -> tuple:
    """One for each of so many, where one stands for all."""
    return value if isinstance(value, tuple) else (value,) * count


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
    lowered: bool
    """Whether the plan's thresholds are so low that this input is above them."""
    seed: int

    @property
    def rank(self) -> int:
        return len(self.spatial)

    @property
    def is_float(self) -> bool:
        return self.dtype in FLOATS

    @property
    def numpy_dtype(self) -> Any:
        return tf.as_dtype(self.dtype).as_numpy_dtype

    @property
    def options(self) -> dict[str, Any]:
        """All of `max_pool`'s arguments that are no tensors."""
        return {
            **self.arguments,
            "data_format": self.data_format,
            "nonfinite": self.nonfinite,
            "implementation": self.implementation,
        }

    def rng(self, purpose: str = "") -> np.random.Generator:
        return np.random.default_rng([self.seed, *purpose.encode()])

    def input(self) -> np.ndarray:
        """Values in the example's data format."""
        shape = (self.batch, *self.spatial, self.channels)
        x = fill(self.layout, shape, self.dtype, self.rng()).astype(self.numpy_dtype)
        return np.moveaxis(x, -1, 1) if self.data_format == "channels_first" else x

    def whole_numbers(self, shape: Sequence[int], purpose: str) -> np.ndarray:
        """Small ones, whose sums are exact in every dtype."""
        low = 0 if self.dtype.startswith("uint") else -2
        return self.rng(purpose).integers(low, 3, shape).astype(self.numpy_dtype)

    def wanted(self, x: np.ndarray) -> reference.Pooled:
        """The reference's values and places."""
        if self.layout == "denormal":
            x = flushed(x)
        return reference.pool(x, **self.arguments, data_format=self.data_format)


def flushed(x: np.ndarray) -> np.ndarray:
    """Denormal numbers as the zeros that TensorFlow's processor mode takes them for, but in float16.

    That is computed in float32, where its denormal numbers are none.
    """
    if x.dtype.kind in "iu" or x.dtype == np.float16:
        return x
    return np.where(np.abs(x) < ml_dtypes.finfo(x.dtype).tiny, x.dtype.type(0), x)


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
        if layout in ("random", "distinct"):
            return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
        return rng.choice(
            np.array([info.min, info.min + 1, 0, info.max - 1, info.max], dtype), shape
        )
    if layout == "distinct":
        order = np.tile(np.arange(math.prod(shape[1:-1])), (shape[0], shape[-1], 1))
        order = rng.permuted(order, axis=-1)
        # Steps of 1/128 of the power of two below: what bfloat16 can tell apart, and float16, too.
        numbers = 2.0 ** (order // 128) * (1 + order % 128 / 128)
        return np.moveaxis(numbers.reshape(shape[0], shape[-1], *shape[1:-1]), 1, -1)
    x = rng.normal(size=shape)
    smallest = float(ml_dtypes.finfo(ends.as_numpy_dtype).smallest_subnormal)
    few = {
        "extremes": [low, high, 0.0, -1.0],
        "infinite": [-math.inf, -math.inf, math.inf, low, 1.0],
        "nan": [math.nan, -math.inf, 0.0, 1.0],
        "denormal": [0.0, -0.0, smallest, 3 * smallest, -smallest, -3 * smallest],
    }.get(layout)
    return x if few is None else rng.choice(few, shape)


def any_dtype(rank: int, mode: str) -> Sequence[str]:
    """Of the op: all that it takes."""
    return FLOATS * 2 + INTEGERS


@st.composite
def examples(
    draw: st.DrawFn,
    *,
    mode: str,
    rank: int | None = None,
    misfits: bool = False,
    empties: bool = True,
    dilates: bool = True,
    ceils: bool = True,
    short_pads: bool = False,
    paddings: Sequence[str] = PADDINGS,
    layouts: Sequence[str] = LAYOUTS,
    dtypes: Callable[[int, str], Sequence[str]] = any_dtype,
    kernels: Sequence[str] = KERNELS,
) -> Example:
    """Poolings of every rank, padding, dtype, layout and kernel.

    By default their windows fit their inputs. `misfits` makes one in twelve of which most do not, `empties` one in
    twelve that has axes without elements. `short_pads` are at most half the window, without gaps counted.
    """
    rank = rank or draw(st.integers(1, 3))
    implementation = draw(st.sampled_from(kernels))
    dtype_choices = dtypes(rank, mode)
    if implementation == "direct" and rank == 3:
        dtype_choices = [dtype for dtype in dtype_choices if dtype in NATIVE_3D]
    dtype = draw(st.sampled_from(dtype_choices))
    limits = draw(st.sampled_from(LIMITS[rank]))
    odd = draw(st.sampled_from(["misfit"] * misfits + ["empty"] * empties + [None] * 10))

    def one_or_many(numbers: Sequence[int]) -> int | tuple[int, ...]:
        """The numbers, or the least of them as one for all axes."""
        return min(numbers) if draw(st.booleans()) else tuple(numbers)

    pools: list[int] = []
    for limit in limits:
        most = min(limit, MOST_OF_A_WINDOW // math.prod(pools))
        pools.append(draw(st.integers(1, min(3, most)) | st.integers(1, most)))
    pool_size = one_or_many(pools)
    gaps = dilates and implementation != "direct" and draw(st.booleans())
    rates = [
        draw(st.integers(1, min(5, (limit - 1) // max(n - 1, 1) or 1)))
        for n, limit in zip(each(pool_size, rank), limits, strict=True)
    ]
    dilation_rate = one_or_many(rates) if gaps else 1
    strides = [draw(st.integers(1, 3) | st.integers(1, 12)) for _ in limits]
    lengths = [
        (n - 1) * rate + 1
        for n, rate in zip(each(pool_size, rank), each(dilation_rate, rank), strict=True)
    ]
    kind = draw(st.sampled_from([p for p in paddings if rank == 1 or p != "causal"]))
    longest = [
        n // 2 if short_pads else length - 1
        for n, length in zip(each(pool_size, rank), lengths, strict=True)
    ]
    if odd == "misfit":
        longest = [n + 2 for n in longest]
    pads: list[tuple[int, int]] = [
        (draw(st.integers(0, n)), draw(st.integers(0, n))) for n in longest
    ]
    if kind == "number":
        pads = [(min(pads)[0],) * 2] * rank
    elif kind == "numbers":
        pads = [(before, before) for before, _ in pads]
    elif kind != "pairs":
        pads = [(0, 0)] * rank
    least = [1 if kind in NAMED else max(1, n - sum(p)) for n, p in zip(lengths, pads, strict=True)]
    sizes = [
        draw(st.integers(1 if odd == "misfit" else low, max(low, limit)))
        for low, limit in zip(least, limits, strict=True)
    ]
    sizes = [draw(st.integers(1, 3)), *sizes, draw(st.integers(1, 5))]
    if odd == "empty":
        # No window fits an axis without elements, unless its padding has a name.
        all_fit = kind in NAMED or misfits
        choices = range(rank + 2) if all_fit else (0, rank + 1)
        for place in draw(st.sets(st.sampled_from(choices), min_size=1, max_size=2)):
            sizes[place] = 0
    layout = draw(st.sampled_from(layouts))
    # TensorFlow's own answer for the rest depends on the mode.
    finite = layout in (*FINITE, "denormal") or dtype not in FLOATS
    batch, *spatial, channels = sizes
    return Example(
        batch=batch,
        spatial=tuple(spatial),
        channels=channels,
        arguments={
            "pool_size": pool_size,
            "strides": one_or_many(strides) if draw(st.booleans()) else None,
            "padding": {
                "number": pads[0][0],
                "numbers": tuple(before for before, _ in pads),
                "pairs": tuple(pads),
            }.get(kind, kind),
            "dilation_rate": dilation_rate,
            "ceil_mode": ceils and kind not in NAMED and draw(st.booleans()),
        },
        data_format=draw(st.sampled_from(FORMATS)),
        dtype=dtype,
        layout=layout,
        nonfinite=draw(st.sampled_from(["backend", "ieee"])) if finite else "ieee",
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
    """What a pooling gives; gradients of floats only."""

    values: np.ndarray
    indices: np.ndarray
    gradient: np.ndarray | None = None
    second: np.ndarray | None = None


def derived(pool: Callable, x: tf.Tensor, upstream: tf.Tensor, further: tf.Tensor) -> tuple:
    """The values under a tape, the gradient, and the gradient's own with respect to `upstream`."""
    with tf.GradientTape() as outer:
        outer.watch(upstream)
        with tf.GradientTape() as inner:
            inner.watch(x)
            values = pool(x)
        gradient = inner.gradient(values, x, output_gradients=upstream)
    second = outer.gradient(gradient, upstream, output_gradients=further)
    return values, gradient, tf.zeros_like(upstream) if second is None else second


def outcome(
    example: Example, x: np.ndarray, upstream: np.ndarray | None = None, **options: Any
) -> Outcome:
    """What `max_pool` gives in the example's mode; `options` in place of the example's own."""
    options = example.options | options

    def pool(x: tf.Tensor) -> tf.Tensor:
        return max_pool(x, **options)

    def function(x: tf.Tensor, *of_gradients: tf.Tensor) -> tuple[tf.Tensor, ...]:
        values, indices = max_pool(x, **options, return_indices=True)
        return values, indices, *(derived(pool, x, *of_gradients) if of_gradients else ())

    given = [x]
    if upstream is not None and example.is_float:
        given += [upstream, example.whole_numbers(x.shape, "further")]
    with thresholds(example):
        results = in_mode(function, example.mode)(*map(tf.constant, given))
    values, indices, *gradients = (result.numpy() for result in results)
    if not gradients:
        return Outcome(values, indices)
    taped, gradient, second = gradients
    # A tape makes another plan, but no other values, except that one may keep a denormal number and the other not.
    of_both = [flushed(y) if example.layout == "denormal" else y for y in (taped, values)]
    np.testing.assert_array_equal(*(y.astype("float64") for y in of_both))
    return Outcome(values, indices, gradient, second)
