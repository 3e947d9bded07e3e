"""Inputs on which TensorFlow's own max pooling ends the process, or may: ours answers, or raises an exception.

The cases run in child processes, many to a child, and this file run as a program is that child. It writes a line of
JSON before and after each case, so that a case which ends the process is known by name; another child
takes on the rest.
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
from either_keras import keras
from running import child_path

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
    "folded": {"implementation": "folded"},
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


# What the built-in layers do


def gradient_of_an_empty_batch(layer: type) -> None:
    tape_inside(layer(), tf.zeros([0, 4, 4, 3]), "graph, static")


def stride_of_2_to_the_31(layer: type) -> None:
    with pytest.raises(ValueError, match=r"`strides` must be below 2\*\*31"):
        layer(2, strides=2**31)(tf.zeros([1, 4, 4, 1]))


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
        *product([2], ["graph, any shape"], ["tape inside"], ["folded", "shifted"]),
        (2, "xla, any shape", "tape inside", "auto"),
    ]
    for which in TOO_LARGE
    if not mode.startswith("xla") or which in ("one short", "dilated", "empty", "near 2**31")
}
FAULTS: Cases = {
    f"{name}, {whose}": partial(case, package.MaxPooling2D)
    for name, case in [
        ("gradient of an empty batch", gradient_of_an_empty_batch),
        ("stride of 2**31", stride_of_2_to_the_31),
    ]
    for whose, package in [("ours", keras_maxpool), ("built-in", keras.layers)]
}
GROUPS: dict[str, Cases] = {
    "empty": EMPTY,
    "empty with": EMPTY_WITH,
    "only padding": ONLY_PADDING,
    "fit": FIT,
    "larger": LARGER,
    "huge": HUGE,
    "faults": FAULTS,
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


def cases(group: str) -> pytest.MarkDecorator:
    """One test a case, of which those that XLA compiles take most of the time."""
    return pytest.mark.parametrize(
        "case",
        [
            pytest.param(f"{group}: {name}", id=name, marks=[pytest.mark.slow] * ("xla" in name))
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


@cases("faults")
def test_faults_of_the_builtin(
    case: str, outcomes: dict[str, str], record_property: Callable[[str, object], None]
) -> None:
    """The built-in's fate is recorded without judging, as a newer TensorFlow may have mended it."""
    if case.endswith("built-in"):
        record_property("fate", outcomes[case])
        print(f"{case}: {outcomes[case]}")
    else:
        assert outcomes[case] == "fine"


if __name__ == "__main__":
    child()
