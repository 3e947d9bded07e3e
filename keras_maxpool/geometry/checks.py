"""Checks tensors by their shapes and dtypes: a function raises an error where no operation could take them.

A tensor is any object with `shape` and `dtype`, symbolic ones included.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import prod
from typing import Any

from keras_maxpool import arguments
from keras_maxpool.geometry.layout import spatial_sizes

INDICES_RULE = "the elements of an output's channel, and at least -1, which means none;"
INDICES_FIX = (
    "Pass the pooling's input as like=, or its spatial sizes as output_size=. Indices of another library need its "
    'convention: indices_convention="tensorflow" for those of tf.nn.max_pool_with_argmax, "tensorflow_batch" if these '
    "include the batch."
)

Shape = Sequence[int | None]
"""Sizes of the axes, None where unknown."""


def known_shape(shape: Any) -> tuple[int | None, ...] | None:
    """Returns a tensor's shape as a tuple, or None where TensorFlow does not know the rank."""
    return None if getattr(shape, "rank", 0) is None else known_sizes(shape)


def known_sizes(shape: Iterable[Any]) -> tuple[int | None, ...]:
    """Returns the sizes, with None for the symbolic ones of PyTorch's and JAX's exports."""
    return tuple([size if isinstance(size, int) else None for size in shape])


def same_sizes(a: Shape, b: Shape) -> bool:
    """Returns whether the sizes of two shapes are equal, where both have the axis and its size is known."""
    return all(None in pair or pair[0] == pair[1] for pair in zip(a, b, strict=False))


def dtype_name(x: Any) -> str:
    """Returns the name of a tensor's dtype, which is a string in Keras's own tensors, and has no name in PyTorch's."""
    name = getattr(x.dtype, "name", None)
    return str(x.dtype).removeprefix("torch.") if name is None else name


def dtype(name: str) -> None:
    """Refuses a dtype that has no order or no kernel."""
    if name not in arguments.DTYPES:
        raise TypeError(
            f"max pooling takes {', '.join(arguments.DTYPES)}; received inputs of dtype {name}. "
            'Cast them first, for example with keras.ops.cast(inputs, "float32").'
        )


def dtype_or_castable(name: str) -> None:
    """Refuses a dtype that can neither be pooled nor be cast by Keras, which casts only floats."""
    if not name.startswith(("float", "bfloat")):
        dtype(name)


def kind_of_tensor(value: Any) -> str | None:
    """Returns "ragged" or "sparse" for a symbolic tensor of that kind, or one of TensorFlow's; and else None."""
    # TensorFlow's own types are told by their names, as nothing here imports it.
    name = type(value).__name__ if type(value).__module__.startswith("tensorflow.") else ""
    for kind in ("ragged", "sparse"):
        if getattr(value, kind, False) is True or name == f"{kind.capitalize()}Tensor":
            return kind
    return None


def has_shape(value: Any, name: str) -> None:
    """Refuses what is not a tensor."""
    if not hasattr(value, "shape"):
        raise TypeError(
            f"`{name}` takes a tensor; received {name}={value!r}, which is of type {type(value).__name__}. "
            "Pass a tensor of the same pooling; to set a size, make the layer with output_size=."
        )


def size_limits(shape: Shape, subject: str, fix: str = "Use smaller tensors.") -> None:
    """Refuses a shape that is too large for TensorFlow's operations; entries may be scalar tensors."""
    known = [size for size in shape if isinstance(size, int)]
    if (
        all(0 <= size < arguments.AXIS_LIMIT for size in known)
        and prod([size for size in known if size]) < 2**63
    ):
        return
    shown = tuple(size if isinstance(size, int) else None for size in shape)
    raise ValueError(
        f"{subject} the shape {shown}, and TensorFlow takes 0 to 2**31 - 2 elements per axis, and fewer than 2**63 in "
        f"all, not counting empty axes. {fix}"
    )


def int32_limit(sizes: Shape, fix: str) -> None:
    """Refuses int32 indices for sizes of 2**31 elements or more."""
    # A list: PyTorch's compiler cannot trace `prod` of a generator.
    elements = prod([size for size in sizes if size is not None])
    if elements >= arguments.INT_LIMIT:
        raise ValueError(
            "`indices` of int32 count fewer than 2**31 elements; "
            f"received {elements}, in sizes of {tuple(sizes)}. {fix}"
        )


# Cached, as every eager call asks for it.
@lru_cache(maxsize=1024)
def _op_shape(shape: tuple[int | None, ...] | None, name: str) -> tuple[int | None, ...]:
    if shape is None or len(shape) not in (3, 4, 5):
        raise ValueError(
            f"`{name}` must have 1, 2 or 3 spatial axes, so a known rank of 3 to 5 with batch and channels; "
            f"received shape {shape}. Add the missing axes, or set the shape."
        )
    size_limits(shape, f"`{name}` have")
    return shape


def op_inputs(
    x: Any, name: str = "inputs", pool_size: Any = None
) -> tuple[tuple[int | None, ...], str]:
    """Returns the shape and the dtype of an op's inputs; a `pool_size` too long hints at a missing batch axis."""
    name_of_dtype = dtype_name(x)
    return op_shape(known_shape(x.shape), name_of_dtype, name, pool_size), name_of_dtype


def op_shape(
    shape: tuple[int | None, ...] | None, dtype_of: str, name: str, pool_size: Any
) -> tuple[int | None, ...]:
    """Returns the shape of an op's inputs, of which the rank is known; raises as `op_inputs` does."""
    shape = _op_shape(shape, name)
    rank = len(shape) - 2
    if rank < 3 and len(arguments.sequence(pool_size) or ()) == rank + 1:
        fix = (
            f"If the batch axis of `{name}`, which have the shape {shape}, is missing, add it: "
            f"keras.ops.expand_dims({name}, 0)."
        )
        arguments.one_per_axis(pool_size, rank, "pool_size", fix)
    dtype(dtype_of)
    return shape


