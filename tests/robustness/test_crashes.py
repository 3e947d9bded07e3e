"""Inputs on which TensorFlow's own max pooling ends the process, or may: ours answers, or raises an exception.

One child process runs many cases, as each would take seconds to start; this file run as a program is that child. It
writes a line of JSON before and after each case, so that a case which ends the process, or hangs, is known by name and
fails alone: another child takes on those after it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from harness.keras_version import keras
from harness.processes import child_path

import keras_maxpool

SECONDS_A_CASE = 60
MOST_CHILDREN = 10
EXTRA_MEMORY = 6 * 2**30
M = 2**31 - 1  # the largest number that is an argument
EXCEPTIONS = (ValueError, TypeError, MemoryError, tf.errors.OpError)
CLEAR = re.compile(
    "`(pool_size|strides|padding|dilation_rate)`|window is larger|OOM when allocating|Out of memory"
)

Pooling = Callable[[tf.Tensor], tf.Tensor]

# How a function is run


def run(mode: str, function: Callable, x: tf.Tensor) -> Callable:
    """`function` of one tensor like x, as the mode runs it: eager, or "graph" or "xla" and what is known of shapes."""
    if mode == "eager":
        return function
    kind, known = mode.split(", ")
    shape = {
        "static": x.shape,
        "any batch": [None, *x.shape[1:]],
        "any shape": [None] * len(x.shape),
    }[known]
    return tf.function(
        function, input_signature=[tf.TensorSpec(shape, x.dtype)], jit_compile=kind == "xla"
    )


MODES = (
    "eager",
    *("graph, static", "graph, any batch", "graph, any shape"),
    *("xla, static", "xla, any shape"),
)

# Derivatives of `pooling(weight * x)`: each gives the value, and what follows from x and from the weight


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
    "forward": forward,
    "tape inside": tape_inside,
    "tape outside": tape_outside,
    "second order": second_order,
    "second order, tape outside": second_order_outside,
    "tf.gradients twice": tf_gradients_twice,
    "everything inside": everything_inside,
}


def derivatives_of(mode: str) -> list[str]:
    """The derivatives that say something new in this mode."""
    if mode == "eager":
        return ["forward", "tape inside", "second order"]
    if mode.startswith("xla"):
        return ["everything inside", "tape outside"]
    if mode == "graph, static":
        return ["forward", "tape inside", "tape outside", "second order"]
    return [name for name in DERIVATIVES if name != "everything inside"]


# Inputs without elements

OPTIONS: dict[str, dict] = {
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


def nothing(rank: int, what: str) -> tuple[list[int], list[int]]:
    """A shape without elements, channels-last, and the shape that window 2 and stride 2 make of it."""
    spatial, pooled = [4] * rank, [2] * rank
    if what == "batch":
        return [0, *spatial, 3], [0, *pooled, 3]
    if what == "channels":
        return [2, *spatial, 0], [2, *pooled, 0]
    return [2, 0, *spatial[1:], 3], [2, 0, *pooled[1:], 3]


def empty(rank: int, what: str, mode: str, derivative: str) -> None:
    shape, pooled = nothing(rank, what)
    pooling = partial(keras_maxpool.ops.max_pool, padding="same" if what == "space" else "valid")
    check_zero(DERIVATIVES[derivative](pooling, tf.zeros(shape), mode), shape, pooled)


def empty_with(option: str, what: str, mode: str, dtype: str = "float32") -> None:
    """The same for one of the options, whose output has the shape that the layer tells beforehand."""
    shape, _ = nothing(2, what)
    if "channels_first" in option:
        shape.insert(1, shape.pop())
    pooled = keras_maxpool.MaxPool2D(**OPTIONS[option]).compute_output_shape(shape)
    pooling = partial(keras_maxpool.ops.max_pool, **OPTIONS[option])
    x = tf.zeros(shape, dtype)
    # One that a tape sees while tracing, one that it does not, and one without a tape.
    for derivative in ("tape inside", "tape outside", "tf.gradients twice"):
        if derivative in derivatives_of(mode):
            check_zero(DERIVATIVES[derivative](pooling, x, mode), shape, pooled, dtype)


def check_zero(
    tensors: Sequence[tf.Tensor],
    shape: Sequence[int],
    pooled: Sequence[int],
    dtype: str = "float32",
) -> None:
    """An empty value of the right shape, and derivatives that are zero for x and for the weight."""
    value, *derivatives = tensors
    assert (tuple(value.shape), value.dtype.name) == (tuple(pooled), dtype)
    for derivative in derivatives:
        assert tuple(derivative.shape) in ((), tuple(shape)), derivative.shape
        assert derivative.dtype.name == dtype
        assert not derivative.numpy().any()


def only_padding(mode: str, rank: int) -> None:
    """No elements, but explicit pads that a window fits into: nothing above the lowest number, and no gradient."""
    shape = [1, 0, *[4] * (rank - 1), 1]
    pooling = partial(keras_maxpool.ops.max_pool, pool_size=3, padding=2)
    value, *derivatives = tape_inside(pooling, tf.zeros(shape), mode)
    assert tuple(value.shape) == (1, 1, *[2] * (rank - 1), 1)
    assert (value.numpy() <= np.finfo("float32").min).all()
    assert tuple(derivatives[0].shape) == tuple(shape)


def fit(rank: int, how: str) -> None:
    """A data set whose last batch is empty trains a model exactly as it does without that batch."""
    sizes = (6,) * rank

    def weights(batches: Sequence[int]) -> list[np.ndarray]:
        keras.utils.set_random_seed(0)
        generator = np.random.default_rng(0)

        def data() -> Iterator[tuple[np.ndarray, np.ndarray]]:
            for batch in batches:
                yield generator.normal(size=(batch, *sizes, 1)), generator.normal(size=(batch, 1))

        model = keras.Sequential(
            [
                keras.Input((*sizes, 1)),
                # A convolution of an empty batch would fail by itself in graph mode.
                keras.layers.Dense(2),
                getattr(keras_maxpool, f"MaxPool{rank}D")(2),
                getattr(keras.layers, f"GlobalAveragePooling{rank}D")(),
                keras.layers.Dense(1),
            ]
        )
        model.compile(
            "sgd",
            # The mean over an empty batch would be 0 / 0.
            keras.losses.MeanSquaredError(reduction="sum"),
            run_eagerly=how == "eager",
            jit_compile=how == "xla",
        )
        specs = tf.TensorSpec((None, *sizes, 1)), tf.TensorSpec((None, 1))
        model.fit(tf.data.Dataset.from_generator(data, output_signature=specs), verbose=0)
        return model.get_weights()

    for with_empty, without in zip(weights([2, 0]), weights([2]), strict=True):
        np.testing.assert_array_equal(with_empty, without)


# Windows larger than their input, which nobody can know while the sizes are unknown

TOO_LARGE: dict[str, tuple[int, dict]] = {
    "one short": (3, {"pool_size": 4, "strides": 1}),
    "one short, far stride": (3, {"pool_size": 4, "strides": 4}),
    "far short": (1, {"pool_size": 4, "strides": 1}),
    "with pads": (1, {"pool_size": 8, "padding": 2}),
    "dilated": (2, {"pool_size": 2, "dilation_rate": 2}),
    "ceil_mode": (1, {"pool_size": 8, "strides": 2, "ceil_mode": True}),
    "empty": (0, {"pool_size": 2}),
    "near 2**31": (4, {"pool_size": M, "strides": 1}),
}


def too_large(which: str, rank: int, mode: str, derivative: str, implementation: str) -> None:
    size, options = TOO_LARGE[which]
    pooling = partial(keras_maxpool.ops.max_pool, implementation=implementation, **options)
    x = tf.zeros([1, *[size] * rank, 2])
    with limited_memory():
        try:
            value, *derivatives = DERIVATIVES[derivative](pooling, x, mode)
        except EXCEPTIONS:
            return
    # XLA knows no assertion that could stop it, so there an empty result will do.
    assert mode.startswith("xla"), f"no exception, but values of shape {value.shape}"
    assert not value.numpy().size, value.shape
    assert not any(derivative.numpy().any() for derivative in derivatives)


# Numbers near 2**31

FAR: dict[str, tuple[dict, str]] = {
    # Options for an input of 4 elements an axis, and which element the only window of an axis finds.
    "valid": ({"pool_size": 2}, "second"),
    "same": ({"pool_size": 2, "padding": "same"}, "second"),
    "same_lower": ({"pool_size": 2, "padding": "same_lower"}, "second"),
    "pads and ceil_mode": ({"pool_size": 2, "padding": 1, "ceil_mode": True}, "first"),
}


def far_stride(which: str, rank: int, mode: str) -> None:
    options, found = FAR[which]
    place = 0 if found == "first" else sum(4**axis for axis in range(rank))
    x = ramp(rank)
    pooling = partial(keras_maxpool.ops.max_pool, strides=M, **options)
    with limited_memory():
        value, derivative, _ = tape_inside(pooling, x, mode)
    assert value.numpy().ravel().tolist() == [place]
    assert np.flatnonzero(derivative).tolist() == [place]


def ramp(rank: int) -> tf.Tensor:
    """4 elements an axis, counted from 0."""
    return tf.reshape(tf.range(4.0**rank), [1, *[4] * rank, 1])


def long_window(mode: str, padding: str) -> None:
    """A window so long that each of its places sees all elements; an exception will do as well."""
    pooling = partial(keras_maxpool.ops.max_pool, pool_size=M, strides=1, padding=padding)
    with limited_memory(), or_a_clear_error():
        value, derivative, _ = tape_inside(pooling, ramp(1), mode)
        assert value.numpy().ravel().tolist() == [3, 3, 3, 3]
        assert derivative.numpy().ravel().tolist() == [0, 0, 0, 4]


def dilated_point(mode: str, rank: int) -> None:
    """Gaps mean nothing to a window of one element."""
    pooling = partial(keras_maxpool.ops.max_pool, pool_size=1, strides=1, dilation_rate=M)
    with limited_memory():
        value, derivative, _ = tape_inside(pooling, ramp(rank), mode)
    np.testing.assert_array_equal(value, ramp(rank))
    np.testing.assert_array_equal(derivative, np.ones(derivative.shape))


def far_dilation(mode: str) -> None:
    """A window of two elements, so far apart that no place sees any; an exception will do as well."""
    pooling = partial(
        keras_maxpool.ops.max_pool, pool_size=2, strides=1, dilation_rate=M - 1, padding="same"
    )
    with limited_memory(), or_a_clear_error():
        value, derivative, _ = tape_inside(pooling, ramp(1), mode)
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

N = M - 1  # the longest axis


def mask_like(x: tf.Tensor) -> tf.Tensor:
    return tf.ones(x.shape[:-1], tf.bool)


def unpooled(x: tf.Tensor, *args: object, **options: object) -> tf.Tensor:
    known = x.shape.is_fully_defined()
    places = tf.zeros(x.shape if known else tf.shape(x), tf.int64)
    return keras_maxpool.ops.max_unpool(x, places, *args, **options)


# Each with the number of elements that it makes of N on an axis; None for no axis at all.
FAMILIES: dict[str, tuple[Callable[[tf.Tensor], object], int | None]] = {
    "pooling": (keras_maxpool.ops.max_pool, N // 2),
    "indices": (partial(keras_maxpool.ops.max_pool, return_indices=True), N // 2),
    "mask": (lambda x: keras_maxpool.ops.max_pool(x, mask=mask_like(x)), N // 2),
    "unpooling": (lambda x: unpooled(x, 1), N),
    "adaptive": (partial(keras_maxpool.ops.adaptive_max_pool, output_size=5), 5),
    "adaptive, indices": (
        lambda x: keras_maxpool.ops.adaptive_max_pool(x, 5, return_indices=True),
        5,
    ),
    "fractional": (lambda x: keras_maxpool.ops.fractional_max_pool(x, 1.5, seed=0), N * 2 // 3),
    "fractional, pseudo": (
        lambda x: keras_maxpool.ops.fractional_max_pool(x, 1.5, True, seed=0, return_indices=True),
        N * 2 // 3,
    ),
    "global": (keras_maxpool.ops.global_max_pool, None),
    "global, indices": (
        lambda x: keras_maxpool.ops.global_max_pool(x, mask=mask_like(x), return_indices=True),
        None,
    ),
}


def values_of(function: Callable[[tf.Tensor], object], x: tf.Tensor) -> tf.Tensor:
    """The first of a function's results: each has the same shape."""
    results = tf.nest.flatten(function(x))
    assert len({tuple(result.shape) for result in results}) == 1
    return results[0]


