"""The geometry of a pooling window in plain integers: output sizes and explicit pads.

A `Window` is parsed once from the user's arguments and reused at every call. No TensorFlow import: sizes may be ints,
None, or scalar tensors, since the formulas need only arithmetic and a maximum that the caller can pass in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from keras_maxpool import arguments


def ceil_divide(number: Any, divisor: Any, maximum: Callable[[Any, Any], Any] = max) -> Any:
    """number / divisor rounded up, for a number above -divisor; either may be a tensor.

    Neither `//` rounding down nor one that rounds towards zero, as ONNX has it, makes a difference, and no step is
    larger than both arguments.
    """
    quotient = number // divisor
    rest = maximum(number - quotient * divisor, 0)
    return quotient + 1 - maximum(1 - rest, 0)


@dataclass(frozen=True, slots=True)
class Axis:
    """The window along one spatial axis: `pool` elements, `dilation` apart, every `stride` steps."""

    pool: int
    stride: int
    padding: str | tuple[int, int]
    dilation: int = 1
    ceil_mode: bool = False

    @property
    def length(self) -> int:
        """Elements from the window's first to its last, gaps of the dilation included."""
        return (self.pool - 1) * self.dilation + 1

    @property
    def dilated(self) -> bool:
        """Whether there are gaps."""
        return self.length > self.pool

    def output_size(self, size: Any, maximum: Callable[[Any, Any], Any] = max) -> Any:
        """How many windows fit on `size` elements; below 1 where not even one fits.

        Named paddings give ceil(size / stride), as TensorFlow and ONNX have it; explicit ones follow PyTorch.
        """
        if isinstance(self.padding, str):
            return ceil_divide(size, self.stride, maximum)
        before, after = self.padding
        room = size + before + after - self.length
        if not self.ceil_mode:
            return room // self.stride + 1
        overhanging = ceil_divide(room, self.stride, maximum) + 1
        starting_in_reach = ceil_divide(size + before, self.stride, maximum)
        return overhanging - maximum(overhanging - starting_in_reach, 0)

    def unpooled_size(self, outputs: Any) -> Any:
        """The input's size that `outputs` windows without gaps stand for, where nothing else tells it.

        As `torch.nn.MaxUnpool2d` infers it; for named paddings the largest of the sizes that give so many windows.
        """
        if isinstance(self.padding, str):
            return outputs * self.stride
        return (outputs - 1) * self.stride + self.length - sum(self.padding)

    def too_large(self, place: int, elements: str) -> str:
        """The message where no window fits on the elements of spatial axis `place`."""
        pads = sum(self.padding) if isinstance(self.padding, tuple) else 0
        return (
            f"The window is larger than its input: spatial axis {place} has {elements}"
            f"{f' and {pads} of padding' if pads else ''}, and the window spans {self.length} "
            f"(pool_size={self.pool}, dilation_rate={self.dilation}). "
            'Use a smaller pool_size, padding="same", or a larger input.'
        )

    def sees_only_padding(self, size: int) -> bool:
        """Whether some window has none of `size` elements, which those with gaps can step over."""
        if size >= self.dilation or (size and not self.dilated):
            return False
        before, _ = self.pads(size)
        starts = (window * self.stride - before for window in range(self.output_size(size)))
        # From its start a window first meets the input, if at all, at the start's remainder.
        return any(start % self.dilation >= size for start in starts)

    def pads(self, size: Any, maximum: Callable[[Any, Any], Any] = max) -> tuple[Any, Any]:
        """The padding before and after `size` elements, with which a plain "valid" pooling gives the same windows."""
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
    """A pooling window: one `Axis` for each spatial axis."""

    axes: tuple[Axis, ...]

    @property
    def rank(self) -> int:
        """The number of spatial axes."""
        return len(self.axes)

    @cached_property
    def pool(self) -> tuple[int, ...]:
        """Elements along each axis."""
        return tuple(axis.pool for axis in self.axes)

    @cached_property
    def strides(self) -> tuple[int, ...]:
        """The stride along each axis."""
        return tuple(axis.stride for axis in self.axes)

    @cached_property
    def gaps(self) -> tuple[int, ...]:
        """The step from element to element along each axis."""
        return tuple(axis.dilation for axis in self.axes)

    @cached_property
    def needs_pads(self) -> bool:
        """Whether a plain "valid" or "same" pooling needs more than its own padding."""
        return self.padding not in ("valid", "same") or any(axis.ceil_mode for axis in self.axes)

    @cached_property
    def dilated(self) -> bool:
        """Whether any axis has gaps."""
        return any(axis.dilated for axis in self.axes)

    @cached_property
    def padding(self) -> str | arguments.Pads:
        """The padding as a user writes it: a name, or one (before, after) pair an axis."""
        if isinstance(self.axes[0].padding, str):
            return self.axes[0].padding
        pads = tuple(axis.padding for axis in self.axes if not isinstance(axis.padding, str))
        return "valid" if not any(map(any, pads)) else pads

    def output_sizes(
        self,
        sizes: Sequence[int | None],
        data_format: str = "channels_last",
        channels: int | None = None,
    ) -> list[int | None]:
        """The output's spatial sizes; unknown ones stay unknown. `data_format` and `channels` serve the error alone."""
        outputs = [
            None if size is None else axis.output_size(size)
            for axis, size in zip(self.axes, sizes, strict=True)
        ]
        for place, (axis, size, output) in enumerate(zip(self.axes, sizes, outputs, strict=True)):
            if (
                size is not None
                and output is not None
                and output < 1
                and not (size == 0 and isinstance(axis.padding, str))
            ):
                raise ValueError(self._too_large(place, sizes, data_format, channels))
            if size is not None and size + sum(axis.pads(size)) >= arguments.AXIS_LIMIT:
                raise ValueError(
                    f"`pool_size`, `dilation_rate` and `padding` stretch the {size} elements of spatial axis {place} "
                    f"to {size + sum(axis.pads(size))}, and 2**31 - 1 or more is too long; received "
                    f"pool_size={axis.pool}, dilation_rate={axis.dilation}, padding={axis.padding!r}. "
                    "Make one of them smaller."
                )
        return outputs

    def unpooled_sizes(self, outputs: Sequence[Any]) -> list[Any]:
        """The input's spatial sizes that so many windows stand for; unknown ones stay unknown."""
        return [
            None if count is None else axis.unpooled_size(count)
            for axis, count in zip(self.axes, outputs, strict=True)
        ]

    def _too_large(
        self, place: int, sizes: Sequence[int | None], data_format: str, channels: int | None
    ) -> str:
        message = (
            f"{self.axes[place].too_large(place, f'{sizes[place]} elements')} "
            f"Received spatial sizes {tuple(sizes)}."
        )
        other = "channels_first" if data_format == "channels_last" else "channels_last"
        # The axis that the other format would call channels: the first spatial one, or the last.
        moved = (
            [*sizes[1:], channels] if data_format == "channels_last" else [channels, *sizes[:-1]]
        )
        fits = all(
            n is None or a.output_size(n) >= 1 for a, n in zip(self.axes, moved, strict=True)
        )
        if channels is not None and fits:
            message += (
                f' The shape looks like data_format="{other}"; this call uses "{data_format}".'
            )
        return message


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
        Axis(*of_axis, ceil_mode=ceil_mode)
        for of_axis in zip(pool, strides, pads, dilation, strict=True)
    )
    for axis in axes:
        if axis.length >= arguments.INT_LIMIT:
            raise ValueError(
                f"`dilation_rate` and `pool_size` span {axis.length} elements, and 2**31 or more is too long; "
                f"received pool_size={pool}, dilation_rate={dilation}. Make one of them smaller."
            )
        if isinstance(axis.padding, tuple) and max(axis.padding) >= axis.length:
            raise ValueError(
                "`padding` must be smaller than the window, or some windows see nothing else; "
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
    """The window that a user's arguments describe.

    Args:
        rank: the number of spatial axes, 1 to 3.
        pool_size, strides, padding, dilation_rate, ceil_mode: as `keras_maxpool.MaxPooling2D` takes them.

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
