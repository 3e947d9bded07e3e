"""How the code is run: mode, tape, device and export target, looked up once per call and passed down.

The only file that touches TensorFlow's private modules; each import has a fallback that is right, if slower.
"""

from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any, Literal

import tensorflow as tf

from keras_maxpool.backend.tensorflow import converter

try:
    from tensorflow.python.eager.forwardprop_util import pack_tangents as _pack_tangents
    from tensorflow.python.eager.record import could_possibly_record as _tape_is_active
    from tensorflow.python.ops.control_flow_util import (
        GraphOrParentsInXlaContext as _traced_for_xla,
    )
except ImportError:  # pragma: no cover - a TensorFlow that has moved them

    def _tape_is_active() -> bool:
        return True

    def _traced_for_xla(graph: tf.Graph) -> bool:
        return False

    def _pack_tangents(tensors: list[tf.Tensor]) -> Any:
        return SimpleNamespace(tangents=tensors)


@dataclass(frozen=True)
class Context:
    """What one call needs to know of how it is run.

    Attributes:
        mode: how operations that are made now will run.
        taped: whether a tape or an accumulator is open, which may record what is computed now.
        has_tangent: whether an open `tf.autodiff.ForwardAccumulator` watches the inputs: it ignores custom gradients,
            and differentiates the operations in them.
        vectorized: whether `tf.vectorized_map` is tracing, which replaces operations by others.
        on_cpu: whether this process sees no other devices than CPUs.
        runtime: the runtime that the graph is traced for, "LiteRT", "ONNX" or "OpenVINO", if not TensorFlow.
        quantized_bits: the bits of the integers to which a converter quantises all floats, or None.
        repeats: whether padding repeats elements of the inputs, as graphs that may be quantised need it.
    """

    mode: Literal["eager", "graph", "xla"]
    taped: bool = False
    has_tangent: bool = False
    vectorized: bool = False
    on_cpu: bool = True
    runtime: str | None = None
    quantized_bits: int | None = None
    repeats: bool = False

    @property
    def differentiable(self) -> bool:
        """Whether a gradient may be asked for: what is computed eagerly without a tape never has one."""
        return self.mode != "eager" or self.taped


def current_context(*tensors: tf.Tensor) -> Context:
    """Looks up the context of a call with these inputs. A backward pass is a call of its own."""
    taped = _tape_is_active()
    if tf.executing_eagerly():
        return _eager(taped, taped and _have_tangent(tensors), is_on_cpu())
    return Context(
        "xla" if _traced_for_xla(tf.compat.v1.get_default_graph()) else "graph",
        taped,
        _have_tangent(tensors),
        "loop_body" in tf.get_current_name_scope(),
        is_on_cpu(),
        *converter.target(),
    )


@cache
def is_on_cpu() -> bool:
    """Returns whether this process sees no other devices than CPUs."""
    return all(device.device_type == "CPU" for device in tf.config.get_visible_devices())


@cache
def _eager(taped: bool, has_tangent: bool, on_cpu: bool) -> Context:
    return Context("eager", taped, has_tangent, on_cpu=on_cpu)


def _have_tangent(tensors: tuple[tf.Tensor, ...]) -> bool:
    return bool(_pack_tangents(list(tensors)).tangents)
