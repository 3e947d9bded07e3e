"""Runs functions of tensors on the backend that Keras runs on, which KERAS_BACKEND chooses.

Each backend has a module `harness.runner_<backend>` with these names:

    MODES                   the ways in which a function may run
    UNKNOWN                 one more, which traces for unknown sizes; None if the backend has no such thing
    EVERY_MODE              all of these
    in_mode(f, mode)        f as the mode runs it: a function of tensors that gives tensors
    with_gradient(pool)     a function of (x, upstream): the values, any other results, and the gradient for x
    second_order(pool)      a function of (x, upstream, tangent): the derivatives of that gradient
    forward_mode(pool)      a function of (x, tangent): the values, and their derivative along twice the tangent
    random_bits(seed, n)    the random int32 that fractional pooling draws for an integer as its seed
    as_tensor(array)        an array, or nested lists, as a tensor
    as_array(tensor)        a tensor, a variable or an array as a NumPy array

Built on them are

    on_arrays(f, mode)      f as the mode runs it, of NumPy arrays; gives NumPy arrays in the structure of f's results
    run(f, mode, *arrays)   calls that once
    run_all(mode, *calls)   several functions, each with arrays of its own, run as one
    as_arrays(results)      the tensors of a structure, one after another, as NumPy arrays
"""

import importlib
import importlib.util
from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np

from harness.keras_version import LEGACY, keras, tree

BACKEND = "tensorflow" if LEGACY else keras.config.backend()

if importlib.util.find_spec(f"harness.runner_{BACKEND}") is None:
    raise ImportError(
        f"The tests have no runner for KERAS_BACKEND={BACKEND}: use tensorflow, jax or torch."
    )
_runner = importlib.import_module(f"harness.runner_{BACKEND}")
MODES, UNKNOWN = _runner.MODES, _runner.UNKNOWN
in_mode = _runner.in_mode
with_gradient, second_order = _runner.with_gradient, _runner.second_order
forward_mode, random_bits = _runner.forward_mode, _runner.random_bits
as_tensor, as_array = _runner.as_tensor, _runner.as_array
EVERY_MODE = [*MODES, UNKNOWN] if UNKNOWN else [*MODES]


def on_arrays(function: Callable[..., Any], mode: str) -> Callable[..., Any]:
    function = in_mode(function, mode)

    def convert(result: Any) -> np.ndarray | None:
        return None if result is None else as_array(result)

    return lambda *arrays: tree.map_structure(convert, function(*map(as_tensor, arrays)))


def run(function: Callable[..., Any], mode: str, *arrays: np.ndarray) -> Any:
    return on_arrays(function, mode)(*arrays)


def as_arrays(results: Any) -> list[np.ndarray]:
    return [as_array(tensor) for tensor in tree.flatten(results)]


def run_all(mode: str, *calls: tuple) -> list[Any]:
    """The results of calls, each a function and its arrays."""

    def function(*arrays: Any) -> list[Any]:
        left = iter(arrays)
        return [call(*islice(left, len(own))) for call, *own in calls]

    return run(function, mode, *(array for _, *own in calls for array in own))
