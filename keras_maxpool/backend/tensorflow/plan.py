"""Which kernel pools, in which layout, and whose gradient is used: plain data, no tensors.

The comment of each row says what was measured (TensorFlow 2.21 on x86, 2 cores; built-in time over ours).
"""

from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from keras_maxpool.geometry.window import Window

if TYPE_CHECKING:
    from keras_maxpool.backend.tensorflow.context import Context

NATIVE_3D = ("float32", "bfloat16")
"""The dtypes that TensorFlow's MaxPool3D takes in every mode."""

NARROW = 16
"""With fewer channels than this the kernels for channels-last tensors leave their vector units idle."""

LARGE = 2**17
"""Elements of an input whose eager gradient is worth a call into a graph."""

OWN, GRAPH = "own", "graph"
AS_IS, TRANSPOSED, CHANNELS_AS_SAMPLES = "as is", "transposed", "channels as samples"


class Work(NamedTuple):
    """Everything that a plan may depend on.

    Attributes:
        channels, elements: of the inputs, if known.
        onednn_3d: whether graphs here run MaxPool3D's gradient in oneDNN, where a tie's first element alone gets it.
        native_channels_first: whether TensorFlow's operation takes inputs with channels first here.
    """

    window: Window
    dtype: str
    context: "Context"
    channels: int | None = None
    elements: int | None = None
    data_format: str = "channels_last"
    onednn_3d: bool = False
    native_channels_first: bool = False


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
    if work.native_channels_first and one_operation and not work.window.needs_pads:
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
    if context.mode == "xla" and context.on_cpu:
        # Against reduce-window 4 times as fast forward, 15 with the gradient (geometric means of 20 cases).
        return "shifted"
    if context.runtime and "int" in work.dtype:
        # No runtime's MaxPool takes all of them, and what converters put around it rounds them to float32.
        return "shifted"
    no_3d = context.runtime == "LiteRT" or work.dtype not in NATIVE_3D
    if window.dilated or (window.rank == 3 and no_3d):
        return "separable"
    if window.rank == 1 or not context.on_cpu:
        # In 1D "separable" is the same operation. Other devices were not measured.
        return "direct"
    area = prod(window.pool)
    if work.channels is not None and work.channels < NARROW:
        # 2x512x512x3: 1.6 forward and 12 with the gradient at 5/1, 30 and 477 at 31/1; with the gradient
        # 64x224x224x1: 2.4 at 2/2, 7 at 3/2; x3: 1.4 at 3/2 but 0.7 at 2/2.
        # Forward alone, what counts is how often an element is read: 1x64x64x64x1 3/2 took 0.4 eagerly.
        taped_graph = context.taped and context.mode == "graph"
        few = 3 * work.channels if taped_graph else 25 * prod(window.strides)
        return "separable" if area >= few else "direct"
    # 8x40x40x256: 1.3 and 1.4 at 9/1, 2.7 at 13/1 but 1.0 at 7/1; 1x32x64x64x16: 2.2 and 1.3 at 5/1.
    return "separable" if area >= 81 else "direct"


def _gradient(kernel: str, work: Work) -> str:
    context = work.context
    if context.mode == "xla":
        # XLA's select-and-scatter sends the gradient of ties under "same" to a later element, takes no float64 in 3D,
        # and has a second-order gradient in float32 alone.
        return "shifted"
    large = work.elements is not None and work.elements >= LARGE
    if context.mode == "eager" and large and context.on_cpu:
        # Only graphs run oneDNN's gradient: 6 at 16x112x112x64 2/2, 2 at 32x28x28x32, below 1 under 2**17 elements.
        return GRAPH
    in_onednn = context.mode == "graph" and work.onednn_3d
    if kernel == "direct" and work.window.rank == 3 and not in_onednn:
        # MaxPool3DGrad sends the whole gradient to every tied element, and took 4 to 27 times as long.
        return "separable"
    return kernel
