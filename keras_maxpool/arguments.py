"""Checks the options that a user passes: each function returns the option's internal form, or raises an error.

Every message names the argument, shows the value, and says what to write instead.
"""

import operator
import warnings
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Literal, TypeAlias, get_args

INT_LIMIT = 2**31
"""Sizes, windows and strides stay below this: TensorFlow's kernels hold them in 32 bits."""

AXIS_LIMIT = 2**31 - 1
"""The sizes of a tensor's axes stay below this, the limit of `tf.shape`."""

Ints: TypeAlias = int | Sequence[int]
"""One integer, or one per spatial axis."""

NamedPadding = Literal["valid", "same", "same_lower", "causal"]
Padding: TypeAlias = NamedPadding | int | Sequence[int] | Sequence[tuple[int, int]]
DataFormat = Literal["channels_last", "channels_first"]
Implementation = Literal["auto", "direct", "separable", "shifted"]
IndicesConvention = Literal["torch", "tensorflow", "tensorflow_batch", "onnx", "onnx_column_major"]
IndicesDtype = Literal["int64", "int32"]
Nonfinite = Literal["backend", "ieee"]
OutputSize: TypeAlias = int | Sequence[int | None]
"""One integer, or one per spatial axis, where None keeps the axis's size."""
Ratios: TypeAlias = float | Sequence[float]
"""One number, or one per spatial axis."""

