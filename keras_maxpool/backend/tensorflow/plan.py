"""Which kernel pools, and whose gradient is used: a pure table, no tensors.

The comment of each row says what was measured (TensorFlow 2.21 on x86, 2 cores; built-in time over ours).
"""

from functools import lru_cache
from math import prod
from typing import NamedTuple

from keras_maxpool.geometry.window import Window

NATIVE_3D = ("float32", "bfloat16")
"""The dtypes that TensorFlow's MaxPool3D takes in every mode."""

NARROW = 16
"""With fewer channels than this the kernels for channels-last tensors leave their vector units idle."""

LARGE = 2**17
"""Elements of an input whose eager gradient is worth a call into a graph."""

GRAPH = "graph"
"""In `Plan.gradient`: the gradient that this plan has in graph mode, through a `tf.function`."""


class Work(NamedTuple):
    """What there is to do: all that a plan may depend on."""

    window: Window
    dtype: str
    mode: str
    """ "eager", "graph" or "xla"."""
    taped: bool = False
    """Whether an open tape watches."""
    channels: int | None = None
    elements: int | None = None
    onednn_3d: bool = False
    """Whether graphs here run MaxPool3D's gradient in oneDNN, which alone gives ties to the first element."""
    channels_first: bool = False
    """Whether the inputs are channels first, and the operation may take them so here."""
    measured: bool = True
    """Whether this is a kind of device on which the rows were measured."""
    runtime: str | None = None
    """Whether the graph is traced for another runtime: "LiteRT", "ONNX" or "OpenVINO"."""


class Plan(NamedTuple):
    """`kernel` computes the values; `gradient` names the kernel whose gradient is used, its own or another's."""

    kernel: str
    gradient: str
    widened: bool
    """Whether the gradient is computed in float32 for inputs of 16 bits."""
    in_place: bool
    """Whether "direct" takes channels-first inputs as they are, without transposes."""


@lru_cache(maxsize=1024)
def choose(implementation: str, work: Work) -> Plan:
    """The plan for one call: `implementation` names the kernel, or is "auto".

    >>> from keras_maxpool.window import parse
    >>> choose("auto", Work(parse(2, 2, None, "valid", 1, False), "float32", "graph", channels=64))
    Plan(kernel='direct', gradient='direct', widened=False, in_place=False)
    """
    check(implementation, work.window, work.dtype)
    if work.runtime:
        _check_runtime(implementation, work)
    kernel = _kernel(work) if implementation == "auto" else implementation
    gradient = _gradient(kernel, work)
    # float16: 3 at 16x112x112x64 2/2, 8 at 8x40x40x256 5/1, where bfloat16 has oneDNN; under XLA, where bfloat16
    # converts at each step, 1.9 at 2/2 and 3.5 at 3/2.
    widened = work.dtype == ("bfloat16" if work.mode == "xla" else "float16")
    # 1.7 to 2.4 forward, 1.5 to 1.8 with the gradient, which is for graphs alone (four cases of 2D and 3D).
    lent = gradient == GRAPH or work.mode == "graph" or not work.taped
    one_operation = kernel == "direct" and gradient in ("direct", GRAPH) and lent
    in_place = work.channels_first and one_operation and not work.window.needs_pads
    return Plan(kernel, gradient, widened, in_place)


def _kernel(work: Work) -> str:
    window = work.window
    if work.mode == "xla" and work.measured:
        # Against reduce-window 4 times as fast forward, 15 with the gradient (geometric means of 20 cases).
        return "shifted"
    if work.runtime and "int" in work.dtype:
        # No runtime's MaxPool takes all of them, and what converters put around it rounds them to float32.
        return "shifted"
    no_3d = work.runtime == "LiteRT" or work.dtype not in NATIVE_3D
    if window.dilated or (window.rank == 3 and no_3d):
        return "separable"
    if window.rank == 1 or not work.measured:
        # One axis a time is what it is; and where nothing is known, nothing is better.
        return "direct"
    area = prod(window.pool)
    if work.channels is not None and work.channels < NARROW:
        # 2x512x512x3: 1.6 forward and 12 with the gradient at 5/1, 30 and 477 at 31/1; with the gradient
        # 64x224x224x1: 2.4 at 2/2, 7 at 3/2; x3: 1.4 at 3/2 but 0.7 at 2/2.
        # Forward alone, what counts is how often an element is read: 1x64x64x64x1 3/2 took 0.4 eagerly.
        taped_graph = work.taped and work.mode == "graph"
        few = 3 * work.channels if taped_graph else 25 * prod(window.strides)
        return "separable" if area >= few else "direct"
    # 8x40x40x256: 1.3 and 1.4 at 9/1, 2.7 at 13/1 but 1.0 at 7/1; 1x32x64x64x16: 2.2 and 1.3 at 5/1.
    return "separable" if area >= 81 else "direct"


def check(implementation: str, window: Window, dtype: str | None = None) -> None:
    """Refuses a forced kernel that cannot do the work."""
    if implementation != "direct":
        return
    if window.dilated:
        raise ValueError(
            f'`implementation` "direct" cannot dilate; received dilation_rate={window.gaps}. '
            'Write implementation="auto" or "separable".'
        )
    if window.rank == 3 and dtype is not None and dtype not in NATIVE_3D:
        raise TypeError(
            f'`implementation` "direct" takes {" and ".join(NATIVE_3D)} in 3D; received inputs of dtype {dtype}. '
            'Write implementation="auto" or "separable".'
        )


def _check_runtime(implementation: str, work: Work) -> None:
    """Refuses a forced kernel for which the runtime has no operation."""
    if "int" in work.dtype and implementation in ("direct", "separable"):
        raise TypeError(
            f'`implementation` "{implementation}" takes no whole numbers in {work.runtime}; received inputs of dtype '
            f'{work.dtype}. Write implementation="auto" or "shifted".'
        )
    if work.runtime == "LiteRT" and work.window.rank == 3 and implementation == "direct":
        raise ValueError(
            '`implementation` "direct" cannot pool in 3D in LiteRT, which has no such operation. Write '
            'implementation="auto" or "separable".'
        )


def _gradient(kernel: str, work: Work) -> str:
    if work.mode == "xla":
        # select-and-scatter gives ties under "same" to a later element, takes no float64 in 3D, and
        # has no second order but in float32.
        return "shifted"
    large = work.elements is not None and work.elements >= LARGE
    if work.mode == "eager" and large and work.measured:
        # Only graphs run oneDNN's gradient: 6 at 16x112x112x64 2/2, 2 at 32x28x28x32, below 1 under 2**17 elements.
        return GRAPH
    if (
        kernel == "direct"
        and work.window.rank == 3
        and not (work.mode == "graph" and work.onednn_3d)
    ):
        # MaxPool3DGrad gives the whole gradient to every tied element, and took 4 to 27 times as long.
        return "separable"
    return kernel
