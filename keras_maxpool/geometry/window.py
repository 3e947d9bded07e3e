"""The geometry of a pooling window in plain integers: output sizes and explicit pads.

A `Window` is parsed once from the user's arguments and reused at every call. Sizes may be integers, None, or scalar
tensors, since the formulas need only arithmetic and a maximum that the caller can pass in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from keras_maxpool import arguments


def ceil_divide(number: Any, divisor: Any, maximum: Callable[[Any, Any], Any] = max) -> Any:
    """Returns number / divisor rounded up, for a number above -divisor; either may be a tensor.

    The result is the same whether `//` rounds down or towards zero, as ONNX does, and no intermediate value is larger
    than both arguments.
    """
    quotient = number // divisor
    remainder = maximum(number - quotient * divisor, 0)
    return quotient + 1 - maximum(1 - remainder, 0)


@dataclass(frozen=True, slots=True)
class Axis:
    """A window along one spatial axis: `pool` elements, `dilation` apart, every `stride` steps."""

    pool: int
    stride: int
    padding: str | tuple[int, int]
    dilation: int = 1
    ceil_mode: bool = False

    @property
    def length(self) -> int:
        """Returns the number of elements from the window's first to its last, gaps of the dilation included."""
        return (self.pool - 1) * self.dilation + 1

    @property
    def dilated(self) -> bool:
        """Returns whether the dilation leaves gaps between the elements."""
        return self.length > self.pool

    def may_keep_size(self, size: int | None) -> bool:
        """Returns whether there may be as many windows as elements: with "same" padding, or windows of one element."""
        return (self.padding == "same" or self.pool == 1) and (
            self.stride == 1 or size in (1, None)
        )

    def output_size(self, size: Any, maximum: Callable[[Any, Any], Any] = max) -> Any:
        """Returns how many windows fit on `size` elements; below 1 where none fits.

        With a named padding this is ceil(size / stride), as in TensorFlow and ONNX; explicit pads follow PyTorch.
        """
        if self.explicit_pads is None:
            return ceil_divide(size, self.stride, maximum)
        return (size + sum(self.explicit_pads) - self.length) // self.stride + 1

    @property
    def explicit_pads(self) -> tuple[int, int] | None:
        """Returns explicit padding, with all that a last window may hang over the end; None for a named one."""
        if isinstance(self.padding, str):
            return None
        before, after = self.padding
        if not self.ceil_mode:
            return before, after
        # It hangs over by less than its stride, and starts before the end of the elements.
        return before, min(after + self.stride - 1, self.length - 1)

    def unpooled_size(self, outputs: Any) -> Any:
        """Infers the size of the input from the number of windows, `outputs`, without dilation.

        It is the size that `torch.nn.MaxUnpool2d` infers; for named paddings, the largest one with so many windows.
        """
        if isinstance(self.padding, str):
            return outputs * self.stride
        return (outputs - 1) * self.stride + self.length - sum(self.padding)

    def too_large(self, axis: int, elements: str) -> str:
        """Returns the error message for spatial axis number `axis`, if no window fits on its elements."""
        pads = sum(self.padding) if isinstance(self.padding, tuple) else 0
        return (
            f"The window is larger than its input: spatial axis {axis} has {elements}"
            f"{f' and {pads} of padding' if pads else ''}, and the window spans {self.length} "
            f"(pool_size={self.pool}, dilation_rate={self.dilation}). "
            'Use a smaller pool_size, padding="same", or a larger input.'
        )

    def has_window_of_padding(self, size: int) -> bool:
        """Returns whether some window has none of the `size` elements; windows with gaps can step over them."""
        if size >= self.dilation or (size and not self.dilated):
            return False
        before, _ = self.pads(size)
        starts = (window * self.stride - before for window in range(self.output_size(size)))
        # The first index from 0 on that a window reads is its start modulo the dilation.
        return any(start % self.dilation >= size for start in starts)

    def pads(self, size: Any, maximum: Callable[[Any, Any], Any] = max) -> tuple[Any, Any]:
        """Returns the padding before and after `size` elements with which a "valid" pooling has the same windows."""
        reach = (self.output_size(size, maximum) - 1) * self.stride + self.length
        if isinstance(self.padding, tuple):
            before, after = self.padding
            return before, maximum(reach - size - before, after)
        if self.padding == "causal":
            return self.length - 1, 0
        surplus = maximum(reach - size, 0)
        half = surplus // 2
        return (half, surplus - half) if self.padding == "same" else (surplus - half, half)