def far_axis(family: str, what: str, rank: int, mode: str) -> None:
    function, size = FAMILIES[family]
    shape = [0 if what == "batch" else 2, *[N] * rank, 0 if what == "channels" else 1]
    pooled = [shape[0], *[size] * (0 if size is None else rank), shape[-1]]
    with limited_memory():
        value, *derivatives = tape_inside(partial(values_of, function), tf.zeros(shape), mode)
    assert tuple(value.shape) == tuple(pooled)
    assert tuple(derivatives[0].shape) == tuple(shape)


def far_axis_of_unknown_size(family: str) -> None:
    """A graph that learns late of a result without elements may run out of memory for its tables."""
    function, size = FAMILIES[family]
    with limited_memory():
        try:
            (value,) = forward(
                lambda x: tf.nest.flatten(function(x))[0], tf.zeros([0, N, 3]), "graph, any shape"
            )
        except EXCEPTIONS:
            return
    assert tuple(value.shape) == ((0, 3) if size is None else (0, size, 3))


def too_far_axis(family: str, mode: str) -> None:
    function, _ = FAMILIES[family]
    with (
        limited_memory(),
        pytest.raises(ValueError, match=r"have the shape .*2147483647") as raised,
    ):
        forward(partial(values_of, function), tf.zeros([0, M, 3]), mode)
    assert "takes 0 to 2**31 - 2 elements per axis" in str(raised.value)


