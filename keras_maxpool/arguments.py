"""Checks of what a user passes: each function returns the argument's one internal form, or raises.

Every message names the argument, shows the value, and says what to write instead.
No TensorFlow here: a configuration can be checked without it.
"""

import operator
import warnings
from collections.abc import Sequence
from math import prod
from typing import Any, Literal, TypeAlias, get_args

INT_LIMIT = 2**31
"""Sizes, windows and strides stay below this: TensorFlow's kernels hold them in 32 bits."""

AXIS_LIMIT = 2**31 - 1
"""The sizes of a tensor's axes stay below this: `tf.shape` counts no further."""

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


def one_int(value: Any, name: str, shown: Any, fix: str) -> int:
    """`value` as a Python int; NumPy integers are integers, booleans are not."""
    # NumPy's bool has no common base with Python's, only a telling type name.
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):
        raise TypeError(f"`{name}` takes integers, not booleans; received {name}={shown!r}. {fix}")
    try:
        return operator.index(value)
    except (TypeError, AttributeError):  # a float tensor raises the latter
        kind = type(value).__name__
        raise TypeError(
            f"`{name}` takes integers, not {kind}; received {name}={shown!r}. {fix}"
        ) from None


def sequence(value: Any) -> Sequence[Any] | None:
    """The items of a list, tuple or one-dimensional array; None for anything else."""
    if isinstance(value, (list, tuple)):
        return value
    if getattr(value, "ndim", 0) == 1:
        return list(value)
    return None


def positive_ints(value: Any, rank: int, name: str) -> tuple[int, ...]:
    """One positive int an axis, from an int or from one int an axis."""
    example = ", ".join(["2"] * rank) + ("," if rank == 1 else "")
    fix = f"Write one positive integer, {name}=2, or one an axis, {name}=({example})."
    items = one_an_axis(value, rank, name, fix)
    return tuple(positive_int(item, name, value, fix) for item in items)


def one_an_axis(value: Any, rank: int, name: str, fix: str, noun: str = "integer") -> Sequence[Any]:
    """The items of a sequence of `rank`, or that many times what is no sequence."""
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
    """`item`, one of the integers in `value`, from 1 to 2**31 - 1."""
    number = one_int(item, name, value, fix)
    if number < 1:
        raise ValueError(f"`{name}` must be positive; received {name}={value!r}. {fix}")
    if number >= INT_LIMIT:
        raise ValueError(f"`{name}` must be below 2**31; received {name}={value!r}. {fix}")
    return number


def output_sizes(value: Any, rank: int) -> tuple[int | None, ...]:
    """One positive int an axis, or None for an axis whose size stays, from an int or from one entry an axis."""
    name = "output_size"
    example = ", ".join(["7"] * (rank - 1) + ["None"]) + ("," if rank == 1 else "")
    fix = f"Write one positive integer, {name}=7, or one an axis, with None to keep an axis's size: {name}=({example})."
    if sequence(value) is None:
        return (positive_int(value, name, value, fix),) * rank
    items = one_an_axis(value, rank, name, fix)
    return tuple(None if item is None else positive_int(item, name, value, fix) for item in items)


def ratios(value: Any, rank: int) -> tuple[float, ...]:
    """One ratio an axis, from 1 up, from a number or from one an axis."""
    name = "pooling_ratio"
    example = ", ".join(["1.44", "1.73", "1.2"][:rank]) + ("," if rank == 1 else "")
    fix = f"Write one number from 1 up, {name}=1.44, or one a spatial axis, {name}=({example})."
    items = one_an_axis(value, rank, name, fix, "number")
    return tuple(_ratio(item, name, value, fix) for item in items)


