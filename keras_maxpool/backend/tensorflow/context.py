"""How the code is being run: eagerly, traced into a graph, or traced for XLA; on what; and whether a tape is watching.

The only place that touches TensorFlow's private modules, and each touch has a fallback that is right, if slower.
"""

from functools import cache
from types import SimpleNamespace
from typing import Any, Literal

import tensorflow as tf

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


Mode = Literal["eager", "graph", "xla"]


def current() -> Mode:
    """The mode in which operations made now will run."""
    if tf.executing_eagerly():
        return "eager"
    return "xla" if _traced_for_xla(tf.compat.v1.get_default_graph()) else "graph"


@cache
def is_on_cpu() -> bool:
    """Whether this process sees no other devices than CPUs."""
    return all(device.device_type == "CPU" for device in tf.config.get_visible_devices())


def is_vectorized() -> bool:
    """Whether `tf.vectorized_map` is tracing: it makes other operations of those that the code asks for."""
    return "loop_body" in tf.get_current_name_scope()


def tape_is_active() -> bool:
    """Whether a gradient may be asked of operations made now by a tape that is already open."""
    return _tape_is_active()


def has_tangent(x: tf.Tensor) -> bool:
    """Whether a `tf.autodiff.ForwardAccumulator` that is open now follows `x`: it sees through custom gradients."""
    return bool(_pack_tangents([x]).tangents)