def layer_inputs(shape: Shape, rank: int, name: str, family: str = "MaxPool") -> None:
    """Refuses inputs whose rank is not that of the layer `name`, and says what would fit."""
    if known_shape(shape) is None:
        raise ValueError(
            f"{name} takes inputs of rank {rank + 2}; received a tensor of unknown rank. "
            "Set its rank with inputs.set_shape or keras.ops.reshape."
        )
    given = len(shape) - 2
    if given == rank:
        return size_limits(shape, "`inputs` have")
    has_batch = tuple(shape)[:1] == (None,)  # as a symbolic tensor's mostly is
    hint = ""
    if given == rank - 1:
        if not has_batch:
            hint = "If this is one sample, add its batch axis: keras.ops.expand_dims(inputs, 0). "
        hint += "If the channel axis is missing, add it: keras.ops.expand_dims(inputs, -1). "
    elif given == rank - 2 and not has_batch:
        hint = (
            "If these are spatial axes alone, add the batch axis and the channel axis: "
            "keras.ops.expand_dims(keras.ops.expand_dims(inputs, 0), -1). "
        )
    if given == 0:
        hint += "If they are flattened, pool before keras.layers.Flatten. "
    if given in (1, 2, 3):
        hint += f"{family}{given}D fits inputs of that rank."
    else:
        hint += "Max pooling exists for 1, 2 and 3 spatial axes."
    raise ValueError(
        f"{name} takes inputs of rank {rank + 2}, (batch, {rank} spatial, channels in either data format); "
        f"received inputs of rank {given + 2}, shape {tuple(shape)}. {hint}"
    )


def mask_shape(inputs: Shape, data_format: str) -> tuple[int | None, ...]:
    """Returns the shape (batch, *spatial) of a mask for inputs of a shape."""
    shape = tuple(inputs)
    return (shape[0], *spatial_sizes(shape, data_format))


def mask_fits(mask: Any, inputs: Shape, data_format: str) -> bool:
    """Returns whether a mask is boolean and of shape (batch, *spatial) or (batch,), as far as sizes are known."""
    wanted, given = mask_shape(inputs, data_format), known_shape(mask.shape)
    if given is None or len(given) not in (1, len(wanted)) or dtype_name(mask) != "bool":
        return False
    return same_sizes(given, wanted)


def no_mask(given: Any) -> TypeError:
    """Returns the error for a mask that does not convert to a tensor."""
    return TypeError(
        f"`mask` takes a tensor of booleans, or what converts to one; received mask={given!r}. "
        "Write one boolean for each spatial element of a sample."
    )


def not_dense(value: Any, name: str, kind: str, fix: str) -> TypeError:
    """Returns the error for the argument `name`, a tensor that is "ragged" or "sparse"."""
    return TypeError(
        f"`{name}` takes dense tensors; received a {kind} one of shape {value.shape}. Write {fix}."
    )


def mask(given: Any, inputs: Shape, data_format: str) -> None:
    """Refuses a mask tensor that does not fit the inputs."""
    if dtype_name(given) != "bool":
        raise TypeError(
            f"`mask` takes booleans; received a mask of dtype {dtype_name(given)}. "
            'Cast it first: keras.ops.cast(mask, "bool").'
        )
    if not mask_fits(given, inputs, data_format):
        shape = known_shape(given.shape)
        raise ValueError(
            f"`mask` must have the shape (batch, *spatial), which is {mask_shape(inputs, data_format)} for inputs of "
            f'shape {tuple(inputs)} with data_format="{data_format}"; received a mask of shape '
            f"{'unknown' if shape is None else shape}. "
            "Write one boolean for each spatial position of a sample, whatever the data_format, or one for each sample."
        )


def unpooling(
    values: Any, indices: Any, like: Any, output_size: Sequence[int] | None, convention: str
) -> None:
    """Refuses indices that do not belong to the values, and a `like` that does not fit them."""
    # Much TensorFlow code casts its argmax to floats. Floats of 16 bits cannot hold it.
    floats = () if convention == "torch" else ("float32", "float64")
    allowed = (*arguments.INDICES_DTYPES, *floats)
    if dtype_name(indices) not in allowed:
        raise TypeError(
            f"`indices` takes {' or '.join(allowed)}; received {dtype_name(indices)}. Take them from a max pooling "
            "with return_indices=True, and do not cast them to floats."
        )
    for tensor, name, of in ((indices, "indices", "shape"), (like, "like", "rank")):
        if tensor is None:
            continue
        given, wanted = known_shape(tensor.shape), tuple(values.shape)
        # Of `like` only the rank is compared: its spatial sizes are those of the output.
        if (
            given is None
            or len(given) != len(wanted)
            or (name == "indices" and not same_sizes(given, wanted))
        ):
            raise ValueError(
                f"`{name}` must have the {of} of the values, {wanted}; received shape {given}. "
                "Pass tensors of the same pooling."
            )
    if like is not None and output_size is not None:
        raise ValueError(
            f"`output_size` and `like` both set the output's size; received output_size={tuple(output_size)} and "
            f"like of shape {tuple(like.shape)}. Leave one of them out."
        )


def index_outside(index: int, at: tuple[int, ...], spatial: Sequence[int]) -> ValueError:
    """Returns the error for an index, found at (batch, *any, channels), that is not in a volume."""
    return ValueError(
        f"`indices`, in PyTorch's convention, must be below {prod(spatial)}, {INDICES_RULE} received "
        f"{index} at {at} (batch, *spatial, channels), for spatial sizes {tuple(spatial)}. {INDICES_FIX}"
    )
