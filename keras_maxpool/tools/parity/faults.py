"""The known faults of the built-in layers: what they do wrong, what ours do, and a probe that shows it.

A probe returns "" where a side is right, and otherwise says what it did. An exception says as much, and some faults
end the process. Every probe knows the right answer by itself. The table in
notebooks/06-differences-export-limits.ipynb has a row for each fault on TensorFlow.
"""

import inspect
import re
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import keras
import numpy as np

import keras_maxpool
from keras_maxpool.tools.errors import one_line
from keras_maxpool.tools.parity.compare import difference
from keras_maxpool.tools.parity.modes import BACKEND, MODES, outputs, outputs_and_gradient, run


@dataclass(frozen=True)
class Side:
    """One package's layers, and its options for NaN and -inf as NumPy treats them."""

    layers: ModuleType
    ieee: dict[str, Any]


SIDES = {
    "ours": Side(keras_maxpool, {"nonfinite": "ieee"}),
    "built-in": Side(keras.layers, {}),
}

Probe = Callable[..., str]
"""Takes a side and, if there are several, a mode; without one, it is the mode in which the built-in has the fault."""

NAN, INF = float("nan"), float("inf")
RANKS = (1, 2, 3)
SECONDS = 5
"""How long a pooling of 16 elements may take."""


@dataclass(frozen=True)
class Fault:
    """One fault of Keras 3.15 on a CPU (TensorFlow 2.21, JAX 0.10, PyTorch 2.13), with the probe that shows it."""

    name: str
    builtin: str
    ours: str
    probe: Probe

    @property
    def further_modes(self) -> list[str]:
        """The modes in which the probe runs besides that in which the built-in has the fault."""
        mode = inspect.signature(self.probe).parameters.get("mode")
        return [other for other in MODES if mode and other != mode.default]

    @property
    def ends_the_process(self) -> bool:
        """Whether the built-in's process does not survive the probe."""
        return self.builtin.startswith(("ends the process", "hangs"))


@dataclass(frozen=True)
class Finding:
    """What each side did when a fault was tested: "" where it was right."""

    fault: Fault
    builtin: str
    ours: str

    @property
    def met(self) -> bool:
        """Whether the built-in has the fault here."""
        return bool(self.builtin)

    @property
    def line(self) -> str:
        """A line of Python that shows what ours does."""
        name = self.fault.probe.__name__
        return (
            f"from keras_maxpool.tools.parity import faults as f; print(f.{name}(f.SIDES['ours']))"
        )


FAULTS: list[Fault] = []
"""All faults, in the order of the probes below."""


def _fault(
    name: str, builtin: str, ours: str, on: str = "tensorflow jax torch"
) -> Callable[[Probe], Probe]:
    """Adds the fault that the decorated probe shows to FAULTS, if Keras runs on one of these backends."""

    def add(probe: Probe) -> Probe:
        if BACKEND in on.split():
            FAULTS.append(Fault(name, builtin, ours, probe))
        return probe

    return add


@_fault(
    "ties, 3D eager",
    "gives each tied element the whole gradient",
    "gives it to the first",
    on="tensorflow",
)
def ties_3d_eager(side: Side, mode: str = "eager") -> str:
    """Eight zeros, of which the first gets the gradient."""
    x = np.zeros((1, 2, 2, 2, 1), "float32")
    first = np.zeros_like(x)
    first[0, 0, 0, 0, 0] = 1
    return difference(_gradient(side.layers.MaxPool3D(2), mode, x), first)


@_fault(
    "near ties, 3D eager",
    "gives the whole gradient to all within 1e-5 of the maximum",
    "gives it to the maximum",
    on="tensorflow",
)
def near_ties_3d_eager(side: Side, mode: str = "eager") -> str:
    """Eight numbers of which the last is the largest by 8e-6."""
    x = np.ones((1, 2, 2, 2, 1), "float32")
    x[0, 1, 1, 1, 0] += 8e-6
    largest = np.zeros_like(x)
    largest[0, 1, 1, 1, 0] = 1
    return difference(_gradient(side.layers.MaxPool3D(2), mode, x), largest)


