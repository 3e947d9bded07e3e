"""The pooling layers of a model, wherever they stand: in its graph, in wrappers, in classes of the user's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_maxpool.tools.layer_tree import walk
from keras_maxpool.tools.report.layer_kinds import POOLING, wrapped
from keras_maxpool.tools.report.model_graph import Call, Tensor
from keras_maxpool.tools.report.observe import Seen


@dataclass(frozen=True)
class Pooling:
    """One call of a pooling layer, or the layer itself where its calls are not known."""

    path: str
    layer: Any
    inputs: Tensor | None
    outputs: tuple[Tensor, ...]
    call: Call | None
    """Its call in the model's graph, of the layer or of the TimeDistributed around it."""

    @property
    def repeats(self) -> int | None:
        """How often a sample passes the layer: once, or once a time step."""
        if self.call is None or self.call.layer is self.layer:
            return 1
        return self.call.inputs[0].shape[1]


def poolings(model: keras.Model, calls: Sequence[Call], seen: dict[str, Seen]) -> list[Pooling]:
    """All of them: those of the graph in its order, then the others.

    Args:
        model: the model.
        calls: those of its graph, none where it has none.
        seen: what `observe` gave.
    """
    found = [_in_graph(call) for call in calls if isinstance(wrapped(call.layer), POOLING)]
    known = {id(pooling.layer) for pooling in found}
    for place in walk(model):
        if isinstance(place.layer, POOLING) and id(place.layer) not in known:
            told = seen.get(place.path)
            inputs, outputs = (told.inputs, told.outputs) if told else (None, ())
            found.append(Pooling(place.path, place.layer, inputs, outputs, None))
    return found


def _in_graph(call: Call) -> Pooling:
    layer = wrapped(call.layer)
    if layer is call.layer:
        return Pooling(call.path, layer, call.inputs[0], call.outputs, call)
    return Pooling(
        f"{call.path}/{layer.name}",
        layer,
        _one_step(call.inputs[0]),
        tuple(map(_one_step, call.outputs)),
        call,
    )


def _one_step(tensor: Tensor) -> Tensor:
    return Tensor((tensor.shape[0], *tensor.shape[2:]), tensor.dtype)