def _ratio(item: Any, name: str, value: Any, fix: str) -> float:
    kind = type(item).__name__
    # Strings convert to floats too.
    if isinstance(item, (str, bytes, bool)) or kind in ("bool", "bool_"):
        raise TypeError(f"`{name}` takes numbers, not {kind}; received {name}={value!r}. {fix}")
    try:
        number = float(item)
    except OverflowError:
        number = float("inf")
    except (TypeError, ValueError):
        raise TypeError(
            f"`{name}` takes numbers, not {kind}; received {name}={value!r}. {fix}"
        ) from None
    if not number >= 1:  # as NaN is not
        raise ValueError(f"`{name}` must be at least 1; received {name}={value!r}. {fix}")
    if number >= INT_LIMIT:
        raise ValueError(f"`{name}` must be below 2**31; received {name}={value!r}. {fix}")
    return number


def seed(value: Any) -> int | None:
    """A Python int that fits every version's seeds, or None."""
    fix = "Write an integer from 0 to 2**31 - 1, seed=7, or None."
    if value is None:
        return None
    number = one_int(value, "seed", value, fix)
    if not 0 <= number < INT_LIMIT:
        raise ValueError(f"`seed` is out of range; received seed={value!r}. {fix}")
    return number


def optional_sizes(value: Any, rank: int, name: str) -> tuple[int, ...] | None:
    """One positive int an axis, or None."""
    return None if value is None else positive_ints(value, rank, name)


def tensor(value: Any, name: str) -> None:
    """Refuses what has no shape."""
    if not hasattr(value, "shape"):
        raise TypeError(
            f"`{name}` takes a tensor; received {name}={value!r}, which is of type {type(value).__name__}. "
            "Pass what belongs to one pooling; a size goes to the layer as output_size=."
        )


def unpooling(
    values: Sequence[int | None],
    indices: Sequence[int | None],
    indices_dtype: str,
    output_size: Sequence[int] | None,
    like: Sequence[int | None] | None,
    convention: str = "torch",
) -> None:
    """Refuses indices that are not the values' own, and a `like` that does not fit, all given as shapes."""
    # Much code for TensorFlow casts its argmax to floats. Those of 16 bits do not hold it.
    allowed = INDICES_DTYPES if convention == "torch" else (*INDICES_DTYPES, "float32", "float64")
    if indices_dtype not in allowed:
        raise TypeError(
            f"`indices` takes {' or '.join(allowed)}; received {indices_dtype}. Take them from a max pooling "
            "with return_indices=True, and keep casts to floats away from them."
        )
    for shape, name in ((indices, "indices"), (like, "like")):
        if shape is None:
            continue
        # Only batch and channels of `like` are the values' own, and which axes those are is told by the data format.
        same = len(shape) == len(values) and (
            name == "like"
            or all(None in pair or pair[0] == pair[1] for pair in zip(shape, values, strict=True))
        )
        if not same:
            raise ValueError(
                f"`{name}` must have the {'shape' if name == 'indices' else 'rank'} of the values, {tuple(values)}; "
                f"received shape {tuple(shape)}. Pass what belongs to one pooling."
            )
    if like is not None and output_size is not None:
        raise ValueError(
            f"`output_size` and `like` both tell the output's size; received output_size={tuple(output_size)} and "
            f"like of shape {tuple(like)}. Leave one of them out."
        )


def paddings(value: Any, rank: int) -> str | Pads:
    """A named padding in lower case, or one (before, after) pair an axis; "valid" is pairs of 0."""
    if isinstance(value, str):
        name = named_padding(value, rank)
        return ((0, 0),) * rank if name == "valid" else name
    ints = ", ".join(["1"] * rank) + ("," if rank == 1 else "")
    pairs = ", ".join(["(0, 1)"] * rank) + ("," if rank == 1 else "")
    fix = (
        f'Write "valid", "same", an integer, one integer an axis as ({ints}), '
        f"or one (before, after) pair an axis as ({pairs})."
    )
    items = sequence(value)
    if items is None:
        items = [value] * rank
    elif len(items) != rank:
        raise ValueError(
            f"`padding` takes one entry an axis, {rank} in all; received padding={value!r}. {fix}"
        )
    pads = []
    for item in items:
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
                f"`padding` must not be negative; received padding={value!r}. {fix} To crop, use a Cropping layer."
            )
        pads.append((before, after))
    return tuple(pads)