@_fault(
    'ties, XLA with "same"',
    "gives the gradient to another tied element",
    "gives it to the first",
    on="tensorflow",
)
def ties_xla_same(side: Side, mode: str = "xla") -> str:
    """Two ones across a window of 2, of which the upper one gets the gradient; elsewhere zeros and the edge."""
    x = np.reshape([[0, 1, 0], [1, 0, 0], [0, 0, 0]], (3, 3)).astype("float32")
    first = np.reshape([[0, 2, 1], [1, 1, 1], [1, 1, 1]], (3, 3)).astype("float32")

    def found(rank: int) -> str:
        shape = (1, *[1] * (rank - 2), 3, 3, 1)
        layer = _layer(side, "MaxPool", rank)((*[1] * (rank - 2), 2, 2), 1, "same")
        return difference(_gradient(layer, mode, x.reshape(shape)), first.reshape(shape))

    return _of_ranks(found, (2, 3))


@_fault(
    "second order where the size stays, graph", "returns wrong numbers", "right", on="tensorflow"
)
def second_order_one_shape(side: Side, mode: str = "graph") -> str:
    """In a graph, where output and input have one shape."""
    return _second_order(side, mode, "float32", 1)


@_fault("second order in 16 or 64 bits, XLA", "refuses all but float32", "right", on="tensorflow")
def second_order_xla(side: Side, mode: str = "xla") -> str:
    """Under XLA, in other dtypes than float32."""
    return _first_problem(
        (dtype, _second_order(side, mode, dtype, 2)) for dtype in ("float16", "bfloat16", "float64")
    )


@_fault("masks", "ignores and drops them", "honours them")
def ignored_mask(side: Side) -> str:
    """A visible step of -3, and three masked ones of 0."""
    x = keras.layers.Masking(0.0)(np.array([[[-3], [0], [0], [0]]], "float32"))
    y = keras.ops.convert_to_numpy(side.layers.MaxPool1D(2)(x))
    return difference(y, np.array([[[-3], [0]]], "float32"))


@_fault("3D in float64", "refuses it", "takes it", on="tensorflow")
def float64_3d(side: Side, mode: str = "eager") -> str:
    """3D in float64."""
    return _ramp_3d(side, mode, "float64")


@_fault("3D in float16", "refuses it on a CPU", "takes it", on="tensorflow")
def float16_3d(side: Side, mode: str = "eager") -> str:
    """3D in float16, without XLA."""
    return _ramp_3d(side, mode, "float16")


@_fault("3D in integers", "refuses them", "takes them", on="tensorflow")
def integers_3d(side: Side, mode: str = "eager") -> str:
    """3D in each dtype of 8 to 64 bits."""
    dtypes = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
    return _first_problem((dtype, _ramp_3d(side, mode, dtype)) for dtype in dtypes)