LAYERS: dict[str, tuple[Callable[[], object], str]] = {
    # Each layer, and what it must say of an output of which an axis is too long; "" where it can make none.
    "MaxPool1D": (lambda: keras_maxpool.MaxPool1D(), ""),
    "MaxUnpool1D": (lambda: keras_maxpool.MaxUnpool1D(M), "`pool_size` (2147483647,)"),
    "MaxUnpool1D, size": (
        lambda: keras_maxpool.MaxUnpool1D(2, output_size=M),
        "`output_size` (2147483647,)",
    ),
    "AdaptiveMaxPool1D": (
        lambda: keras_maxpool.AdaptiveMaxPool1D(M),
        "`output_size` (2147483647,)",
    ),
    "FractionalMaxPool1D": (lambda: keras_maxpool.FractionalMaxPool1D(1.5), ""),
    "GlobalMaxPool1D": (lambda: keras_maxpool.GlobalMaxPool1D(), ""),
}


def symbolic(name: str, steps: int) -> None:
    make, too_long = LAYERS[name]
    inputs = [keras.Input((steps, 3), dtype="float32")]
    if "Unpool" in name:
        inputs.append(keras.Input((steps, 3), dtype="int64"))
    with pytest.raises(ValueError, match=r"takes 0 to 2\*\*31 - 2 elements per axis") as raised:
        make()(*inputs)
    assert (too_long if steps < M else "`inputs` have") in str(raised.value)


