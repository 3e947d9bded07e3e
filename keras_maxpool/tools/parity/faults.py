"""The known faults of the built-in layers, as a list: what it does wrong, and what ours does."""

from collections.abc import Callable
from dataclasses import dataclass

from keras_maxpool.tools.parity import probes
from keras_maxpool.tools.parity.probes import Side


@dataclass(frozen=True)
class Fault:
    """One fault, as TensorFlow 2.21 and Keras 3.15 have it on a CPU, with the probe that shows it."""

    name: str
    builtin: str
    ours: str
    probe: Callable[[Side], str]


@dataclass(frozen=True)
class Finding:
    """What each side did when a fault was put to it: "" where it was right."""

    fault: Fault
    builtin: str
    ours: str

    @property
    def met(self) -> bool:
        """Whether the built-in has the fault here."""
        return bool(self.builtin)

    @property
    def line(self) -> str:
        """A line of Python that shows what ours does."""
        name = self.fault.probe.__name__
        return (
            f"from keras_maxpool.tools.parity import probes as p; print(p.{name}(p.SIDES['ours']))"
        )


FAULTS = (
    Fault(
        "ties, 3D eager",
        "gives each tied element the whole gradient",
        "gives it to the first",
        probes.ties_3d_eager,
    ),
    Fault(
        "near ties, 3D eager",
        "gives the whole gradient to all within 1e-5 of the maximum",
        "gives it to the maximum",
        probes.near_ties_3d_eager,
    ),
    Fault(
        'ties, XLA with "same"',
        "gives the gradient to another tied element",
        "gives it to the first",
        probes.ties_xla_same,
    ),
    Fault(
        "second order where the size stays, graph",
        "gives wrong numbers",
        "right",
        probes.second_order_one_shape,
    ),
    Fault(
        "second order in float64, XLA", "refuses all but float32", "right", probes.second_order_xla
    ),
    Fault("masks", "ignores and drops them", "honours them", probes.ignored_mask),
    Fault("3D in float64", "refuses it", "takes it", probes.float64_3d),
    Fault("3D in float16", "refuses it on a CPU", "takes it", probes.float16_3d),
    Fault("3D in whole numbers", "refuses them", "takes them", probes.integers_3d),
    Fault("uint32 and uint64", "refuses them", "takes them", probes.uint32_2d),
    Fault(
        "whole numbers in a model",
        "says float32 of its output",
        "says the dtype",
        probes.symbolic_integers,
    ),
    Fault("NaN", "skips it", 'propagates it with nonfinite="ieee"', probes.nan_2d),
    Fault(
        "-inf",
        "gives the lowest finite number",
        'keeps it with nonfinite="ieee"',
        probes.infinity_2d,
    ),
    Fault("padding in capitals", "refuses it in models", "takes it", probes.capitals),
    Fault("NumPy integers as arguments", "refuses them", "takes them", probes.numpy_integer),
    Fault("strides=0", "takes it until it runs", "refuses it at once", probes.zero_stride),
    Fault("True as a size", "takes it for 1", "refuses it", probes.boolean_window),
    Fault(
        "an unknown padding", "takes it until it runs", "refuses it at once", probes.unknown_padding
    ),
    # Those that end the process stand last: each costs a new one.
    Fault(
        "gradient of an empty batch, graph",
        "ends the process",
        "gives an empty one",
        probes.empty_batch,
    ),
    Fault("a stride of 2**31", "ends the process", "refuses it", probes.huge_stride),
    Fault(
        "adaptive pooling to one element, eager",
        "ends the process, or is not there",
        "pools",
        probes.adaptive_to_one,
    ),
)
