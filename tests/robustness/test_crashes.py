"""Inputs on which TensorFlow's own max pooling ends the process, or may: ours answers, or raises an exception.

A case that ends its process, or hangs, ends a worker of pytest-xdist, which names it and goes on in another one.
"""

from __future__ import annotations

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


def run(mode: str, function: Callable, x: tf.Tensor) -> Callable:
    """`function` of one tensor like x, as the mode runs it: eager, or "graph" or "xla" and what is known of shapes."""
    if mode == "eager":
        return function
    kind, known = mode.split(" of ")
    shape = {
        "known": x.shape,
        "any batch": [None, *x.shape[1:]],
        "any shape": [None] * len(x.shape),
    }[known]
    return tf.function(
        function, input_signature=[tf.TensorSpec(shape, x.dtype)], jit_compile=kind == "xla"
    )


GRAPHS = ("graph of known", "graph of any batch", "graph of any shape")
MODES = ("eager", *GRAPHS, "xla of known", "xla of any shape")

# Derivatives of `pooling(weight * x)`: each returns the value, and what follows from x and from the weight


def forward(pooling: Pooling, x: tf.Tensor, mode: str) -> Sequence[tf.Tensor]:
    return [run(mode, pooling, x)(x)]


def tape_inside(pooling: Pooling, x: tf.Tensor, mode: str) -> Sequence[tf.Tensor]:
    return run(mode, partial(_gradients, pooling), x)(x)


def tape_outside(pooling: Pooling, x: tf.Tensor, mode: str) -> Sequence[tf.Tensor]:
    weight = tf.ones([], x.dtype)
    function = run(mode, lambda x: pooling(weight * x), x)
    with tf.GradientTape() as tape:
        tape.watch([x, weight])
        y = function(x)
    return y, *tape.gradient(y, [x, weight])


def second_order(pooling: Pooling, x: tf.Tensor, mode: str) -> Sequence[tf.Tensor]:
    return run(mode, partial(_second_order, pooling), x)(x)