FAR_OUTPUTS: dict[str, tuple[Callable[[tf.Tensor], object], str]] = {
    "unpooling, output_size": (
        lambda x: unpooled(x, output_size=M),
        r"`output_size` \(2147483647.* makes the shape",
    ),
    "unpooling, pool_size": (lambda x: unpooled(x, M), r"`pool_size` \(2147483647.*output_size="),
    "unpooling, less than nothing": (
        lambda x: unpooled(x[:, :1], 3, padding=2),
        r"`padding` \(\(2, 2\).*-1.*output_size=",
    ),
    "adaptive": (
        lambda x: keras_maxpool.ops.adaptive_max_pool(x, M),
        r"`output_size` \(2147483647.* makes the shape",
    ),
}


def far_output(which: str, rank: int, batch: int, mode: str) -> None:
    function, message = FAR_OUTPUTS[which]
    x = tf.zeros([batch, *[2] * rank, 1])
    with limited_memory(), pytest.raises(ValueError, match=message):
        forward(function, x, mode)


def far_output_of_unknown_size() -> None:
    with limited_memory(), pytest.raises(EXCEPTIONS):
        forward(lambda x: unpooled(x, M), ramp(1), "graph, any shape")


def empty_far_output(family: str, mode: str) -> None:
    function = {
        "unpooling": lambda x: unpooled(x, output_size=N),
        "adaptive": lambda x: keras_maxpool.ops.adaptive_max_pool(x, N),
    }[family]
    with limited_memory():
        value, derivative, _ = tape_inside(function, tf.zeros([0, 4, 3]), mode)
    assert (tuple(value.shape), tuple(derivative.shape)) == ((0, N, 3), (0, 4, 3))