NAMED_PADDINGS = get_args(NamedPadding)
DATA_FORMATS = get_args(DataFormat)
IMPLEMENTATIONS = get_args(Implementation)
INDICES_CONVENTIONS = get_args(IndicesConvention)
INDICES_DTYPES = get_args(IndicesDtype)
NONFINITE = get_args(Nonfinite)
DTYPES = (
    *("float16", "bfloat16", "float32", "float64"),
    *("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
)

Pads = tuple[tuple[int, int], ...]

BOOLEANS = ("bool", "bool_")
"""Names of the types of booleans, in Python and in NumPy."""


def one_int(value: Any, name: str, received: Any, fix: str) -> int:
    """Returns `value`, a Python or NumPy integer, as a Python int; refuses everything else, booleans too."""
    kind = type(value).__name__
    try:
        # `operator.index` takes booleans too, and NumPy's are no subclass of Python's.
        if kind not in BOOLEANS:
            return operator.index(value)
        kind = "booleans"
    except (TypeError, AttributeError):  # a float tensor raises the latter
        pass
    raise TypeError(f"`{name}` takes integers, not {kind}; received {name}={received!r}. {fix}")


def sequence(value: Any) -> Sequence[Any] | None:
    """Returns the items of a list, tuple or one-dimensional array; None for anything else."""
    if isinstance(value, (list, tuple)):
        return value
    return list(value) if getattr(value, "ndim", 0) == 1 else None


def one_per_axis(
    value: Any, rank: int, name: str, fix: str, noun: str = "integer"
) -> Sequence[Any]:
    """Returns one item per axis: those of a sequence of `rank` items, or any other value repeated."""
    items = sequence(value)
    if items is None:
        return [value] * rank
    if len(items) != rank:
        counts = f"1 {noun}" if rank == 1 else f"1 or {rank} {noun}s"
        raise ValueError(
            f"`{name}` takes {counts}; received {name}={value!r}, which has {len(items)}. {fix}"
        )
    return items


def positive_int(item: Any, name: str, value: Any, fix: str) -> int:
    """Returns `item`, one of the integers in `value`, if it is from 1 to 2**31 - 1."""
    number = one_int(item, name, value, fix)
    if number < 1:
        raise ValueError(f"`{name}` must be positive; received {name}={value!r}. {fix}")
    if number >= INT_LIMIT:
        raise ValueError(f"`{name}` must be below 2**31; received {name}={value!r}. {fix}")
    return number


def positive_ints(value: Any, rank: int, name: str) -> tuple[int, ...]:
    """Returns one positive integer per axis."""
    fix = f"Write one positive integer, {name}=2, or one per axis, {name}={(2,) * rank}."
    items = one_per_axis(value, rank, name, fix)
    return tuple(positive_int(item, name, value, fix) for item in items)


def optional_sizes(value: Any, rank: int, name: str) -> tuple[int, ...] | None:
    """Returns one positive integer per axis, or None."""
    return None if value is None else positive_ints(value, rank, name)


def output_sizes(value: Any, rank: int) -> tuple[int | None, ...]:
    """Returns one positive integer per axis, or None for an axis that keeps its size."""
    name = "output_size"
    example = (*(7,) * (rank - 1), None)
    fix = (
        f"Write one positive integer, {name}=7, or one per axis, with None to keep an axis's size: "
        f"{name}={example}."
    )
    items = one_per_axis(value, rank, name, fix)
    return tuple(
        None if item is None and value is not None else positive_int(item, name, value, fix)
        for item in items
    )


def ratios(value: Any, rank: int) -> tuple[float, ...]:
    """Returns one ratio per axis, each at least 1."""
    name = "pooling_ratio"
    example = (1.44, 1.73, 1.2)[:rank]
    fix = f"Write one number of at least 1, {name}=1.44, or one per spatial axis, {name}={example}."
    items = one_per_axis(value, rank, name, fix, "number")
    return tuple(_ratio(item, name, value, fix) for item in items)


def _ratio(item: Any, name: str, value: Any, fix: str) -> float:
    kind = type(item).__name__
    try:
        if isinstance(item, (str, bytes)) or kind in BOOLEANS:  # `float` would convert these too
            raise TypeError
        number = float(item)
    except OverflowError:
        number = float("inf")
    except (TypeError, ValueError):
        raise TypeError(
            f"`{name}` takes numbers, not {kind}; received {name}={value!r}. {fix}"
        ) from None
    if not number >= 1:  # true for NaN, too
        raise ValueError(f"`{name}` must be at least 1; received {name}={value!r}. {fix}")
    if number >= INT_LIMIT:
        raise ValueError(f"`{name}` must be below 2**31; received {name}={value!r}. {fix}")
    return number


def seed(value: Any) -> int | None:
    """Returns a seed as a Python int that all supported versions accept, or None."""
    fix = "Write an integer from 0 to 2**31 - 1, seed=7, or None."
    if value is None:
        return None
    number = one_int(value, "seed", value, fix)
    if not 0 <= number < INT_LIMIT:
        raise ValueError(f"`seed` is out of range; received seed={value!r}. {fix}")
    return number


def paddings(value: Any, rank: int) -> str | Pads:
    """Returns a named padding in lower case, or one (before, after) pair per axis, (0, 0) for "valid"."""
    if isinstance(value, str):
        name = named_padding(value, rank)
        return ((0, 0),) * rank if name == "valid" else name
    fix = (
        f'Write "valid", "same", an integer, one integer per axis as {(1,) * rank}, '
        f"or one (before, after) pair per axis as {((0, 1),) * rank}."
    )
    pads = []
    for item in one_per_axis(value, rank, "padding", fix, "item"):
        pair = sequence(item)
        if pair is None:
            pair = (item, item)
        elif len(pair) != 2:
            raise ValueError(
                f"`padding` takes (before, after) pairs; received padding={value!r}. {fix}"
            )
        before, after = (one_int(pad, "padding", value, fix) for pad in pair)
        if min(before, after) < 0:
            raise ValueError(
                f"`padding` must not be negative; received padding={value!r}. {fix} "
                "To crop, use a Cropping layer."
            )
        pads.append((before, after))
    return tuple(pads)


def named_padding(value: str, rank: int) -> str:
    """Returns one of the named paddings, in lower case."""
    name = value.lower()
    allowed = NAMED_PADDINGS if rank == 1 else NAMED_PADDINGS[:-1]
    if name == "causal" and rank > 1:
        raise ValueError(
            f'`padding` "causal" exists in 1D only; received padding={value!r} in {rank}D. '
            "Write one (before, after) pair per axis."
        )
    if name not in allowed:
        choices = ", ".join(f'"{choice}"' for choice in allowed)
        raise ValueError(
            f"`padding` is unknown; received padding={value!r}. {_guess(name, allowed)}"
            f"Write one of {choices}, integers, or pairs."
        )
    return name


def flag(value: Any, name: str) -> bool:
    """Returns `value` if it is a Python bool, and refuses everything else."""
    if not isinstance(value, bool):
        kind = type(value).__name__  # NumPy 1 prints its booleans as Python does
        raise TypeError(
            f"`{name}` takes True or False; received {name}={value!r}, which is of type {kind}."
        )
    return value


def choice(value: Any, name: str, allowed: Sequence[str]) -> Any:
    """Returns one of the `allowed` strings."""
    if not isinstance(value, str) or value not in allowed:
        choices = " or ".join(f'"{item}"' for item in allowed)
        guess = _guess(value, allowed) if isinstance(value, str) else ""
        raise ValueError(f"`{name}` is unknown; received {name}={value!r}. {guess}Write {choices}.")
    return value


def _guess(value: str, allowed: Sequence[str]) -> str:
    """Returns a question about the allowed string that a misspelt one is close to, if there is one."""
    close = get_close_matches(value.lower(), allowed, n=1, cutoff=0.7)
    return f'Did you mean "{close[0]}"? ' if close else ""


def implementation(value: Any) -> Implementation:
    """Returns "auto" or the name of a kernel; 0.1.0's "folded" is now "separable"."""
    if isinstance(value, str) and value == "folded":
        warnings.warn(
            'implementation="folded" is called "separable" since keras_maxpool 0.2.0. Write "separable", or save the '
            "model again.",
            FutureWarning,
            stacklevel=2,
        )
        return "separable"
    return choice(value, "implementation", IMPLEMENTATIONS)


def data_format(value: Any, default: str | None = None) -> DataFormat:
    """Returns a data format in lower case; `default` for None."""
    value = default if value is None else value
    # The error shows the value as the user wrote it.
    known = isinstance(value, str) and value.lower() in DATA_FORMATS
    return choice(value.lower() if known else value, "data_format", DATA_FORMATS)