def named_padding(value: str, rank: int) -> str:
    """One of the named paddings, in lower case."""
    name = value.lower()
    allowed = NAMED_PADDINGS if rank == 1 else NAMED_PADDINGS[:-1]
    if name == "causal" and rank > 1:
        raise ValueError(
            f'`padding` "causal" exists in 1D only; received padding={value!r} in {rank}D. '
            "Write one (before, after) pair an axis."
        )
    if name not in allowed:
        choices = ", ".join(f'"{choice}"' for choice in allowed)
        raise ValueError(
            f"`padding` is unknown; received padding={value!r}. Write one of {choices}, integers, or pairs."
        )
    return name


def flag(value: Any, name: str) -> bool:
    """A Python bool, and nothing that merely looks true."""
    if not isinstance(value, bool):
        kind = type(value).__name__  # NumPy 1 writes its booleans as Python's
        raise TypeError(
            f"`{name}` takes True or False; received {name}={value!r}, which is of type {kind}."
        )
    return value


def choice(value: Any, name: str, allowed: Sequence[str]) -> str:
    """One of a few strings."""
    if not isinstance(value, str) or value not in allowed:
        choices = " or ".join(f'"{item}"' for item in allowed)
        raise ValueError(f"`{name}` is unknown; received {name}={value!r}. Write {choices}.")
    return value


def implementation(value: Any) -> str:
    """The name of a kernel, or "auto"; 0.1.0's "folded" is today's "separable"."""
    if value == "folded":
        warnings.warn(
            'implementation="folded" is called "separable" since keras_maxpool 0.2.0. Write "separable", or save the '
            "model again.",
            FutureWarning,
            stacklevel=2,
        )
        return "separable"
    return choice(value, "implementation", IMPLEMENTATIONS)


def data_format(value: Any, default: str | None = None) -> str:
    """One of the two data formats, from any case of letters; `default` for None."""
    value = default if value is None else value
    # What is refused is shown as it was written.
    known = isinstance(value, str) and value.lower() in DATA_FORMATS
    return choice(value.lower() if known else value, "data_format", DATA_FORMATS)


def countable(shape: Sequence[Any], subject: str, fix: str = "Use smaller tensors.") -> None:
    """Refuses a shape, with elements or without, that TensorFlow's operations cannot count; sizes may be unknown."""
    known = [size for size in shape if isinstance(size, int)]
    if all(0 <= size < AXIS_LIMIT for size in known) and prod(filter(None, known)) < 2**63:
        return
    shown = tuple(size if isinstance(size, int) else None for size in shape)
    raise ValueError(
        f"{subject} the shape {shown}, and TensorFlow counts from 0 to 2**31 - 2 elements on an axis, and fewer than "
        f"2**63 in all, empty axes left out. {fix}"
    )


def counted_in_32_bits(sizes: Sequence[int | None], name: str, fix: str) -> None:
    """Refuses int32 for places among more elements than it counts; sizes may be unknown."""
    elements = prod(size for size in sizes if size is not None)
    if elements >= INT_LIMIT:
        raise ValueError(
            f"`{name}` of int32 count fewer than 2**31 elements; received {elements}, in sizes of {tuple(sizes)}. {fix}"
        )


def spatial_rank(shape: Any, name: str = "inputs") -> int:
    """The number of spatial axes of a function's argument, 1 to 3; None stands for an unknown rank."""
    if shape is None or len(shape) not in (3, 4, 5):
        raise ValueError(
            f"`{name}` must have 1, 2 or 3 spatial axes, so a known rank of 3 to 5 with batch and channels; "
            f"received shape {shape}. Add the missing axes, or set the shape."
        )
    countable(shape, f"`{name}` have")
    return len(shape) - 2


def dtype(name: str) -> None:
    """Refuses a dtype that has no order or no kernel."""
    if name not in DTYPES:
        raise TypeError(
            f"max pooling takes {', '.join(DTYPES)}; received inputs of dtype {name}. "
            'Cast them first, for example with keras.ops.cast(inputs, "float32").'
        )


