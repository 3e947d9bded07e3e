"""Output shapes of pooling and unpooling; unknown sizes are None."""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from keras_maxpool.geometry import checks
from keras_maxpool.geometry.layout import spatial_sizes, with_spatial_sizes
from keras_maxpool.geometry.window import Window

MAX_DENOMINATOR = 10**6
"""The largest denominator of a ratio: its product with a size below 2**31 fits in 64 bits."""


def max_pooled(
    shape: Sequence[int | None], window: Window, data_format: str
) -> tuple[int | None, ...]:
    """Returns the output shape of max pooling; raises a ValueError where no window fits."""
    return _max_pooled(tuple(shape), window, data_format)


# Cached, as every eager call asks for it.
@lru_cache(maxsize=1024)
def _max_pooled(
    shape: tuple[int | None, ...], window: Window, data_format: str
) -> tuple[int | None, ...]:
    channels = shape[-1 if data_format == "channels_last" else 1]
    sizes = spatial_sizes(shape, data_format)
    pooled = window.output_sizes(sizes, data_format, channels)
    result = with_spatial_sizes(shape, data_format, pooled)
    checks.size_limits(result, f"`padding` {window.padding!r} makes", "Write less padding.")
    return result


def max_unpooled(
    shape: Sequence[int | None],
    window: Window,
    data_format: str,
    output_size: Sequence[int] | None = None,
    like: Sequence[int | None] | None = None,
) -> tuple[int | None, ...]:
    """Returns the output shape of unpooling values of `shape`; raises a ValueError where it is too large."""
    sizes: Sequence[Any]
    if like is not None:
        sizes, subject = spatial_sizes(like, data_format), "`like` makes"
        fix = "Pass a smaller one."
    elif output_size is not None:
        sizes, subject = output_size, f"`output_size` {tuple(output_size)} makes"
        fix = "Write smaller sizes."
    else:
        sizes = window.unpooled_sizes(spatial_sizes(shape, data_format))
        subject = f"`pool_size` {window.pool}, `strides` {window.strides} and `padding` {window.padding!r} make"
        fix = "Pass the pooling's input as like=, or its spatial sizes as output_size=."
    result = with_spatial_sizes(shape, data_format, sizes)
    checks.size_limits(result, subject, fix)
    return result


def global_max_pooled(
    shape: Sequence[int | None], data_format: str, keepdims: bool
) -> tuple[int | None, ...]:
    """Returns the output shape of global max pooling; raises a ValueError for empty volumes."""
    shape = tuple(shape)  # a TensorShape takes long to slice
    sizes = spatial_sizes(shape, data_format)
    if 0 in sizes:
        raise ValueError(
            "`inputs` must have an element on every spatial axis, as an empty axis has no maximum; "
            f'received shape {tuple(shape)} with data_format="{data_format}". Leave such inputs out, or pad them '
            "and mask the padding."
        )
    if keepdims:
        return with_spatial_sizes(shape, data_format, (1,) * len(sizes))
    return with_spatial_sizes(shape, data_format, ())


def adaptive_max_pooled(
    shape: Sequence[int | None], outputs: Sequence[int | None], data_format: str
) -> tuple[int | None, ...]:
    """Returns the output shape of adaptive max pooling; raises a ValueError for an axis without elements."""
    shape = tuple(shape)
    sizes = spatial_sizes(shape, data_format)
    for axis, (size, output) in enumerate(zip(sizes, outputs, strict=True)):
        if size == 0 and output is not None:
            raise ValueError(f"{no_elements(axis)} Received spatial sizes {tuple(sizes)}.")
    pooled = [s if o is None else o for s, o in zip(sizes, outputs, strict=True)]
    result = with_spatial_sizes(shape, data_format, pooled)
    checks.size_limits(result, f"`output_size` {tuple(outputs)} makes", "Write smaller sizes.")
    return result


def no_elements(axis: int) -> str:
    """Returns the error message for a spatial axis without elements to pool."""
    return (
        f"Spatial axis {axis} has no elements, and so no maximum. "
        "Give it at least one, or keep its size with None in `output_size`."
    )


def fractional_max_pooled(
    shape: Sequence[int | None], ratios: Sequence[float], data_format: str
) -> tuple[int | None, ...]:
    """Returns the output shape of fractional max pooling; raises a ValueError for an axis without outputs."""
    sizes = spatial_sizes(shape, data_format)
    pooled = [
        None if size is None else fractional_size(size, ratio)
        for size, ratio in zip(sizes, ratios, strict=True)
    ]
    if 0 in pooled:
        axis = pooled.index(0)
        message = nothing_left(axis, f"{sizes[axis]} elements", ratios[axis])
        raise ValueError(f"{message} Received spatial sizes {tuple(sizes)}.")
    return with_spatial_sizes(shape, data_format, pooled)


def exact_ratio(ratio: float) -> Fraction:
    """Returns the fraction nearest to a ratio, so that 10 / (10 / 7) is exactly 7, without rounding of floats."""
    return Fraction(ratio).limit_denominator(MAX_DENOMINATOR)


def fractional_size(size: int, ratio: float) -> int:
    """Returns floor(size / ratio), computed in integers."""
    exact = exact_ratio(ratio)
    return size * exact.denominator // exact.numerator


def nothing_left(axis: int, elements: str, ratio: float) -> str:
    """Returns the error message for a `ratio` that leaves a spatial axis without outputs."""
    return (
        f"`pooling_ratio` leaves nothing of spatial axis {axis}, which has {elements}; received "
        f"pooling_ratio={ratio} there. Use a smaller ratio, or a larger input."
    )