def more_than_32_bits_count(mode: str) -> None:
    """2 GiB of results, and as much for the way there; too little memory is an answer, too."""
    values, last = tf.constant([5, 7], tf.int8, [1, 1, 2, 1]), 2**31 + 2**16

    def function(values: tf.Tensor) -> tf.Tensor:
        places = tf.constant([3, last], tf.int64, [1, 1, 2, 1])
        return keras_maxpool.ops.max_unpool(values, places, output_size=(2**16, 2**15 + 2))

    with limited_memory(), or_a_clear_error():
        (value,) = forward(function, values, mode)
        found = tf.reshape(value, [-1])
        assert [int(found[place]) for place in (2, 3, 4, last)] == [0, 5, 0, 7]


# The cases by name

Cases = dict[str, Callable[[], None]]

EMPTY: Cases = {
    f"{rank}D, no {what}, {mode}, {derivative}": partial(empty, rank, what, mode, derivative)
    for rank, what, mode in product((1, 2, 3), ("batch", "channels", "space"), MODES)
    # An empty axis that is known makes a shape as good as static.
    if what == "batch" or mode != "graph, any batch"
    # Compiling takes its time.
    if what == "batch" or rank == 2 or mode != "xla, any shape"
    for derivative in derivatives_of(mode)
}
EMPTY_WITH: Cases = {
    f"{option}, no {what}, {mode}": partial(empty_with, option, what, mode)
    for option, what, mode in product(OPTIONS, ("batch", "space"), ("eager", "graph, any shape"))
    if what != "space" or option in ("same", "same_lower", "strided less than dilated")
} | {
    f"{dtype}, no {what}, {mode}": partial(empty_with, "same", what, mode, dtype)
    for dtype, what, mode in product(
        ("float16", "bfloat16", "float64"), ("batch", "space"), ("graph, any shape",)
    )
}
ONLY_PADDING: Cases = {
    f"{rank}D, {mode}": partial(only_padding, mode, rank)
    for rank, mode in product((1, 2, 3), MODES)
    if mode != "graph, any batch" and (rank == 2 or "xla" not in mode)
}
FIT: Cases = {
    f"{rank}D, {how}": partial(fit, rank, how)
    for rank, how in [(2, "eager"), (2, "graph"), (2, "xla"), (3, "graph")]
}
HUGE: Cases = (
    {
        f"strides, {which}, {rank}D, {mode}": partial(far_stride, which, rank, mode)
        for which, rank, mode in product(FAR, (1, 2, 3), MODES)
        if mode != "graph, any batch" and (which == "same" or rank == 2)
    }
    | {
        f"dilation_rate of one element, {rank}D, {mode}": partial(dilated_point, mode, rank)
        for rank, mode in [
            (1, "eager"),
            (2, "graph, static"),
            (2, "graph, any shape"),
            (3, "eager"),
        ]
    }
    | {
        f"pool_size, {padding}, {mode}": partial(long_window, mode, padding)
        for padding, mode in [
            *product(["same"], ["eager", "graph, any shape", "xla, static"]),
            ("same_lower", "graph, static"),
        ]
    }
    | {"dilation_rate, same, graph, static": partial(far_dilation, "graph, static")}
)
LARGER: Cases = {
    f"{which}, {rank}D, {mode}, {derivative}, {kernel}": partial(
        too_large, which, rank, mode, derivative, kernel
    )
    for rank, mode, derivative, kernel in [
        *product((1, 2, 3), ["graph, any shape"], ["tape inside"], ["auto"]),
        *product([2], ["graph, any shape"], ["forward", "tape outside"], ["auto"]),
        *product([2], ["graph, any shape"], ["tape inside"], ["separable", "shifted"]),
        (2, "xla, any shape", "tape inside", "auto"),
    ]
    for which in TOO_LARGE
    if not mode.startswith("xla") or which in ("one short", "dilated", "empty", "near 2**31")
}
AXES: Cases = (
    {
        f"{family}, no {what}, {rank}D, {mode}": partial(far_axis, family, what, rank, mode)
        for family in FAMILIES
        for what, rank, mode in [
            *product(["batch"], [1], ["eager", "graph, static", "xla, static"]),
            ("batch", 2, "eager"),
            ("channels", 1, "eager"),
        ]
    }
    | {
        f"{family}, unknown size": partial(far_axis_of_unknown_size, family)
        for family in ("pooling", "global")
    }
    | {
        f"{family}, too far, {mode}": partial(too_far_axis, family, mode)
        for family, mode in product(FAMILIES, ["eager", "graph, static"])
    }
    | {f"{name}, symbolic": partial(symbolic, name, M) for name in LAYERS}
)
OUTPUTS: Cases = (
    {
        f"{which}, {rank}D, batch of {batch}, {mode}": partial(far_output, which, rank, batch, mode)
        for which in FAR_OUTPUTS
        for rank, batch, mode in [
            *product([1, 2], [1], ["eager", "graph, static"]),
            (1, 0, "eager"),
        ]
    }
    | {f"{name}, symbolic": partial(symbolic, name, 2) for name in LAYERS if LAYERS[name][1]}
    | {"unpooling, unknown size": far_output_of_unknown_size}
    | {
        f"{family} of nothing, {mode}": partial(empty_far_output, family, mode)
        for family, mode in product(
            ["unpooling", "adaptive"], ["eager", "graph, static", "xla, static"]
        )
    }
)
WIDE: Cases = {
    mode: partial(more_than_32_bits_count, mode)
    for mode in ("eager", "graph, static", "graph, any shape", "xla, static")
}
GROUPS: dict[str, Cases] = {
    "empty": EMPTY,
    "empty with": EMPTY_WITH,
    "only padding": ONLY_PADDING,
    "fit": FIT,
    "larger": LARGER,
    "huge": HUGE,
    "far axes": AXES,
    "far outputs": OUTPUTS,
    "wide": WIDE,
}
ALL: Cases = {
    f"{group}: {name}": case for group, cases in GROUPS.items() for name, case in cases.items()
}

