"""Which kernel pools, in which layout, and whose gradient is used: plain data, no tensors.

The comment of each row says what was measured (TensorFlow 2.21 on x86, 2 cores; built-in time over ours).
"""

from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from keras_maxpool.backend.tensorflow import cost
from keras_maxpool.geometry.window import Axis, Window

if TYPE_CHECKING:
    from keras_maxpool.backend.tensorflow.context import Context

NATIVE_3D = ("float32", "bfloat16")
"""The dtypes that TensorFlow's MaxPool3D takes in every mode."""

LARGE = 2**18
"""Elements of an input whose eager gradient is worth a call into a graph."""

LONG = 4
"""The length from which on windows that do not overlap are faster in XLA's select-and-scatter than as views."""

FEW = 8
"""The most channels with which select-and-scatter is faster axis by axis, in 3D and with short windows: 1.1 to 1.3."""

SHORT = 8
"""The longest window that counts as short under XLA."""

OWN, GRAPH = "own", "graph"
AS_IS, TRANSPOSED, CHANNELS_AS_SAMPLES = "as is", "transposed", "channels as samples"


class Work(NamedTuple):
    """Everything that a plan may depend on.

    Attributes:
        shape: of the inputs, with channels last; None where unknown.
        onednn_3d: whether graphs here run MaxPool3D's gradient in oneDNN, where a tie's first element alone gets it.
        native_channels_first: whether TensorFlow's operation takes inputs with channels first here.
    """

    window: Window
    dtype: str
    context: "Context"
    shape: tuple[int | None, ...]
    data_format: str = "channels_last"
    onednn_3d: bool = False
    native_channels_first: bool = False

    @property
    def may_keep_shape(self) -> bool:
        """Whether the output has, or may have, the input's shape."""
        return all(map(Axis.may_keep_size, self.window.axes, self.shape[1:-1]))

    @property
    def narrow(self) -> bool:
        """Whether the channels are known to be few."""
        return (self.shape[-1] or cost.NARROW) < cost.NARROW

    @property
    def large(self) -> bool:
        """Whether the inputs are known to be large."""
        sizes = [size for size in self.shape if size is not None]
        return len(sizes) == len(self.shape) and prod(sizes) >= LARGE


class Plan(NamedTuple):
    """How to pool.

    Attributes:
        layout: what is done to the inputs before, and undone after: `AS_IS`, in which the "direct" kernel may get
            channels first, `TRANSPOSED` or `CHANNELS_AS_SAMPLES`.
        kernel: which kernel computes the values.
        gradient: `OWN`, that of the kernel's operations; `GRAPH`, the one of graph mode, through a `tf.function`;
            or the kernel whose gradient is used.
        widened: whether a kernel's gradient is computed in float32 for inputs of 16 bits.
    """

    layout: str
    kernel: str
    gradient: str
    widened: bool


@lru_cache(maxsize=1024)
def choose(implementation: str, work: Work) -> Plan:
    """Returns the plan for one call: `implementation` names the kernel, or is "auto"."""
    check(implementation, work.window, work.dtype)
    context = work.context
    if context.runtime:
        _check_runtime(implementation, work, context.runtime)
    kernel = _kernel(work) if implementation == "auto" else implementation
    gradient = _gradient(kernel, work)
    layout = layout_for(work.data_format, context)
    # 1.7 to 2.4 forward, 1.5 to 1.8 with the gradient, which is for graphs alone (four cases of 2D and 3D).
    in_onednn = gradient == GRAPH or context.mode == "graph" or not context.taped
    one_operation = kernel == "direct" and gradient in ("direct", GRAPH) and in_onednn
    first = work.native_channels_first and not _few_large_planes(work)
    if first and one_operation and not work.window.needs_pads:
        layout = AS_IS
    # float16: 3 at 16x112x112x64 2/2, 8 at 8x40x40x256 5/1, where bfloat16 has oneDNN; under XLA, where bfloat16
    # converts at each step, 1.9 at 2/2 and 3.5 at 3/2.
    widened = work.dtype == ("bfloat16" if context.mode == "xla" else "float16")
    # The gradient through repeated elements takes longer than that of smallest numbers.
    repeats = context.repeats and (work.window.needs_pads or work.window.dilated)
    no_gradient = "float" not in work.dtype or not context.differentiable
    if no_gradient or (gradient == kernel and not widened and not repeats):
        return Plan(layout, kernel, OWN, False)
    return Plan(layout, kernel, gradient, widened)


def layout_for(data_format: str, context: "Context") -> str:
    """Returns the layout in which kernels pool inputs in `data_format`."""
    if data_format == "channels_last":
        return AS_IS
    # 2 to 6 times as fast as the transposes, which XLA would fuse into every step.
    return CHANNELS_AS_SAMPLES if context.mode == "xla" else TRANSPOSED


def check(implementation: str, window: Window, dtype: str | None = None) -> None:
    """Refuses a forced kernel that cannot do the work."""
    if implementation != "direct":
        return
    if window.dilated:
        raise ValueError(
            f'`implementation` "direct" cannot dilate; received dilation_rate={window.dilation}. '
            'Write implementation="auto" or "separable".'
        )
    if window.rank == 3 and dtype is not None and dtype not in NATIVE_3D:
        raise TypeError(
            f'`implementation` "direct" takes {" and ".join(NATIVE_3D)} in 3D; received inputs of dtype {dtype}. '
            'Write implementation="auto" or "separable".'
        )


