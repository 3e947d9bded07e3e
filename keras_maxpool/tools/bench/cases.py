"""What keras-maxpool bench measures, as plain data: cases, modes, directions and peers.

No Keras, and nothing of an extra: the command line reads its choices here.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from keras_maxpool import arguments
from keras_maxpool.geometry import window as windows

MODES = {
    "tensorflow": ("eager", "graph", "xla", "fit", "fit-xla"),
    "jax": ("eager", "jit", "fit"),
    "torch": ("eager", "fit"),
}
"""How a layer runs, by backend."""
TRAINING = ("fit", "fit-xla")
"""One training step of a model; on TensorFlow without XLA and with it."""
DIRECTIONS = ("forward", "gradient")
"""`gradient` is forward and gradient together."""

BUILTIN = "built-in"
SPACE_TO_BATCH = "built-in, space-to-batch"
RESHAPED = "built-in, reshaped"
PYTORCH = "PyTorch"
OPENCV = "OpenCV"
COPY = "copy"
"""The floor: a plain copy that moves as many bytes as the pooling must."""
KERNELS = arguments.IMPLEMENTATIONS[1:]
"""Our own kernels, by their names: with `--kernels` they are the peers of the one that the plan chooses."""
OTHERS = (SPACE_TO_BATCH, PYTORCH, OPENCV, COPY)
"""The peers that not every bench has."""


@dataclass(frozen=True)
class Case:
    """One pooling; `shape` reads (batch, *spatial, channels) in both data formats."""

    shape: tuple[int, ...]
    pool: int
    strides: int
    padding: str | int | tuple[tuple[int, int], ...] = "valid"
    dilation: int = 1
    data_format: str = "channels_last"
    dtype: str = "float32"
    unknown_batch: bool = False
    grows: str = ""

    @property
    def rank(self) -> int:
        """The number of spatial axes."""
        return len(self.shape) - 2

    @property
    def name(self) -> str:
        """The name in tables and for `--cases`: rank, shape, window/stride, and all that is not the default."""
        words = [f"{self.rank}D {'x'.join(map(str, self.shape))} {self.pool}/{self.strides}"]
        if not isinstance(self.padding, str):
            words.append("pad " + str(self.padding).replace(" ", ""))
        elif self.padding != "valid":
            words.append(self.padding)
        if self.dilation > 1:
            words.append(f"dilation {self.dilation}")
        if self.data_format != "channels_last":
            words.append(self.data_format)
        if self.dtype != "float32":
            words.append(self.dtype)
        if self.unknown_batch:
            words.append("batch None")
        name = " ".join(words)
        return f"{self.grows} {self.size}: {name}" if self.grows else name

    @property
    def size(self) -> int:
        """The size that grows from one growth case to the next."""
        return {"batch": self.shape[0], "channels": self.shape[-1]}.get(self.grows, self.pool)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape in the case's own data format."""
        return self._in_data_format(self.shape)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The output's shape in the case's own data format."""
        batch, *spatial, channels = self.shape
        sizes = [
            axis.output_size(size) for axis, size in zip(self.window.axes, spatial, strict=True)
        ]
        return self._in_data_format((batch, *sizes, channels))

    @property
    def window(self) -> windows.Window:
        """The window's geometry."""
        return windows.parse(self.rank, self.pool, self.strides, self.padding, self.dilation, False)

    @property
    def overlaps(self) -> bool:
        """Whether windows share elements, so that gradients are sums."""
        return self.pool > self.strides or self.dilation > 1

    def _in_data_format(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        batch, *spatial, channels = shape
        first = self.data_format == "channels_first"
        return (batch, channels, *spatial) if first else shape


@dataclass(frozen=True)
class Network:
    """A whole network, of which a training step is one case; `shape` is that of a batch of inputs."""

    name: str
    shape: tuple[int, ...]
    grows: ClassVar[str] = ""
    size: ClassVar[int] = 0


@dataclass(frozen=True)
class Setting:
    """What one row of the table measures."""

    case: Case | Network
    mode: str
    direction: str
    peer: str

    def __str__(self) -> str:
        """Returns one line for a reader."""
        return f"{self.case.name}, {self.mode}, {self.direction}, against {self.peer}"


SERIES, IMAGES, VIDEO = (32, 4096, 64), (16, 112, 112, 64), (4, 16, 56, 56, 64)
SPP = (8, 40, 40, 256)

_HALVED_1D = Case(SERIES, 2, 2)
_HALVED_2D = Case(IMAGES, 2, 2)
_HALVED_3D = Case(VIDEO, 2, 2)
_STEM = Case(IMAGES, 3, 2, "same")
_SPP_5 = Case(SPP, 5, 1, "same")
_SMALL = Case((32, 28, 28, 32), 2, 2)
_TINY = Case((8, 8, 8, 8), 2, 2)
_FEW_CHANNELS = Case((2, 512, 512, 3), 5, 1, "same")
_VOLUME = Case((1, 64, 64, 64, 1), 3, 2)
_PADDED = Case(IMAGES, 3, 2, 1)
_DILATED = Case((16, 56, 56, 64), 3, 1, "same", dilation=2)

CASES = (
    *(_HALVED_1D, Case(SERIES, 9, 1, "same")),
    *(_HALVED_2D, _STEM, Case(IMAGES, 3, 1, "same"), _SMALL),
    *(_SPP_5, Case(SPP, 9, 1, "same"), Case(SPP, 13, 1, "same")),
    *(Case((64, 224, 224, 1), 2, 2), Case((64, 224, 224, 3), 2, 2)),
    *(_FEW_CHANNELS, replace(_FEW_CHANNELS, pool=31), replace(_FEW_CHANNELS, pool=63)),
    *(Case((1, 8, 8, 8), 2, 2), _TINY),
    *(_HALVED_3D, Case(VIDEO, 3, 2, "same"), Case((1, 32, 64, 64, 16), 5, 1, "same"), _VOLUME),
    *(
        replace(case, data_format="channels_first")
        for case in (_HALVED_1D, _HALVED_2D, _STEM, _SPP_5, _HALVED_3D)
    ),
    *(
        replace(case, dtype=dtype)
        for dtype in ("float16", "bfloat16")
        for case in (_HALVED_2D, _STEM, _SPP_5)
    ),
    *(_PADDED, Case(SERIES, 4, 2, ((1, 2),)), Case(VIDEO, 3, 2, 1)),
    *(_DILATED, Case(SPP, 5, 1, "same", dilation=2)),
    *(Case(SERIES, 3, 1, "same", dilation=8), Case((1, 32, 64, 64, 16), 3, 1, "same", dilation=2)),
    *(replace(case, unknown_batch=True) for case in (_HALVED_2D, _SMALL)),
)

QUICK = (_SMALL, _TINY, _FEW_CHANNELS, _VOLUME)
"""Strong and weak cases of the built-in, with little work per call."""

GROWTH = (
    *(Case((2**i, 56, 56, 64), 3, 2, "same", grows="batch") for i in range(7)),
    *(Case((8, 56, 56, 2**i), 3, 2, "same", grows="channels") for i in range(10)),
    *(Case((1, 128, 128, 8), 2**i - 1, 1, "same", grows="window") for i in range(2, 8)),
)


def select(*, few: bool, growth: bool) -> list[Case]:
    """Returns all cases, or a few of them (every third size)."""
    cases, sizes = (QUICK, GROWTH[::3]) if few else (CASES, GROWTH)
    return [*cases, *sizes] if growth else [*cases]


def plan(
    cases: Iterable[Case],
    modes: Sequence[str],
    directions: Collection[str],
    others: Collection[str],
    *,
    kernels: bool = False,
) -> list[Setting]:
    """Returns all that is to be measured, in order, with the peers that can do it: Keras's layers and these `others`.

    With `kernels`, our own are the only peers.
    """
    return [
        Setting(case, mode, direction, peer)
        for case in cases
        for mode in modes
        for direction in DIRECTIONS
        if direction in directions and _makes_sense(case, mode, direction)
        for peer in (_kernels(case) if kernels else _peers(case, mode, direction))
        if peer not in OTHERS or peer in others
    ]


def _makes_sense(case: Case, mode: str, direction: str) -> bool:
    if case.unknown_batch and mode not in ("graph", "xla"):
        return False
    if mode in TRAINING:
        # A training step has no forward half; in 16 bits it needs loss scaling, more work than the pooling.
        return direction == "gradient" and case.dtype == "float32"
    return True


def _kernels(case: Case) -> list[str]:
    return [kernel for kernel in KERNELS if case.dilation == 1 or kernel != "direct"]


def _peers(case: Case, mode: str, direction: str) -> list[str]:
    peers = [BUILTIN] if case.dilation == 1 else [SPACE_TO_BATCH, RESHAPED]
    if case.grows or mode in TRAINING:
        return peers
    peers.append(PYTORCH)
    dilate = (case.rank, case.strides, case.padding, case.pool % 2) == (2, 1, "same", 1)
    plain = (case.dilation, case.dtype, case.data_format) == (1, "float32", "channels_last")
    if dilate and plain and case.shape[-1] <= 4 and direction == "forward":
        peers.append(OPENCV)
    return [*peers, COPY]
