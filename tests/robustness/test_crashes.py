"""Inputs on which TensorFlow's own max pooling ends the process, or may: ours answers, or raises an exception.

A case that ends its process, or hangs, ends a worker of pytest-xdist, which names it and goes on in another one.
"""

import contextlib
import faulthandler
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from harness import layers
from harness.keras_version import keras

import keras_maxpool
from keras_maxpool.ops import (
    adaptive_max_pool,
    fractional_max_pool,
    global_max_pool,
    max_pool,
    max_unpool,
)

SECONDS_PER_CASE = 240
EXTRA_MEMORY = 6 * 2**30
M = 2**31 - 1  # the largest number that is an argument
N = M - 1  # the longest axis
EXCEPTIONS = (ValueError, TypeError, MemoryError, tf.errors.OpError)
CLEAR = re.compile(
    "`(pool_size|strides|padding|dilation_rate)`|window is larger|OOM when allocating|Out of memory"
)

Pooling = Callable[[tf.Tensor], tf.Tensor]
CASES: dict[str, Callable[[], None]] = {}
"""All cases by name: that of the function, and its arguments."""


def over(rows: Iterable[tuple]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes a case of the decorated function for each row of arguments."""

    def add(function: Callable[..., None]) -> Callable[..., None]:
        for row in rows:
            CASES[", ".join(map(str, (function.__name__, *row)))] = partial(function, *row)
        return function

    return add


# How a function is run

GRAPHS = ("graph of known", "graph of any batch", "graph of any shape")
MODES = ("eager", *GRAPHS, "xla of known", "xla of any shape")
"""Eager, or a graph or XLA, and what they know of shapes."""


def run(mode: str, function: Callable, x: tf.Tensor) -> Callable:
    """`function` of one tensor like x, as the mode runs it."""
    if mode == "eager":
        return function
    kind, known = mode.split(" of ")
    shapes = {"any batch": [None, *x.shape[1:]], "any shape": [None] * len(x.shape)}
    spec = tf.TensorSpec(shapes.get(known, x.shape), x.dtype)
    return tf.function(function, input_signature=[spec], jit_compile=kind == "xla")


# Derivatives of `pooling(weight * x)`: each returns the value, and what follows from x and from the weight


def gradients(pooling: Pooling, x: tf.Tensor, square: bool = False) -> Sequence[tf.Tensor]:
    weight = tf.ones([], x.dtype)
    with tf.GradientTape() as tape:
        tape.watch([x, weight])
        y = pooling(weight * x)
        target = y * y if square else y
    return y, *tape.gradient(target, [x, weight])


def again(first: Callable, x: tf.Tensor) -> Sequence[tf.Tensor]:
    with tf.GradientTape() as tape:
        tape.watch(x)
        y, dx, dw = first(x)
    return y, dx, dw, tape.gradient([dx, dw], x)


def forward(pooling: Pooling, x: tf.Tensor, mode: str) -> Sequence[tf.Tensor]:
    return [run(mode, pooling, x)(x)]


def tape_inside(pooling: Pooling, x: tf.Tensor, mode: str) -> Sequence[tf.Tensor]:
    return run(mode, partial(gradients, pooling), x)(x)


def tape_outside(pooling: Pooling, x: tf.Tensor, mode: str) -> Sequence[tf.Tensor]:
    return gradients(run(mode, pooling, x), x)


def second_inside(pooling: Pooling, x: tf.Tensor, mode: str) -> Sequence[tf.Tensor]:
    return run(mode, partial(again, partial(gradients, pooling, square=True)), x)(x)


def second_outside(pooling: Pooling, x: tf.Tensor, mode: str) -> Sequence[tf.Tensor]:
    return again(run(mode, partial(gradients, pooling, square=True), x), x)


DERIVATIVES = {
    "eager": (forward, tape_inside, second_inside),
    **dict.fromkeys(GRAPHS, (forward, tape_inside, tape_outside, second_inside, second_outside)),
    **dict.fromkeys(MODES[4:], (second_inside, tape_outside)),
}
"""Those that say something new in a mode."""

# Inputs without elements

OPTIONS: dict[str, dict] = {
    "defaults": {},
    "direct": {"implementation": "direct"},
    "separable": {"implementation": "separable"},
    "shifted": {"implementation": "shifted"},
    "dilated": {"dilation_rate": 2},
    "pairs": {"padding": ((1, 0), (0, 1))},
    "same": {"padding": "same", "strides": 1},
    "same_lower": {"padding": "same_lower", "strides": 1},
    "ceil_mode": {"ceil_mode": True, "pool_size": 3},
    "ieee": {"nonfinite": "ieee"},
    "channels_first": {"data_format": "channels_first"},
    "channels_first, same": {"data_format": "channels_first", "padding": "same"},
    "strided less than dilated": {"dilation_rate": 3, "strides": 2, "padding": "same"},
}


@over(
    (rank, what, mode)
    for rank, what, mode in product((1, 2, 3), ("batch", "channels", "space"), MODES)
    # An empty axis that is known makes a shape as good as known; XLA takes its time.
    if what == "batch"
    or (mode != "graph of any batch" and (rank == 2 or mode != "xla of any shape"))
)
@over((2, "batch", mode, name) for name in OPTIONS for mode in ("eager", "graph of any shape"))
@over(
    (2, what, "graph of any shape", name, dtype)
    for name in ("same", "same_lower", "strided less than dilated")
    for what, dtype in [("space", "float32"), ("batch", "float16"), ("space", "float64")]
)
def empty(rank: int, what: str, mode: str, name: str = "defaults", dtype: str = "float32") -> None:
    """Empty values of the shape that the layer tells beforehand, and derivatives of zero."""
    shape = [2, *[4] * rank, 3]
    shape[{"batch": 0, "space": 1, "channels": -1}[what]] = 0
    options = ({"padding": "same"} if what == "space" else {}) | OPTIONS[name]
    if options.get("data_format") == "channels_first":
        shape.insert(1, shape.pop())
    pooled = getattr(keras_maxpool, f"MaxPool{rank}D")(**options).compute_output_shape(shape)
    for derivative in DERIVATIVES[mode]:
        x = tf.zeros(shape, dtype)
        value, *derivatives = derivative(partial(max_pool, **options), x, mode)
        assert (tuple(value.shape), value.dtype.name) == (tuple(pooled), dtype), derivative
        for one in derivatives:
            assert tuple(one.shape) in ((), tuple(shape)), derivative
            assert one.dtype.name == dtype, derivative
            assert not one.numpy().any(), derivative


# Windows larger than their input, which nobody can know while the sizes are unknown

TOO_LARGE: dict[str, tuple[int, dict]] = {
    "one short": (3, {"pool_size": 4, "strides": 1}),
    "one short, far stride": (3, {"pool_size": 4, "strides": 4}),
    "with pads": (1, {"pool_size": 8, "padding": 2}),
    "dilated": (2, {"pool_size": 2, "dilation_rate": 2}),
    "ceil_mode": (1, {"pool_size": 8, "strides": 2, "ceil_mode": True}),
    "empty": (0, {"pool_size": 2}),
    "near 2**31": (4, {"pool_size": M, "strides": 1}),
}


@over((name, rank) for name in TOO_LARGE for rank in (1, 2, 3))
@over((name, 2, kernel) for name in list(TOO_LARGE)[:-1] for kernel in ("separable", "shifted"))
@over((name, 2, "auto", "xla of any shape") for name in ("one short", "dilated", "empty"))
def too_large(
    name: str, rank: int, implementation: str = "auto", mode: str = "graph of any shape"
) -> None:
    size, options = TOO_LARGE[name]
    pooling = partial(max_pool, implementation=implementation, **options)
    for derivative in (forward, tape_inside, tape_outside):
        with limited_memory():
            try:
                value, *derivatives = derivative(pooling, tf.zeros([1, *[size] * rank, 2]), mode)
            except EXCEPTIONS:
                continue
        # XLA knows no assertion that could stop it, so there an empty result will do.
        assert mode.startswith("xla"), f"no exception, but values of shape {value.shape}"
        assert not value.numpy().size, value.shape
        assert not any(one.numpy().any() for one in derivatives)


# Arguments near 2**31


def corner(rank: int) -> list[int]:
    """The last element of a window of 2 elements per axis."""
    return [sum(4**axis for axis in range(rank))]


FAR: dict[str, tuple[tuple, Callable[[int], list[int]]]] = {
    # Arguments for 4 elements per axis, and by rank which of these the windows find, -1 for none.
    "stride": ((2, M, "valid", 1), corner),
    "stride, same": ((2, M, "same", 1), corner),
    "stride, same_lower": ((2, M, "same_lower", 1), corner),
    "stride, pads and ceil_mode": ((2, M, 1, 1), lambda rank: [0]),
    "window, same": ((M, 1, "same", 1), lambda rank: [3] * 4),
    "window, same_lower": ((M, 1, "same_lower", 1), lambda rank: [3] * 4),
    "gaps of a point": ((1, 1, "valid", M), lambda rank: [*range(4**rank)]),
    "gaps": ((2, 1, "same", M - 1), lambda rank: [-1] * 4),
}


@over(product(list(FAR)[:4], [2], ("eager", "graph of any shape", "xla of known")))
@over(product(["stride, same"], [1, 3], ("eager", "graph of known", "xla of any shape")))
# Not in a graph of any shape: out of memory, TensorFlow ends the process; without the limit it answers.
@over(product(["window, same"], [1], ["eager", "xla of known"]))
@over(product(["window, same_lower", "gaps"], [1], ["graph of known"]))
@over(product(["gaps of a point"], [1, 3], ["eager"]))
@over(product(["gaps of a point"], [2], ["graph of known", "graph of any shape"]))
def far_argument(name: str, rank: int, mode: str) -> None:
    """Of long windows and gaps between elements an exception will do as well."""
    (pool_size, strides, padding, dilation_rate), found = FAR[name]
    pooling = partial(max_pool, pool_size=pool_size, strides=strides, padding=padding)
    pooling = partial(pooling, dilation_rate=dilation_rate, ceil_mode=padding == 1)
    lenient = name.startswith("window") or name == "gaps"
    with limited_memory(), or_a_clear_error() if lenient else contextlib.nullcontext():
        best, derivative, _ = map(np.ravel, tape_inside(pooling, ramp(rank), mode))
        assert np.where(best <= np.finfo("float32").min, -1, best).tolist() == found(rank)
        counts = np.bincount(np.array(found(rank)) + 1, minlength=4**rank + 1)[1:]
        assert derivative.tolist() == counts.tolist()


def ramp(rank: int) -> tf.Tensor:
    """4 elements per axis, counted from 0."""
    return tf.reshape(tf.range(4.0**rank), [1, *[4] * rank, 1])


@contextlib.contextmanager
def or_a_clear_error() -> Iterator[None]:
    """Lets an exception pass that names the argument, or says that there is not enough memory."""
    try:
        yield
    except EXCEPTIONS as error:
        if not CLEAR.search(str(error)):
            raise


@contextlib.contextmanager
def limited_memory() -> Iterator[None]:
    """Lets an allocation of many GiB fail here, where the system would else look for a process to end."""
    if sys.platform != "linux":
        yield
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + EXTRA_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


# Axes near 2**31, of all families: without samples or channels they take no memory


def unpooled(x: tf.Tensor, *args: object, **options: object) -> tf.Tensor:
    known = x.shape.is_fully_defined()
    return max_unpool(x, tf.zeros(x.shape if known else tf.shape(x), tf.int64), *args, **options)


def masked(pool: Callable, x: tf.Tensor, **options: object) -> object:
    return pool(x, mask=tf.ones(x.shape[:-1], tf.bool), **options)


fractional = partial(fractional_max_pool, pooling_ratio=1.5, seed=0)
with_indices = {"return_indices": True}
FAMILIES: dict[str, tuple[Callable[[tf.Tensor], object], int | None]] = {
    # Each with the number of elements that it makes of N along an axis; None for no axis at all.
    "pooling": (max_pool, N // 2),
    "indices": (partial(max_pool, **with_indices), N // 2),
    "mask": (partial(masked, max_pool), N // 2),
    "unpooling": (partial(unpooled, pool_size=1), N),
    "adaptive": (partial(adaptive_max_pool, output_size=5), 5),
    "adaptive, indices": (partial(adaptive_max_pool, output_size=5, **with_indices), 5),
    "fractional": (fractional, N * 2 // 3),
    "fractional, pseudo": (partial(fractional, pseudo_random=True, **with_indices), N * 2 // 3),
    "global": (global_max_pool, None),
    "global, indices": (partial(masked, global_max_pool, **with_indices), None),
}


def values_of(function: Callable[[tf.Tensor], object], x: tf.Tensor) -> tf.Tensor:
    """The first of a function's results: each has the same shape."""
    results = tf.nest.flatten(function(x))
    assert len({tuple(result.shape) for result in results}) == 1
    return results[0]


@over(product(FAMILIES, ["batch"], [1], ["eager", "graph of known", "xla of known"]))
@over(product(FAMILIES, ["batch"], [2], ["eager"]))
@over(product(FAMILIES, ["channels"], [1], ["eager"]))
def far_axis(family: str, what: str, rank: int, mode: str) -> None:
    function, size = FAMILIES[family]
    shape = [0 if what == "batch" else 2, *[N] * rank, 0 if what == "channels" else 1]
    pooled = (shape[0], *[size] * (0 if size is None else rank), shape[-1])
    with limited_memory():
        value, derivative, _ = tape_inside(partial(values_of, function), tf.zeros(shape), mode)
    assert (tuple(value.shape), tuple(derivative.shape)) == (pooled, tuple(shape))


@over([("pooling", (0, N // 2, 3)), ("global", (0, 3))])
def far_axis_of_unknown_size(family: str, pooled: tuple[int, ...]) -> None:
    """A graph that learns late of a result without elements may run out of memory for its tables."""
    with limited_memory(), contextlib.suppress(*EXCEPTIONS):
        (value,) = forward(FAMILIES[family][0], tf.zeros([0, N, 3]), "graph of any shape")
        assert tuple(value.shape) == pooled


too_long = r"have the shape .*2147483647.*takes 0 to 2\*\*31 - 2 elements per axis"
REFUSED: dict[str, tuple[Callable[[tf.Tensor], object], str]] = {
    # What is asked for an axis of more than N elements, or fewer than 0, and what must be said of it.
    "unpooling, size": (
        partial(unpooled, output_size=M),
        r"`output_size` \(2147483647.* makes the",
    ),
    "unpooling, pool": (partial(unpooled, pool_size=M), r"`pool_size` \(2147.*output_size="),
    "unpooling, pads": (
        lambda x: unpooled(x[:, :1], 3, padding=2),
        r"`padding` \(\(2, 2\).*-1.*output_size=",
    ),
    "adaptive, size": (partial(adaptive_max_pool, output_size=M), r"`output_size` \(2147.* makes"),
    **{name: (partial(values_of, function), too_long) for name, (function, _) in FAMILIES.items()},
}


@over(product(FAMILIES, [(0, M, 3)], ["eager", "graph of known"]))
@over(product(list(REFUSED)[:4], [(1, 2, 1), (1, 2, 2, 1)], ["eager", "graph of known"]))
@over(product(list(REFUSED)[:4], [(0, 2, 1)], ["eager"]))
@over([("unpooling, pool", (1, 4, 1), "graph of any shape")])
def too_far(name: str, shape: tuple[int, ...], mode: str) -> None:
    """What learns of it late has an exception of TensorFlow's."""
    function, message = REFUSED[name]
    error, said = (EXCEPTIONS, None) if "any" in mode else (ValueError, message)
    with limited_memory(), pytest.raises(error, match=said):
        forward(function, tf.zeros(shape), mode)


@over((family,) for family in layers.FAMILIES)
def symbolic(family: str) -> None:
    dtypes = ("float32", "int64") if family == "MaxUnpooling" else ("float32",)
    inputs = [keras.Input((M, 3), dtype=dtype) for dtype in dtypes]
    with pytest.raises(ValueError, match=r"(?s)`inputs` have.*takes 0 to 2\*\*31 - 2 elements per"):
        layers.layer(family, 1)(*inputs)


@over(product(["unpooled", "adaptive_max_pool"], ["eager", "graph of known", "xla of known"]))
def empty_far_output(pool: str, mode: str) -> None:
    pooling = partial(globals()[pool], output_size=N)
    with limited_memory():
        value, derivative, _ = tape_inside(pooling, tf.zeros([0, 4, 3]), mode)
    assert (tuple(value.shape), tuple(derivative.shape)) == ((0, N, 3), (0, 4, 3))


@over((mode,) for mode in MODES if mode not in ("graph of any batch", "xla of any shape"))
def wide(mode: str) -> None:
    """2 GiB of results, and as much for the way there; too little memory is an answer, too."""
    values, last = tf.constant([5, 7], tf.int8, [1, 1, 2, 1]), 2**31 + 2**16
    indices = tf.constant([3, last], tf.int64, [1, 1, 2, 1])
    pooling = partial(max_unpool, indices=indices, output_size=(2**16, 2**15 + 2))
    with limited_memory(), or_a_clear_error():
        found = tf.reshape(forward(pooling, values, mode)[0], [-1])
        assert [int(found[index]) for index in (2, 3, 4, last)] == [0, 5, 0, 7]


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=[pytest.mark.slow] * ("xla" in case or case.startswith("wide")))
        for case in CASES
    ],
)
def test_answers_or_raises(case: str) -> None:
    # Ends the process even where TensorFlow hangs, which no signal handler of Python's could.
    faulthandler.dump_traceback_later(SECONDS_PER_CASE, exit=True, file=sys.__stderr__)
    try:
        CASES[case]()
    finally:
        faulthandler.cancel_dump_traceback_later()
