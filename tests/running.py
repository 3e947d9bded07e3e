"""How the layer and op tests run a pooling: on seeded inputs, in three modes, compared exactly."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import oracle
import tensorflow as tf

MODES = ("eager", "graph", "xla")
FORMATS = ("channels_last", "channels_first")
FLOATS = ("float16", "bfloat16", "float32", "float64")
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")

Function = Callable[..., Any]


@dataclass(frozen=True)
class Config:
    """One pooling: the spatial sizes and the arguments, which the oracle and the package share."""

    spatial: tuple[int, ...]
    pool_size: int | tuple[int, ...] = 2
    strides: int | tuple[int, ...] | None = None
    padding: Any = "valid"
    dilation_rate: int | tuple[int, ...] = 1
    ceil_mode: bool = False

    @property
    def rank(self) -> int:
        return len(self.spatial)

    @property
    def arguments(self) -> dict[str, Any]:
        """All of them, by name."""
        return {name: value for name, value in asdict(self).items() if name != "spatial"}

    @property
    def dilated(self) -> bool:
        return np.max(self.dilation_rate) > 1

    @property
    def axes(self) -> list[tuple]:
        """(size, pool, stride, padding, dilation, ceil_mode) of every axis, as the oracle has them."""

        def per_axis(value: Any) -> tuple:
            return value if isinstance(value, tuple) else (value,) * self.rank

        pool = per_axis(self.pool_size)
        stride = pool if self.strides is None else per_axis(self.strides)
        padding = [(p, p) if isinstance(p, int) else p for p in per_axis(self.padding)]
        rates = per_axis(self.dilation_rate)
        return [
            (*axis, self.ceil_mode)
            for axis in zip(self.spatial, pool, stride, padding, rates, strict=True)
        ]

    @property
    def sees_only_padding(self) -> bool:
        """Whether some window has no real element."""
        return any(oracle.sees_only_padding(*axis) for axis in self.axes)

    def __str__(self) -> str:
        """The id in a test's name."""

        def short(value: Any) -> str:
            return "x".join(map(short, value)) if isinstance(value, tuple) else str(value)

        parts = [f"{self.rank}d", short(self.spatial), f"pool{short(self.pool_size)}"]
        if self.strides is not None:
            parts.append(f"stride{short(self.strides)}")
        pads = self.padding
        parts.append(pads if isinstance(pads, str) else f"pad{short(pads)}")
        if self.dilation_rate != 1:
            parts.append(f"gap{short(self.dilation_rate)}")
        return "-".join(parts + ["ceil"] * self.ceil_mode)


class Case(NamedTuple):
    """An input, an upstream gradient, and what must come of them."""

    x: np.ndarray
    upstream: np.ndarray
    places: np.ndarray
    values: np.ndarray
    gradient: np.ndarray


def distinct(shape: tuple[int, ...], dtype: str, rng: np.random.Generator) -> np.ndarray:
    """A permutation in each sample and channel, small enough that even bfloat16 and int8 hold it."""
    batch, *spatial, channels = shape
    size = int(np.prod(spatial))
    assert size <= 256, "bfloat16 has no more integers"
    first = 0 if dtype.startswith("uint") else -(size // 2)
    parts = [rng.permutation(size) + first for _ in range(batch * channels)]
    return np.moveaxis(np.reshape(parts, (batch, channels, *spatial)), 1, -1)


def ties(shape: tuple[int, ...], dtype: str, rng: np.random.Generator) -> np.ndarray:
    """Three values only, so that most windows have several maxima."""
    return rng.integers(0, 3, shape) - (0 if dtype.startswith("uint") else 1)


def wild(shape: tuple[int, ...], dtype: str, rng: np.random.Generator) -> np.ndarray:
    """NaN, infinities, the ends of the dtype's range and both zeros."""
    ends = tf.as_dtype(dtype)
    few = [np.nan, np.inf, -np.inf, -np.inf, float(ends.min), float(ends.max), -0.0, 0.0, -1, 1]
    chosen = rng.choice(few, shape)
    # One channel without NaN and one with nothing but the smallest, or few windows would show them.
    chosen[..., 0] = rng.choice(few[1:], shape[:-1])
    chosen[..., 1] = rng.choice(few[2:5], shape[:-1])
    return chosen


@cache
def case(
    config: Config,
    fill: Callable[..., np.ndarray] = distinct,
    dtype: str = "float32",
    data_format: str = "channels_last",
    batch: int = 2,
) -> Case:
    """The oracle's answer for one configuration.

    The upstream gradients are small integers, so that their sums are exact in every dtype.
    """
    rng = np.random.default_rng(sum(config.spatial))
    to = tf.as_dtype(dtype).as_numpy_dtype
    x = fill((batch, *config.spatial, 3), dtype, rng).astype(to)
    x = oracle.channels_first(x) if data_format == "channels_first" else x
    values, places = oracle.pool(x, **config.arguments, data_format=data_format)
    upstream = rng.integers(1, 4, values.shape).astype(to)
    gradient = oracle.gradient(x.shape, places, upstream, dtype=to, data_format=data_format)
    return Case(x, upstream, places, values, gradient)


def in_mode(function: Function, mode: str) -> Function:
    """The function as one of the three modes runs it."""
    return function if mode == "eager" else tf.function(function, jit_compile=mode == "xla")


def run(function: Function, mode: str, *arrays: np.ndarray) -> Any:
    """Calls the function with tensors in one mode; gives NumPy arrays."""
    results = in_mode(function, mode)(*map(tf.constant, arrays))
    return tf.nest.map_structure(lambda result: result.numpy(), results)


def with_gradient(pool: Function) -> Function:
    """A function of an input and an upstream gradient that gives the values and the gradient."""

    def function(x: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            values = pool(x)
        return values, tape.gradient(values, x, output_gradients=upstream)

    return function


def assert_same(actual: np.ndarray, expected: np.ndarray) -> None:
    """Equal dtypes, shapes and values; NaN is NaN, and zeros have no sign."""
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape  # assert_array_equal would broadcast a scalar
    if actual.dtype == tf.bfloat16.as_numpy_dtype:  # no NumPy type of its own
        actual, expected = actual.astype("float32"), expected.astype("float32")
    np.testing.assert_array_equal(actual, expected)


def nodes(function: Function, *specs: Any) -> list[Any]:
    """All nodes of a traced graph, those of its functions included."""
    definition = tf.function(function).get_concrete_function(*specs).graph.as_graph_def()
    of_functions = definition.library.function
    return [*definition.node, *(node for inner in of_functions for node in inner.node_def)]


def child_path(*folders: str) -> str:
    """A PYTHONPATH on which a child process finds what this one does, the tests' modules included."""
    return os.pathsep.join(filter(None, [*folders, *sys.path]))


def run_code(
    code: str, timeout: float = 300, **environment: str
) -> subprocess.CompletedProcess[str]:
    """A fresh process that has run Python's `code`, and all that it said."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": child_path(), **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def in_child(module: str, function: str, timeout: float = 300, **environment: str) -> str:
    """What a function of a test module prints in a fresh process; shows its errors if it has any."""
    name = os.path.splitext(os.path.basename(module))[0]
    code = f"import {name}; {name}.{function}()"
    path = child_path(os.path.dirname(module))
    child = run_code(code, timeout, **{"PYTHONPATH": path, **environment})
    assert child.returncode == 0, child.stderr[-4000:]
    return child.stdout
