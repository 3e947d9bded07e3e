"""The pooling layers of a model, in its graph, in wrappers, and in classes of the user's own."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_maxpool.tools.layer_tree import walk
from keras_maxpool.tools.observe import LayerCall, Tensor
from keras_maxpool.tools.report.layer_kinds import POOLING, wrapped
from keras_maxpool.tools.report.model_graph import Call


@dataclass(frozen=True)
class Pooling:
    """One call of a pooling layer, or the layer itself where its calls are not known."""

    path: str
    layer: Any
    inputs: Tensor | None
    outputs: tuple[Tensor, ...]
    call: Call | None
    """Its call in the model's graph, of the layer or of the TimeDistributed around it."""
    masked: bool
    """Whether a mask that fits reaches it."""

    @property
    def repeats(self) -> int | None:
        """How often a sample passes the layer: once, or once per time step."""
        if self.call is None or self.call.layer is self.layer:
            return 1
        return self.call.inputs[0].shape[1]


def poolings(
    model: keras.Model, graph: Sequence[Call], observed: Mapping[str, Sequence[LayerCall]]
) -> list[Pooling]:
    """Returns all of them: those of the graph in its order, then the others.

    Args:
        model: the model.
        graph: the calls of its graph, none where it has none.
        observed: what `observe` found of the first call of each layer.
    """
    masked = {path for path, calls in observed.items() if calls and calls[0].mask_fits}
    found = [_in_graph(call, masked) for call in graph if isinstance(wrapped(call.layer), POOLING)]
    known = {id(pooling.layer) for pooling in found}
    for path, layer in ((nested.path, nested.layer) for nested in walk(model)):
        if isinstance(layer, POOLING) and id(layer) not in known:
            first = next(iter(observed.get(path, ())), None)
            inputs, outputs = (first.inputs, first.outputs) if first else (None, ())
            found.append(Pooling(path, layer, inputs, outputs, None, path in masked))
    return found


def _in_graph(call: Call, masked: Collection[str]) -> Pooling:
    layer = wrapped(call.layer)
    if layer is call.layer:
        return Pooling(call.path, layer, call.inputs[0], call.outputs, call, call.path in masked)
    path, outputs = f"{call.path}/{layer.name}", tuple(map(_one_step, call.outputs))
    return Pooling(path, layer, _one_step(call.inputs[0]), outputs, call, path in masked)


def _one_step(tensor: Tensor) -> Tensor:
    return Tensor((tensor.shape[0], *tensor.shape[2:]), tensor.dtype)