@dataclass(frozen=True)
class Window:
    """A pooling window: one `Axis` per spatial axis."""

    axes: tuple[Axis, ...]
    pool: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """The number of elements along each axis."""
    strides: tuple[int, ...] = field(init=False, repr=False, compare=False)
    dilation: tuple[int, ...] = field(init=False, repr=False, compare=False)
    padding: str | arguments.Pads = field(init=False, repr=False, compare=False)
    """The padding as a user writes it: a name, or one (before, after) pair per axis."""
    dilated: bool = field(init=False, repr=False, compare=False)
    """Whether any axis has gaps."""
    needs_pads: bool = field(init=False, repr=False, compare=False)
    """Whether explicit pads are needed, as the padding is neither "valid" nor "same"."""
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Computes the rest. Not by `cached_property`, whose lock in Python 3.11 PyTorch's compiler cannot trace."""
        padding = _shown_padding(self.axes)
        derived = {
            "pool": tuple(axis.pool for axis in self.axes),
            "strides": tuple(axis.stride for axis in self.axes),
            "dilation": tuple(axis.dilation for axis in self.axes),
            "padding": padding,
            "dilated": any(axis.dilated for axis in self.axes),
            "needs_pads": padding not in ("valid", "same") or any(a.ceil_mode for a in self.axes),
            "_hash": hash(self.axes),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def __hash__(self) -> int:
        """Returns the hash, which is computed once: an eager call looks up several tables by it."""
        return self._hash

    def __reduce__(self) -> tuple[type["Window"], tuple[tuple[Axis, ...]]]:
        """Leaves the hash out of copies and pickles: another process hashes strings to other numbers."""
        return Window, (self.axes,)

    @property
    def rank(self) -> int:
        """Returns the number of spatial axes."""
        return len(self.axes)

    def output_sizes(
        self,
        sizes: Sequence[int | None],
        data_format: str = "channels_last",
        channels: int | None = None,
    ) -> list[int | None]:
        """Returns the output's spatial sizes, None where unknown; the other arguments serve the error message."""
        outputs: list[int | None] = []
        for index, (axis, size) in enumerate(zip(self.axes, sizes, strict=True)):
            if size is None:
                outputs.append(None)
                continue
            outputs.append(axis.output_size(size))
            # With named paddings windows fit any size, and an empty axis has no outputs.
            if axis.output_size(size) < 1 and not isinstance(axis.padding, str):
                raise ValueError(self._too_large(index, sizes, data_format, channels))
            padded = size + sum(axis.pads(size))
            if padded >= arguments.AXIS_LIMIT:
                raise ValueError(
                    f"`pool_size`, `dilation_rate` and `padding` stretch the {size} elements of spatial axis {index} "
                    f"to {padded}, and 2**31 - 1 or more is too long; received pool_size={axis.pool}, "
                    f"dilation_rate={axis.dilation}, padding={axis.padding!r}. Make one of them smaller."
                )
        return outputs

    def unpooled_sizes(self, outputs: Sequence[Any]) -> list[Any]:
        """Infers the input's spatial sizes from the numbers of windows, None where unknown."""
        return [
            None if count is None else axis.unpooled_size(count)
            for axis, count in zip(self.axes, outputs, strict=True)
        ]

    def _too_large(
        self, index: int, sizes: Sequence[int | None], data_format: str, channels: int | None
    ) -> str:
        elements = f"{sizes[index]} element{'s' * (sizes[index] != 1)}"
        message = (
            f"{self.axes[index].too_large(index, elements)} Received spatial sizes {tuple(sizes)}."
        )
        # The spatial sizes if the inputs were in the other data format.
        last = data_format == "channels_last"
        moved = [*sizes[1:], channels] if last else [channels, *sizes[:-1]]
        if channels is not None and all(
            size is None or axis.output_size(size) >= 1
            for axis, size in zip(self.axes, moved, strict=True)
        ):
            other = "channels_first" if last else "channels_last"
            message += (
                f' The shape looks like data_format="{other}"; this call uses "{data_format}".'
            )
        return message


def _shown_padding(axes: Sequence[Axis]) -> str | arguments.Pads:
    if isinstance(axes[0].padding, str):
        return axes[0].padding
    pads = tuple(axis.padding for axis in axes if not isinstance(axis.padding, str))
    return "valid" if not any(map(any, pads)) else pads


@lru_cache(maxsize=512)
def _build(
    pool: tuple[int, ...],
    strides: tuple[int, ...],
    padding: str | arguments.Pads,
    dilation: tuple[int, ...],
    ceil_mode: bool,
) -> Window:
    pads: Sequence[Any] = (padding,) * len(pool) if isinstance(padding, str) else padding
    axes = tuple(
        Axis(*options, ceil_mode=ceil_mode)
        for options in zip(pool, strides, pads, dilation, strict=True)
    )
    for axis in axes:
        if axis.length >= arguments.INT_LIMIT:
            raise ValueError(
                f"`dilation_rate` and `pool_size` span {axis.length} elements, and 2**31 or more is too long; "
                f"received pool_size={pool}, dilation_rate={dilation}. Make one of them smaller."
            )
        if isinstance(axis.padding, tuple) and max(axis.padding) >= axis.length:
            raise ValueError(
                "`padding` must be smaller than the window, as a window of padding alone has no maximum; "
                f"received padding={padding} for a window that spans {axis.length}. "
                f"Write at most {axis.length - 1} there, or pad the input first."
            )
    if ceil_mode and isinstance(axes[0].padding, str):
        raise ValueError(
            f'`ceil_mode` needs padding "valid" or explicit pads; received ceil_mode=True with padding="{padding}", '
            "whose output size is fixed already. Drop ceil_mode, or write the pads as integers."
        )
    return Window(axes)


def parse(
    rank: int, pool_size: Any, strides: Any, padding: Any, dilation_rate: Any, ceil_mode: Any
) -> Window:
    """Returns the window that a user's arguments describe.

    Args:
        rank: the number of spatial axes, 1 to 3.
        pool_size, strides, padding, dilation_rate, ceil_mode: as `keras_maxpool.ops.max_pool` takes them.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: an argument out of range, or two that contradict each other.

    >>> window = parse(2, 3, 2, 1, 1, False)
    >>> window.output_sizes([112, 112])
    [56, 56]
    >>> [axis.pads(112) for axis in window.axes]
    [(1, 1), (1, 1)]
    """
    pool = arguments.positive_ints(pool_size, rank, "pool_size")
    return _build(
        pool,
        pool if strides is None else arguments.positive_ints(strides, rank, "strides"),
        arguments.paddings(padding, rank),
        arguments.positive_ints(dilation_rate, rank, "dilation_rate"),
        arguments.flag(ceil_mode, "ceil_mode"),
    )
