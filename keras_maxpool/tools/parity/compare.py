"""Compares two layers on one input: shapes, outputs and gradients.

An input holds no value twice, so that both sides must agree on every gradient; or, with `ties`, three values only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import keras
import ml_dtypes
import numpy as np

from keras_maxpool.tools.errors import one_line
from keras_maxpool.tools.parity.modes import outputs_and_gradient

BATCH = 2
"""The batch of an input whose shape says None."""

APART = 2.0**-15
"""How far from each other the numbers of an input are at least, in dtypes that hold any closer ones: the built-in's
gradient in eager 3D takes what is within 1e-5 for equal."""

Shape = Sequence[int | None]


class UnableError(Exception):
    """The reference layer cannot do the work, so that there is nothing to compare with."""


@dataclass(frozen=True)
class Verdict:
    """What was compared, and how the layer differs from its reference there: "" where they are equal."""

    what: str
    problem: str


def compare_shapes(
    layer: keras.Layer, reference: keras.Layer, shape: Shape, dtype: str
) -> list[Verdict]:
    """Returns the verdicts on the output shapes and dtypes that the layers report without data."""

    def computed(of: keras.Layer) -> str:
        try:
            return str(tuple(of.compute_output_shape(tuple(shape))))
        except NotImplementedError:  # a layer may leave it to the symbolic call
            return ""

    def symbolic(of: keras.Layer) -> str:
        y = of(keras.Input(batch_shape=tuple(shape), dtype=dtype))
        # For integers, the built-in layers return float32.
        return f"{y.dtype}{y.shape}" if "float" in dtype else str(y.shape)

    verdicts = []
    for what, say in (("compute_output_shape", computed), ("symbolic call", symbolic)):
        expected = _or_unable(say, reference)
        try:
            got = say(layer)
        except Exception as error:  # whatever the layer raises is a difference
            got = f"raised {one_line(error)}"
        if got and expected:
            problem = "" if got == expected else f"{got} instead of {expected}"
            verdicts.append(Verdict(what, problem))
    return verdicts


def compare(
    layer: keras.Layer, reference: keras.Layer, shape: Shape, dtype: str, mode: str, ties: bool
) -> list[Verdict]:
    """Returns the verdicts on outputs and, of floats, gradients in one mode."""
    rng = np.random.default_rng(0)
    sizes = tuple(BATCH if size is None else size for size in shape)
    x = make_input(sizes, dtype, ties, rng)
    output = _or_unable(lambda of: of(keras.Input(batch_shape=sizes, dtype=dtype)), reference)
    # Sums of a few eighths are exact in every dtype and order, so that no two sides may differ by rounding.
    upstream = rng.choice([-4, -3, -2, -1, 1, 2, 3, 4], output.shape) / 8
    given = mode, x, upstream, int(shape[0] is None)
    expected = _or_unable(lambda of: outputs_and_gradient(of, *given), reference)
    names = ("output", "gradient")[: len(expected)]
    try:
        got = outputs_and_gradient(layer, *given)
    except Exception as error:  # as above
        return [Verdict(name, f"raised {one_line(error)}") for name in names]
    return [
        Verdict(name, difference(ours, theirs))
        for name, ours, theirs in zip_longest(names, got[: len(names)], expected)
    ]


def make_input(
    sizes: Sequence[int], dtype: str, ties: bool, rng: np.random.Generator
) -> np.ndarray:
    """Returns integers of the dtype's full range, or floats from 1 and -1 on, shuffled."""
    # NumPy itself does not know bfloat16.
    numpy_dtype = np.dtype(getattr(ml_dtypes, dtype, dtype))
    if ties:
        return rng.integers(0, 3, sizes).astype(numpy_dtype)
    if "int" in dtype:
        limits = np.iinfo(numpy_dtype)
        return rng.integers(limits.min, limits.max, sizes, numpy_dtype, endpoint=True)
    size = int(np.prod(sizes))
    bits = np.dtype(f"u{numpy_dtype.itemsize}")
    one, apart, infinity = (
        int(np.array(number, numpy_dtype).view(bits)) for number in (1, 1 + APART, np.inf)
    )
    step = apart - one + 1
    half = -(-size // 2)
    room = (infinity - one) // step
    if half > room:
        raise ValueError(
            f"`input_shape` holds {size} elements, more than {dtype} has numbers for; "
            f"received input_shape={tuple(sizes)}. Take at most {2 * room} elements."
        )
    # Numbers whose bits count on from those of 1: all differ, and the last digit counts.
    above = np.arange(one, one + half * step, step, dtype=bits).view(numpy_dtype)
    return rng.permutation(np.concatenate([above, -above])[:size]).reshape(sizes)


def difference(got: np.ndarray | None, expected: np.ndarray) -> str:
    """Returns how two arrays differ, with the first index where they do; "" where they are equal. NaN equals NaN."""
    if got is None:
        return "there is none"
    if got.dtype != expected.dtype or got.shape != expected.shape:
        return f"{got.dtype}{got.shape} instead of {expected.dtype}{expected.shape}"
    different = (got != expected) & ~((got != got) & (expected != expected))
    if not different.any():
        return ""
    indices = np.argwhere(different)
    first = tuple(indices[0].tolist())
    return (
        f"{len(indices)} of {got.size} elements differ, first at {list(first)}: "
        f"{got[first].item()!r} instead of {expected[first].item()!r}"
    )


def _or_unable(function: Callable[[keras.Layer], Any], reference: keras.Layer) -> Any:
    try:
        return function(reference)
    except Exception as error:  # the reasons for which a layer cannot run have no common class
        raise UnableError(one_line(error)) from error
