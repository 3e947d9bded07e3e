"""Which kernel pools, and which one lends its gradient: a pure table, no tensors.

A gradient is lent where the kernel's own is wrong or missing; the closing comment of each row says what was measured
(TensorFlow 2.21, x86, 2 cores).
"""

from typing import NamedTuple

from keras_maxpool.window import Window

MODES = ("eager", "graph", "xla")
NATIVE_3D = ("float32", "bfloat16")
"""The dtypes that TensorFlow's MaxPool3D takes in every mode."""


class Plan(NamedTuple):
    """`kernel` computes the values; `gradient` names the kernel whose gradient is used, which may be its own."""

    kernel: str
    gradient: str


def choose(implementation: str, window: Window, dtype: str, mode: str, *, onednn_3d: bool) -> Plan:
    """The plan for one call.

    Args:
        implementation: "auto", or the kernel to force.
        window: what is pooled.
        dtype: the name of the inputs' dtype.
        mode: "eager", "graph" or "xla".
        onednn_3d: whether graphs here run MaxPool3D's gradient in oneDNN, which alone gives ties to the first element.

    >>> from keras_maxpool.window import parse
    >>> choose("auto", parse(2, 2, None, "valid", 1, False), "float32", "graph", onednn_3d=True)
    Plan(kernel='direct', gradient='direct')
    """
    check(implementation, window, dtype)
    kernel = _kernel(window, dtype, mode) if implementation == "auto" else implementation
    return Plan(kernel, _gradient(kernel, window, mode, onednn_3d))


def _kernel(window: Window, dtype: str, mode: str) -> str:
    if mode == "xla":
        # Against reduce-window 4 times as fast forward, 15 with the gradient (geometric means of 20 cases).
        return "shifted"
    if window.dilated or (window.rank == 3 and dtype not in NATIVE_3D):
        return "folded"
    return "direct"


def check(implementation: str, window: Window, dtype: str | None = None) -> None:
    """Refuses a forced kernel that cannot do the work."""
    if implementation != "direct":
        return
    if window.dilated:
        rates = tuple(axis.dilation for axis in window.axes)
        raise ValueError(
            f'`implementation` "direct" cannot dilate; received dilation_rate={rates}. '
            'Write implementation="auto" or "folded".'
        )
    if window.rank == 3 and dtype is not None and dtype not in NATIVE_3D:
        raise TypeError(
            f'`implementation` "direct" takes {" and ".join(NATIVE_3D)} in 3D; received inputs of dtype {dtype}. '
            'Write implementation="auto" or "folded".'
        )


def _gradient(kernel: str, window: Window, mode: str, onednn_3d: bool) -> str:
    if mode == "xla":
        # select-and-scatter gives ties under "same" to a later element, takes no float64 in 3D, and
        # has no second order but in float32.
        return "shifted"
    if kernel == "direct" and window.rank == 3 and not (mode == "graph" and onednn_3d):
        # MaxPool3DGrad gives the whole gradient to every tied element, and took 4 to 27 times as long.
        return "folded"
    return kernel
