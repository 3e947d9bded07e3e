"""How the code is being run: eagerly, traced into a graph, or traced for XLA; and whether a tape is watching.

The only place that touches TensorFlow's private modules, and each touch has a fallback that is right, if slower.
"""

from typing import Literal

import tensorflow as tf

try:
    from tensorflow.python.eager.record import could_possibly_record as _tape_is_active
    from tensorflow.python.ops.control_flow_util import (
        GraphOrParentsInXlaContext as _traced_for_xla,
    )
except ImportError:  # pragma: no cover - a TensorFlow that has moved them

    def _tape_is_active() -> bool:
        return True

    def _traced_for_xla(graph: tf.Graph) -> bool:
        return False


Mode = Literal["eager", "graph", "xla"]


def current() -> Mode:
    """The mode in which operations made now will run."""
    if tf.executing_eagerly():
        return "eager"
    return "xla" if _traced_for_xla(tf.compat.v1.get_default_graph()) else "graph"


def is_vectorized() -> bool:
    """Whether `tf.vectorized_map` is tracing: it makes other operations of those that the code asks for."""
    return "loop_body" in tf.get_current_name_scope()


def tape_is_active() -> bool:
    """Whether a gradient may be asked of operations made now by a tape that is already open."""
    return _tape_is_active()