# The child


def child() -> None:
    """Runs the cases whose names come as JSON, and writes how each one ends."""
    for name in json.load(sys.stdin):
        print(json.dumps({"begins": name}), flush=True)
        # Ends the process even where TensorFlow hangs, which no signal handler of Python's could.
        faulthandler.dump_traceback_later(SECONDS_A_CASE, exit=True)
        outcome = "fine"
        try:
            ALL[name]()
        except Exception as error:
            outcome = f"{type(error).__name__}: {error}"
        faulthandler.cancel_dump_traceback_later()
        print(json.dumps({"ends": name, "outcome": outcome}), flush=True)


# The parent


def outcomes_of(names: Sequence[str]) -> dict[str, str]:
    """How each case ends: "fine", the text of its exception, or how it ended the process."""
    outcomes: dict[str, str] = {}
    waiting = list(names)
    for _ in range(MOST_CHILDREN):
        if not waiting:
            break
        process = subprocess.run(
            [sys.executable, __file__],
            input=json.dumps(waiting),
            capture_output=True,
            text=True,
            timeout=900,
            env={
                **os.environ,
                "TF_CPP_MIN_LOG_LEVEL": "3",  # fatal errors still show
                # The child of a process that has taken all of a GPU's memory.
                "TF_FORCE_GPU_ALLOW_GROWTH": "true",
                "PYTHONPATH": child_path(),
            },
        )
        running = None
        for line in process.stdout.splitlines():
            if line.startswith('{"begins"'):
                running = json.loads(line)["begins"]
            elif line.startswith('{"ends"'):
                ended = json.loads(line)
                outcomes[ended["ends"]] = ended["outcome"]
                running = None
        if running is not None:
            outcomes[running] = fate(process)
        elif process.returncode:
            raise RuntimeError(f"the child ended outside its cases: {fate(process)}")
        waiting = [name for name in waiting if name not in outcomes]
    return outcomes | dict.fromkeys(waiting, f"not run, since {MOST_CHILDREN} children have ended")