def dtype_or_castable(given: Any) -> None:
    """Refuses what Keras cannot cast to a dtype for pooling: it casts floats alone."""
    name = given if isinstance(given, str) else given.name
    if not name.startswith(("float", "bfloat")):
        dtype(name)


def mask(given: Any, inputs: Sequence[int | None], data_format: str) -> None:
    """Refuses a mask, which is a tensor, unless it is of booleans and (batch, *spatial) or (batch,)."""
    kind = getattr(given.dtype, "name", given.dtype)
    if kind != "bool":
        raise TypeError(
            f"`mask` takes booleans; received a mask of dtype {kind}. "
            'Cast it first: keras.ops.cast(mask, "bool").'
        )
    if mask_fits(given, inputs, data_format):
        return
    known = getattr(given.shape, "rank", 0) is not None
    raise ValueError(
        f"`mask` must have the shape (batch, *spatial), which is {mask_shape(inputs, data_format)} for inputs of shape "
        f'{tuple(inputs)} with data_format="{data_format}"; received a mask of shape '
        f"{tuple(given.shape) if known else 'unknown'}. "
        "Write one boolean for each spatial place of a sample, whatever the data_format, or one for each sample."
    )


def mask_shape(inputs: Sequence[int | None], data_format: str) -> tuple[int | None, ...]:
    """The shape (batch, *spatial) of a mask for inputs of a shape."""
    shape = tuple(inputs)
    return (shape[0], *shape[2:]) if data_format == "channels_first" else shape[:-1]


def mask_fits(given: Any, inputs: Sequence[int | None], data_format: str) -> bool:
    """Whether a mask, a tensor, is of booleans and (batch, *spatial) or (batch,), as far as sizes are known."""
    wanted = mask_shape(inputs, data_format)
    # TensorFlow's shapes have no length where the rank is unknown.
    if getattr(given.shape, "rank", 0) is None or len(given.shape) not in (1, len(wanted)):
        return False
    pairs = zip(given.shape, wanted, strict=False)
    is_boolean = getattr(given.dtype, "name", given.dtype) == "bool"
    return is_boolean and all(a is None or b is None or a == b for a, b in pairs)


def input_rank(shape: Sequence[int | None], rank: int, name: str, family: str = "MaxPool") -> None:
    """Refuses an input whose rank is not the layer's, and says what would fit."""
    # TensorFlow's shapes have no length where the rank is unknown.
    known = getattr(shape, "rank", 0) is not None
    if known and len(shape) == rank + 2:
        countable(tuple(shape), "`inputs` have")
        return
    if not known:
        raise ValueError(
            f"{name} takes inputs of rank {rank + 2}; received a tensor of unknown rank. "
            "Give it one with inputs.set_shape or keras.ops.reshape."
        )
    shown = tuple(shape)
    if len(shape) == rank + 1:
        hint = (
            "If this is one sample, add its batch axis: keras.ops.expand_dims(inputs, 0). If the channel axis "
            "is missing, add it: keras.ops.expand_dims(inputs, -1)."
        )
        if rank > 1:
            axes = "1 spatial axis" if rank == 2 else f"{rank - 1} spatial axes"
            hint += f" If it is a batch with {axes}, {family}{rank - 1}D fits."
    elif len(shape) == rank:
        hint = "If these are spatial axes alone, add the batch axis and the channel axis: "
        hint += "keras.ops.expand_dims(keras.ops.expand_dims(inputs, 0), -1)."
        if rank == 3:
            hint += f" If they are batch, steps and channels, {family}1D fits."
    elif 3 <= len(shape) <= 5:
        hint = f"{family}{len(shape) - 2}D fits inputs of that rank."
    else:
        hint = "Max pooling exists for 1, 2 and 3 spatial axes."
    raise ValueError(
        f"{name} takes inputs of rank {rank + 2}, (batch, {rank} spatial, channels in either data format); "
        f"received inputs of rank {len(shape)}, shape {shown}. {hint}"
    )