@_fault("uint32 and uint64", "refuses them", "takes them", on="tensorflow")
def large_unsigned(side: Side, mode: str = "eager") -> str:
    """Across the sign bit of a signed integer."""

    def found(dtype: str, rank: int) -> str:
        largest = np.iinfo(dtype).max
        x = np.array([1, largest, largest // 2 + 1, 5], dtype)
        layer = _layer(side, "MaxPool", rank)((4, 1)[:rank])
        return difference(outputs(layer, mode, _line(x, rank)), _line([x[1]], rank))

    return _first_problem(
        (f"{rank}D {dtype}", found(dtype, rank))
        for dtype in ("uint32", "uint64")
        for rank in (1, 2)
    )


@_fault("1D in integers", "refuses them", "takes them", on="torch")
def integers_1d(side: Side) -> str:  # pragma: no cover - run by the tests on PyTorch
    """1D in each dtype of integers that Keras's tensors have on PyTorch."""

    def found(dtype: str) -> str:
        x = np.arange(4).astype(dtype)
        return difference(outputs(side.layers.MaxPool1D(4), "eager", _line(x, 1)), _line(x[3:], 1))

    return _first_problem(
        (dtype, found(dtype)) for dtype in ("int8", "uint8", "int16", "int32", "int64")
    )


@_fault("integers in a model", "says float32 of its output", "says the dtype")
def symbolic_integers(side: Side) -> str:
    """The dtype that a model's symbolic output says."""

    def found(rank: int) -> str:
        y = _layer(side, "MaxPool", rank)()(keras.Input((*[4] * rank, 1), dtype="uint8"))
        return "" if y.dtype == "uint8" else f"{y.dtype} instead of uint8"

    return _of_ranks(found)


@_fault(
    "a boolean image",
    "casts it, or fails in TensorFlow",
    "a TypeError that lists the dtypes",
    on="tensorflow",
)
@_fault(
    "a boolean image",
    "takes it, or fails in PyTorch",
    "a TypeError that lists the dtypes",
    on="jax torch",
)
def boolean_image(side: Side) -> str:
    """Booleans have no order."""
    x = np.zeros((1, 4, 4, 1), bool)
    return _refused(lambda: side.layers.MaxPool2D()(x), "TypeError", "takes float16, ")


@_fault("NaN", "skips it", 'propagates it with nonfinite="ieee"', on="tensorflow")
def nan(side: Side, mode: str = "eager") -> str:
    """First, last and alone in a window of 3, and among -inf."""
    x = [NAN, 1, 2, 1, 2, NAN, NAN, NAN, NAN, -INF, NAN, -INF]
    return _windows_of_3(side, mode, x, [NAN] * 4)


@_fault(
    "gradient of NaN",
    "gives it to another element, or to none",
    'gives it to the first NaN with nonfinite="ieee"',
)
def gradient_of_nan(side: Side, mode: str = "eager") -> str:
    """First, last, alone and after an infinity in a window of 3."""
    x = [NAN, 1, 2, 1, 2, NAN, NAN, NAN, NAN, INF, NAN, 1]
    return _windows_of_3(side, mode, x, [1, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0], _gradient)


@_fault(
    "-inf", "returns the lowest finite number", 'keeps it with nonfinite="ieee"', on="tensorflow"
)
def infinity(side: Side, mode: str = "eager") -> str:
    """Alone, and beside other numbers."""
    x = [-INF, -INF, -INF, -INF, -5, -INF, INF, 0, 1]
    return _windows_of_3(side, mode, x, [-INF, -5, INF])


@_fault(
    "gradient of -inf, 3D eager",
    "drops it",
    'gives it to the first element with nonfinite="ieee"',
    on="tensorflow",
)
def gradient_of_infinity(side: Side, mode: str = "eager") -> str:
    """A window of -inf."""
    return _windows_of_3(side, mode, [-INF] * 3, [1, 0, 0], _gradient, ranks=(3,))


@_fault(
    "dilation, ceil mode, explicit, lower and causal padding",
    "refuses them",
    "has them",
)
def options(side: Side, mode: str = "eager") -> str:
    """Windows of 2 along the first axis, over numbers that lose against a padding of zeros."""
    x = np.array([-3, -5, -4, -6, -1], "float32")
    table: dict[str, tuple[int, Callable[[int], dict[str, Any]], list[int]]] = {
        "dilation_rate": (3, lambda rank: {"dilation_rate": 2, "strides": 1}, [-3, -5, -1]),
        "ceil_mode": (3, lambda rank: {"ceil_mode": True}, [-3, -4, -1]),
        "one pad per axis": (3, lambda rank: {"padding": (1, 0, 0)[:rank]}, [-3, -4, -1]),
        "one pair per axis": (
            3,
            lambda rank: {
                "padding": ((2, 1), (0, 0), (0, 0))[:rank],
                "pool_size": (3, 1, 1)[:rank],
            },
            [-3, -4],
        ),
        "same_lower": (
            3,
            lambda rank: {"padding": "same_lower", "strides": 1},
            [-3, -3, -4, -4, -1],
        ),
        "causal": (1, lambda rank: {"padding": "causal", "strides": 1}, [-3, -3, -4, -4, -1]),
    }

    def found(rank: int, given: dict[str, Any], expected: list[int]) -> str:
        layer = _layer(side, "MaxPool", rank)(**{"pool_size": (2, 1, 1)[:rank]} | given)
        return difference(
            outputs(layer, mode, _line(x, rank)), _line(np.array(expected, "float32"), rank)
        )

    return _first_problem(
        (f"{rank}D {name}", found(rank, given(rank), expected))
        for name, (most, given, expected) in table.items()
        for rank in RANKS[:most]
    )


@_fault("padding in capitals", "refuses it in models", "takes it")
def capitals(side: Side) -> str:
    """padding="SAME" and "Valid" in a model, and eagerly."""

    def found(padding: str, size: int) -> str:
        layer = side.layers.MaxPool2D(2, padding=padding)
        shapes = layer(keras.Input((5, 5, 1))).shape, layer(keras.ops.zeros((2, 5, 5, 1))).shape
        right = tuple(shapes[0]) == (None, size, size, 1) and tuple(shapes[1]) == (2, size, size, 1)
        return "" if right else f"shapes {shapes}"

    return _first_problem((x, found(x, size)) for x, size in (("SAME", 3), ("Valid", 2)))


@_fault("NumPy integers as arguments", "refuses them", "takes them")
def numpy_integer(side: Side) -> str:
    """A window of np.int64(2), which a config holds as Python's integers."""
    layer = side.layers.MaxPool2D(np.int64(2), strides=np.int32(3))
    sizes = (*layer.get_config()["pool_size"], *layer.get_config()["strides"])
    right = sizes == (2, 2, 3, 3) and {type(n) for n in sizes} == {int}
    return "" if right else f"pool_size and strides {sizes!r}"


@_fault("strides=0", "takes it until it runs", "refuses it at once")
def zero_stride(side: Side) -> str:
    """A stride of 0, refused when the layer is made."""
    return _refused(lambda: side.layers.MaxPool2D(2, strides=0), "ValueError", "strides")


@_fault("True as a size", "takes it for 1", "refuses it")
def boolean_window(side: Side) -> str:
    """A window of True."""
    return _refused(lambda: side.layers.MaxPool2D(True), "TypeError", "not booleans")


@_fault("an unknown padding", "takes it until it runs", "refuses it at once", on="tensorflow jax")
@_fault("an unknown padding", 'pools as with "valid" when eager', "refuses it at once", on="torch")
def unknown_padding(side: Side) -> str:
    """An unknown padding, refused when the layer is made."""
    return _refused(lambda: side.layers.MaxPool2D(2, padding="full"), "ValueError", "'full'")


@_fault(
    "a window larger than its input",
    "another error, or none, by mode",
    "one text in every mode, with the axis and both sizes",
)
def large_window(side: Side) -> str:
    """Eagerly, in a model, in a graph of known and of unknown sizes, and asked for the shape alone."""

    def found(rank: int) -> str:
        layer, shape = _layer(side, "MaxPool", rank)(9, strides=1), (1, *[4] * rank, 1)
        x = np.zeros(shape, "float32")
        calls: list[Callable[[], Any]] = [
            lambda: layer(keras.Input(shape[1:], batch_size=1)),
            lambda: layer.compute_output_shape(shape),
            *(partial(outputs, layer, mode, x) for mode in MODES),
        ]
        text = r"spatial axis 0 has [^,]*, and the window spans 9 \(pool_size=9, "
        found = [_refused(call, "ValueError", text) for call in calls]
        if BACKEND == "tensorflow":
            of_any_size = partial(outputs, layer, "graph", x, unknown=x.ndim)
            found.append(_refused(of_any_size, "InvalidArgumentError", text))
        return next(filter(None, found), "")

    return _of_ranks(found)


@_fault("a missing channel axis", "names the two ranks", "says what to write")
def missing_axis(side: Side) -> str:
    """A batch of grey images."""
    x = keras.ops.zeros((2, 4, 4))
    return _refused(
        lambda: side.layers.MaxPool2D()(x),
        "ValueError",
        r"expand_dims\(inputs, -1\)\. MaxPool1D fits",
    )


@_fault("no channels", "refuses them", "returns empty results", on="torch")
def no_channels(side: Side) -> str:  # pragma: no cover - run by the tests on PyTorch
    """Two samples of 4 elements per axis."""

    def found(rank: int) -> str:
        x = np.zeros((2, *[4] * rank, 0), "float32")
        return difference(
            outputs(_layer(side, "MaxPool", rank)(2), "eager", x), x[:, *[slice(2)] * rank]
        )

    return _of_ranks(found)


# The faults that end the process come last: each costs a new one.


@_fault(
    "no samples or channels: gradient or training in a graph",
    "ends the process",
    "returns empty gradients",
    on="tensorflow",
)
def empty_batch(side: Side, mode: str = "graph") -> str:
    """Max and adaptive pooling, of known and of unknown sizes, and a step of training."""
    pools = side.layers.MaxPool2D(), side.layers.MaxPool3D(), side.layers.AdaptiveMaxPooling2D(2)
    for layer, rank in zip(pools, (2, 3, 2), strict=True):
        for shape in ((0, *[4] * rank, 1), (2, *[4] * rank, 0)):
            x = np.zeros(shape, "float32")
            for unknown in (0, 1, x.ndim) if mode == "graph" else (0,):
                if problem := difference(_gradient(layer, mode, x, unknown), x):
                    return problem
    if mode == "graph":
        parts = keras.Input((4, 4, 1)), keras.layers.Conv2D(1, 1), pools[0], keras.layers.Flatten()
        model = keras.Sequential(parts)
        model.compile("sgd", "mse", jit_compile=False)
        model.train_on_batch(np.zeros((0, 4, 4, 1)), np.zeros((0, 4)))
    return ""


@_fault("a stride of 2**31", "ends the process", "refuses it", on="tensorflow")
def huge_stride(side: Side) -> str:
    """A stride that no kernel holds in 32 bits."""
    x = keras.ops.zeros((1, 4, 4, 1))
    return _refused(lambda: side.layers.MaxPool2D(2, strides=2**31)(x), "ValueError", "strides")


@_fault(
    'a window of 2**31 - 1, "same"',
    "hangs",
    "refuses it",
)
def huge_window(side: Side) -> str:
    """A padding that no axis holds; given up where it takes long."""
    x = keras.ops.zeros((1, 4, 4, 1))
    layer = side.layers.MaxPool2D(2**31 - 1, strides=1, padding="same")
    if hasattr(signal, "alarm"):
        signal.alarm(SECONDS)
    try:
        return _refused(lambda: layer(x), "ValueError", "padding")
    finally:
        if hasattr(signal, "alarm"):
            signal.alarm(0)


@_fault(
    "adaptive pooling to one element, eager",
    "ends the process, or is not there",
    "pools",
    on="tensorflow",
)
def adaptive_to_one(side: Side, mode: str = "eager") -> str:
    """The maximum of each channel."""
    layer, x = side.layers.AdaptiveMaxPooling2D(1), np.arange(16, dtype="float32")
    return difference(outputs(layer, mode, x.reshape(1, 4, 4, 1)), _line(x[15], 2))


@_fault(
    "ties, adaptive pooling",
    "gives the gradient to another tied element, or is not there",
    "gives it to the first",
    on="tensorflow jax",
)
def adaptive_ties(side: Side, mode: str = "eager") -> str:
    """Four regions of two ones, of which the first, in row-major order, gets the gradient."""
    x = np.tile(np.array([[0, 1], [1, 0]], "float32"), (2, 2)).reshape(1, 4, 4, 1)
    first = np.tile(np.array([[0, 1], [0, 0]], "float32"), (2, 2)).reshape(1, 4, 4, 1)
    return difference(_gradient(side.layers.AdaptiveMaxPooling2D(2), mode, x), first)


def _layer(side: Side, family: str, rank: int) -> Any:
    return getattr(side.layers, f"{family}{rank}D")


def _first_problem(found: Iterable[tuple[str, str]]) -> str:
    """Returns the first problem, with the name that comes before it; "" if there is none."""
    return next((f"{name}: {problem}" for name, problem in found if problem), "")


def _of_ranks(found: Callable[[int], str], ranks: Sequence[int] = RANKS) -> str:
    return _first_problem((f"{rank}D", found(rank)) for rank in ranks)


def _line(x: Any, rank: int) -> np.ndarray:
    """Returns one sample of one channel, its elements along the first spatial axis."""
    return np.asarray(x).reshape(1, -1, *[1] * rank)


def _windows_of_3(
    side: Side,
    mode: str,
    x: list[float],
    expected: list[float],
    found_by: Callable[..., np.ndarray | None] = outputs,
    ranks: Sequence[int] = RANKS,
) -> str:
    """Compares values or gradients of windows of 3, one after another along the first spatial axis."""

    def found(rank: int) -> str:
        layer = _layer(side, "MaxPool", rank)((3, 1, 1)[:rank], **side.ieee)
        got = found_by(layer, mode, _line(np.array(x, "float32"), rank))
        return difference(got, _line(np.array(expected, "float32"), rank))

    return _of_ranks(found, ranks)


def _ramp_3d(side: Side, mode: str, dtype: str) -> str:
    x = np.arange(8).astype(dtype).reshape(1, 2, 2, 2, 1)
    # Keras casts no integers, and no layer has a dtype of them.
    options = {"dtype": dtype} if dtype.startswith("float") else {}
    y = outputs(side.layers.MaxPool3D(2, **options), mode, x)
    return difference(y, np.full((1, 1, 1, 1, 1), 7, dtype))


def _second_order(side: Side, mode: str, dtype: str, strides: int) -> str:
    """Tests the gradient of the gradient by the upstream gradient: the tangent, at the index of each maximum."""
    import tensorflow as tf

    x = np.random.default_rng(0).permutation(30).reshape(1, 6, 5, 1).astype(dtype)
    layer = side.layers.MaxPool2D(3, strides, "same", dtype=dtype)

    def function(x: tf.Tensor) -> list[tf.Tensor]:
        upstream = tf.ones_like(layer(x))
        with tf.GradientTape() as outer:
            outer.watch(upstream)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = layer(x)
            gradient = inner.gradient(y, x, output_gradients=upstream)
        # A tangent with memory of its own, twice the input: the result is twice the maxima.
        return [outer.gradient(gradient, upstream, output_gradients=x + x)]

    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-1)
    if strides == 2:  # 5 columns need the pad before them, 6 rows do not
        padded = padded[:, 1:]
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
    maxima = windows.max((-2, -1))[:, ::strides, ::strides]
    return difference(run(function, mode, x)[0], 2 * maxima)


def _gradient(layer: keras.Layer, mode: str, x: np.ndarray, unknown: int = 0) -> np.ndarray | None:
    """Returns the gradient of the sum of the outputs, if there is one."""
    upstream = np.ones(layer.compute_output_shape(x.shape), "float32")
    _, *gradient = outputs_and_gradient(layer, mode, x, upstream, unknown)
    return gradient[0] if gradient else None


def _refused(function: Callable[[], Any], error: str, text: str) -> str:
    """Returns "" if the function raises the error that it should, with a text that matches."""
    try:
        function()
    except Exception as raised:
        right = type(raised).__name__ == error and re.search(text, str(raised))
        return "" if right else f"raised {one_line(raised)}"
    return "was taken"