def fate(process: subprocess.CompletedProcess[str]) -> str:
    """How a process came to its end, and what it had to say."""
    code = process.returncode
    end = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    said = process.stderr.splitlines()
    telling = [line for line in said if "Check failed" in line or "Timeout" in line]
    return f"ended the process with {end}: {' '.join(telling or said[-3:])}"


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest) -> dict[str, str]:
    """How each selected case of this file ends."""
    names = [
        item.callspec.params["case"]
        for item in request.session.items
        if item.path == request.path and hasattr(item, "callspec")
    ]
    return outcomes_of(names)


def slow(name: str) -> bool:
    return "xla" in name or "any batch" in name


def cases(group: str) -> pytest.MarkDecorator:
    """One test a case: slow is what XLA compiles, and an unknown batch alone, which "any shape" has too."""
    return pytest.mark.parametrize(
        "case",
        [
            pytest.param(f"{group}: {name}", id=name, marks=[pytest.mark.slow] * slow(name))
            for name in GROUPS[group]
        ],
    )


@cases("empty")
def test_inputs_without_elements(case: str, outcomes: dict[str, str]) -> None:
    assert outcomes[case] == "fine"


@cases("empty with")
def test_inputs_without_elements_under_options(case: str, outcomes: dict[str, str]) -> None:
    assert outcomes[case] == "fine"


@cases("only padding")
def test_windows_of_padding_alone(case: str, outcomes: dict[str, str]) -> None:
    assert outcomes[case] == "fine"


@cases("fit")
def test_fit_with_an_empty_last_batch(case: str, outcomes: dict[str, str]) -> None:
    assert outcomes[case] == "fine"


@cases("larger")
def test_windows_larger_than_inputs_of_unknown_size(case: str, outcomes: dict[str, str]) -> None:
    assert outcomes[case] == "fine"


@cases("huge")
def test_numbers_near_2_to_the_31(case: str, outcomes: dict[str, str]) -> None:
    assert outcomes[case] == "fine"


@cases("far axes")
def test_axes_near_2_to_the_31(case: str, outcomes: dict[str, str]) -> None:
    assert outcomes[case] == "fine"


@cases("far outputs")
def test_outputs_near_2_to_the_31(case: str, outcomes: dict[str, str]) -> None:
    assert outcomes[case] == "fine"


@pytest.mark.slow
@cases("wide")
def test_more_elements_than_32_bits_count(case: str, outcomes: dict[str, str]) -> None:
    assert outcomes[case] == "fine"


if __name__ == "__main__":
    child()