def second_order_outside(pooling: Pooling, x: tf.Tensor, mode: str) -> Sequence[tf.Tensor]:
    function = run(mode, partial(_gradients, pooling, square=True), x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y, dx, dw = function(x)
    return y, dx, dw, tape.gradient([dx, dw], x)


def tf_gradients_twice(pooling: Pooling, x: tf.Tensor, mode: str) -> Sequence[tf.Tensor]:
    def function(x: tf.Tensor) -> Sequence[tf.Tensor]:
        weight = tf.ones([], x.dtype)
        y = pooling(weight * x)
        first = tf.gradients(y * y, [x, weight])
        return y, *first, *tf.gradients(first, [x, weight])

    return run(mode, function, x)(x)


def everything_inside(pooling: Pooling, x: tf.Tensor, mode: str) -> Sequence[tf.Tensor]:
    """All but the outer tapes in one function, as compiling for XLA takes its time."""

    def function(x: tf.Tensor) -> Sequence[tf.Tensor]:
        return pooling(x), *_gradients(pooling, x)[1:], *_second_order(pooling, x)[1:]

    return run(mode, function, x)(x)


def _gradients(pooling: Pooling, x: tf.Tensor, square: bool = False) -> Sequence[tf.Tensor]:
    weight = tf.ones([], x.dtype)
    with tf.GradientTape() as tape:
        tape.watch([x, weight])
        y = pooling(weight * x)
        target = y * y if square else y
    return y, *tape.gradient(target, [x, weight])


def _second_order(pooling: Pooling, x: tf.Tensor) -> Sequence[tf.Tensor]:
    with tf.GradientTape() as tape:
        tape.watch(x)
        y, dx, dw = _gradients(pooling, x, square=True)
    return y, dx, dw, tape.gradient([dx, dw], x)


DERIVATIVES = {
    "eager": (forward, tape_inside, second_order),
    "graph of known": (forward, tape_inside, tape_outside, second_order),
    **dict.fromkeys(
        GRAPHS[1:],
        (
            forward,
            tape_inside,
            tape_outside,
            second_order,
            second_order_outside,
            tf_gradients_twice,
        ),
    ),
    **dict.fromkeys(("xla of known", "xla of any shape"), (everything_inside, tape_outside)),
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


@over(product((1, 2, 3), ("eager", "graph of known", "graph of any shape")))
@over([(2, "xla of known")])
def only_padding(rank: int, mode: str) -> None:
    """No elements, but explicit pads that a window fits into: nothing above the lowest number, and no gradient."""
    shape = [1, 0, *[4] * (rank - 1), 1]
    pooling = partial(max_pool, pool_size=3, padding=2)
    value, derivative, _ = tape_inside(pooling, tf.zeros(shape), mode)
    assert tuple(value.shape) == (1, 1, *[2] * (rank - 1), 1)
    assert (value.numpy() <= np.finfo("float32").min).all()
    assert tuple(derivative.shape) == tuple(shape)


@over([(2, "eager"), (2, "graph"), (2, "xla"), (3, "graph")])
def fit(rank: int, how: str) -> None:
    """A data set whose last batch is empty trains a model exactly as it does without that batch."""
    for with_empty, without in zip(
        trained(rank, how, [2, 0]), trained(rank, how, [2]), strict=True
    ):
        np.testing.assert_array_equal(with_empty, without)


def trained(rank: int, how: str, batches: Sequence[int]) -> list[np.ndarray]:
    """The weights after one epoch of such batches."""
    keras.utils.set_random_seed(0)
    generator, sizes = np.random.default_rng(0), (6,) * rank

    def data() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for batch in batches:
            yield generator.normal(size=(batch, *sizes, 1)), generator.normal(size=(batch, 1))

    # A convolution of an empty batch would fail by itself in graph mode; a mean over one would be 0 / 0.
    pool = getattr(keras_maxpool, f"MaxPool{rank}D")(2)
    mean = getattr(keras.layers, f"GlobalAveragePooling{rank}D")()
    stem = [keras.Input((*sizes, 1)), keras.layers.Dense(2), pool, mean]
    model = keras.Sequential([*stem, keras.layers.Dense(1)])
    loss = keras.losses.MeanSquaredError(reduction="sum")
    model.compile("sgd", loss, run_eagerly=how == "eager", jit_compile=how == "xla")
    specs = tf.TensorSpec((None, *sizes, 1)), tf.TensorSpec((None, 1))
    model.fit(tf.data.Dataset.from_generator(data, output_signature=specs), verbose=0)
    return model.get_weights()


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

FAR: dict[str, tuple[dict, str]] = {
    # Options for an input of 4 elements per axis, and which element the only window of an axis finds.
    "valid": ({"pool_size": 2}, "second"),
    "same": ({"pool_size": 2, "padding": "same"}, "second"),
    "same_lower": ({"pool_size": 2, "padding": "same_lower"}, "second"),
    "pads and ceil_mode": ({"pool_size": 2, "padding": 1, "ceil_mode": True}, "first"),
}


@over(product(FAR, [2], ("eager", "graph of any shape", "xla of known")))
@over(product(["same"], [1, 3], ("eager", "graph of known", "xla of any shape")))
def far_stride(name: str, rank: int, mode: str) -> None:
    options, found = FAR[name]
    index = 0 if found == "first" else sum(4**axis for axis in range(rank))
    with limited_memory():
        value, derivative, _ = tape_inside(
            partial(max_pool, strides=M, **options), ramp(rank), mode
        )
    assert value.numpy().ravel().tolist() == [index]
    assert np.flatnonzero(derivative).tolist() == [index]


def ramp(rank: int) -> tf.Tensor:
    """4 elements per axis, counted from 0."""
    return tf.reshape(tf.range(4.0**rank), [1, *[4] * rank, 1])


@over(product(["same"], ["eager", "graph of any shape", "xla of known"]))
@over([("same_lower", "graph of known")])
def long_window(padding: str, mode: str) -> None:
    """So long that each window sees all elements; an exception will do as well."""
    pooling = partial(max_pool, pool_size=M, strides=1, padding=padding)
    with limited_memory(), or_a_clear_error():
        value, derivative, _ = tape_inside(pooling, ramp(1), mode)
        assert value.numpy().ravel().tolist() == [3, 3, 3, 3]
        assert derivative.numpy().ravel().tolist() == [0, 0, 0, 4]


@over([(1, "eager"), (2, "graph of known"), (2, "graph of any shape"), (3, "eager")])
def dilated_point(rank: int, mode: str) -> None:
    """Gaps mean nothing to a window of one element."""
    pooling = partial(max_pool, pool_size=1, strides=1, dilation_rate=M)
    with limited_memory():
        value, derivative, _ = tape_inside(pooling, ramp(rank), mode)
    np.testing.assert_array_equal(value, ramp(rank))
    np.testing.assert_array_equal(derivative, np.ones(derivative.shape))


@over([("graph of known",)])
def far_dilation(mode: str) -> None:
    """A window of two elements, so far apart that none sees any; an exception will do as well."""
    options = {"pool_size": 2, "strides": 1, "dilation_rate": M - 1, "padding": "same"}
    with limited_memory(), or_a_clear_error():
        value, derivative, _ = tape_inside(partial(max_pool, **options), ramp(1), mode)
        assert (value.numpy() <= np.finfo("float32").min).all()
        assert not derivative.numpy().any()


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
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):  # another system than Linux
        yield
        return
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


# Each with the number of elements that it makes of N along an axis; None for no axis at all.
FAMILIES: dict[str, tuple[Callable[[tf.Tensor], object], int | None]] = {
    "pooling": (max_pool, N // 2),
    "indices": (partial(max_pool, return_indices=True), N // 2),
    "mask": (partial(masked, max_pool), N // 2),
    "unpooling": (partial(unpooled, pool_size=1), N),
    "adaptive": (partial(adaptive_max_pool, output_size=5), 5),
    "adaptive, indices": (partial(adaptive_max_pool, output_size=5, return_indices=True), 5),
    "fractional": (partial(fractional_max_pool, pooling_ratio=1.5, seed=0), N * 2 // 3),
    "fractional, pseudo": (
        partial(
            fractional_max_pool, pooling_ratio=1.5, pseudo_random=True, seed=0, return_indices=True
        ),
        N * 2 // 3,
    ),
    "global": (global_max_pool, None),
    "global, indices": (partial(masked, global_max_pool, return_indices=True), None),
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
    with limited_memory(), contextlib.suppress(EXCEPTIONS):
        (value,) = forward(FAMILIES[family][0], tf.zeros([0, N, 3]), "graph of any shape")
        assert tuple(value.shape) == pooled


@over(product(FAMILIES, ["eager", "graph of known"]))
def too_far_axis(family: str, mode: str) -> None:
    message = r"have the shape .*2147483647.*takes 0 to 2\*\*31 - 2 elements per axis"
    with limited_memory(), pytest.raises(ValueError, match=message):
        forward(partial(values_of, FAMILIES[family][0]), tf.zeros([0, M, 3]), mode)


LAYERS: dict[str, str] = {
    # Each layer, and what it must say of an output of which an axis is too long; "" where it can make none.
    "MaxPool1D()": "",
    "MaxUnpool1D(2147483647)": "`pool_size` (2147483647,)",
    "MaxUnpool1D(2, output_size=2147483647)": "`output_size` (2147483647,)",
    "AdaptiveMaxPool1D(2147483647)": "`output_size` (2147483647,)",
    "FractionalMaxPool1D(1.5)": "",
    "GlobalMaxPool1D()": "",
}


@over((code, M, "`inputs` have") for code in LAYERS)
@over((code, 2, said) for code, said in LAYERS.items() if said)
def symbolic(code: str, steps: int, said: str) -> None:
    inputs = [keras.Input((steps, 3), dtype="float32")]
    if "Unpool" in code:
        inputs.append(keras.Input((steps, 3), dtype="int64"))
    message = r"(?s).*takes 0 to 2\*\*31 - 2 elements per axis"
    with pytest.raises(ValueError, match=message) as raised:
        eval(f"keras_maxpool.{code}")(*inputs)
    assert said in str(raised.value)


FAR_OUTPUTS: dict[str, tuple[Callable[[tf.Tensor], object], str]] = {
    "unpooling, output_size": (
        partial(unpooled, output_size=M),
        r"`output_size` \(2147483647.* makes the shape",
    ),
    "unpooling, pool_size": (partial(unpooled, pool_size=M), r"`pool_size` \(2147.*output_size="),
    "unpooling, less than nothing": (
        lambda x: unpooled(x[:, :1], 3, padding=2),
        r"`padding` \(\(2, 2\).*-1.*output_size=",
    ),
    "adaptive": (partial(adaptive_max_pool, output_size=M), r"`output_size` \(2147.* makes the"),
}


@over(product(FAR_OUTPUTS, [1, 2], [1], ["eager", "graph of known"]))
@over(product(FAR_OUTPUTS, [1], [0], ["eager"]))
def far_output(name: str, rank: int, batch: int, mode: str) -> None:
    function, message = FAR_OUTPUTS[name]
    with limited_memory(), pytest.raises(ValueError, match=message):
        forward(function, tf.zeros([batch, *[2] * rank, 1]), mode)


@over([("graph of any shape",)])
def far_output_of_unknown_size(mode: str) -> None:
    with limited_memory(), pytest.raises(EXCEPTIONS):
        forward(partial(unpooled, pool_size=M), ramp(1), mode)


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
        pytest.param(c, marks=[pytest.mark.slow] * ("xla" in c or c.startswith("wide")))
        for c in CASES
    ],
)
def test_answers_or_raises(case: str) -> None:
    # Ends the process even where TensorFlow hangs, which no signal handler of Python's could.
    faulthandler.dump_traceback_later(SECONDS_PER_CASE, exit=True, file=sys.__stderr__)
    try:
        CASES[case]()
    finally:
        faulthandler.cancel_dump_traceback_later()