def _check_runtime(implementation: str, work: Work, runtime: str) -> None:
    """Refuses a forced kernel for which the runtime has no operation."""
    if "int" in work.dtype and implementation in ("direct", "separable"):
        raise TypeError(
            f'`implementation` "{implementation}" takes no integers in {runtime}; received inputs of dtype '
            f'{work.dtype}. Write implementation="auto" or "shifted".'
        )
    if runtime == "LiteRT" and work.window.rank == 3 and implementation == "direct":
        raise ValueError(
            '`implementation` "direct" cannot pool in 3D in LiteRT, which has no such operation. Write '
            'implementation="auto" or "separable".'
        )


def _kernel(work: Work) -> str:
    window, context = work.window, work.context
    if _scatters(work):
        # 1.2 to 2.1 times as fast as "shifted" in 13 cases.
        few = work.data_format == "channels_first" or (work.shape[-1] or 0) <= FEW
        short = max(window.pool) <= SHORT
        return "separable" if window.rank == 3 and few and short else "direct"
    if context.mode == "xla" and context.on_cpu:
        # "shifted" takes 0.62 and 0.21 of the time of reduce-window (geometric means of 40 drawn cases, the second
        # with the gradient), but forward 1.1 to 1.9 times where windows do not overlap and few channels are adjacent,
        # up to twice with short windows in 1D, and as long windows that do not overlap and are padded.
        short_1d = window.rank == 1 and window.pool[0] <= SHORT
        padded = window.padding == "same" and min(window.pool) >= LONG and _are_apart(window)
        own = _plain(work) and (short_1d or padded)
        return "direct" if own or _apart(work) else "shifted"
    if context.runtime and "int" in work.dtype:
        # No runtime's MaxPool takes all of them, and what converters put around it rounds them to float32.
        return "shifted"
    no_3d = context.runtime == "LiteRT" or work.dtype not in NATIVE_3D
    if window.dilated or (window.rank == 3 and no_3d):
        return "separable"
    if window.rank == 1 or not context.on_cpu:
        # In 1D "separable" is the same operation. Other devices were not measured.
        return "direct"
    gradient = context.taped and context.mode == "graph"
    by_axis = cost.separable_is_faster(work.shape, window, context.mode, gradient)
    return "separable" if by_axis else "direct"


def _few_large_planes(work: Work) -> bool:
    """Returns whether there are few channels, in volumes or under large windows, which oneDNN reads slowly."""
    # With channels first: 0.7 at 1x548x369x3 8/8 and 0.2 at 26x48x87x81x3 2/2, but 1.8 at 50x238x176x6 2/2.
    return work.narrow and (work.window.rank == 3 or prod(work.window.pool) >= 16)


def _plain(work: Work) -> bool:
    """Returns whether XLA's own operations were measured for this work, and are right."""
    # Forward mode differentiates the operations themselves, and views alone send the gradient of a tie to the first.
    other = work.window.dilated or work.window.needs_pads or work.context.has_tangent
    return work.dtype == "float32" and not other


def _apart(work: Work) -> bool:
    """Returns whether windows do not overlap, and few channels are adjacent in memory."""
    narrow = work.data_format == "channels_first" or work.narrow
    return _plain(work) and narrow and _are_apart(work.window)


def _are_apart(window: Window) -> bool:
    pairs = zip(window.pool, window.strides, strict=True)
    return all(pool <= stride for pool, stride in pairs)


def _scatters(work: Work) -> bool:
    """Returns whether XLA's own select-and-scatter is the fastest gradient, of inputs that are padded before."""
    context = work.context
    asked = context.mode == "xla" and context.on_cpu and context.taped
    return asked and min(work.window.pool) >= LONG and _apart(work)


def _gradient(kernel: str, work: Work) -> str:
    context = work.context
    if context.mode == "xla" and kernel != "shifted" and _scatters(work):
        return kernel
    if context.mode == "xla":
        # XLA's select-and-scatter sends the gradient of ties under "same" to a later element, takes no float64 in 3D,
        # and has a second-order gradient in float32 alone.
        return "shifted"
    # Only graphs run oneDNN's gradient: 5 at 32x56x56x192 3/2, 3 at 8x56x56x64, 0.8 under 2**18 elements, and with
    # windows of one element; in 3D 1.3 at 12x12x12x32, where "separable" takes 2.5 times as long. Where an output has
    # its input's shape, the eager workaround for TensorFlow's second-order gradient takes twice as long.
    large = work.large and max(work.window.pool) > 1
    better = large or work.window.rank == 3 or work.may_keep_shape
    # oneDNN adds the gradients of one or two channels slowly: 0.5 to 0.9 in six cases, eager 0.9 to 1.5.
    slow = work.window.rank == 1 and work.shape[-1] in (1, 2) and not _are_apart(work.window)
    if (
        better
        and not slow
        and context.mode == "eager"
        and context.on_cpu
        and not context.has_tangent
    ):
        return GRAPH
    in_onednn = context.mode == "graph" and work.onednn_3d
    if kernel == "direct" and work.window.rank == 3 and not in_onednn:
        # MaxPool3DGrad sends the whole gradient to every tied element, and took 4 to 27 times as long.
        return "separable"
    return kernel
