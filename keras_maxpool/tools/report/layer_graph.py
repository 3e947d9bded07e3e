"""Answers what feeds a layer of a model, and how deep in the model it is."""

from collections.abc import Sequence

from keras_maxpool.tools.observe import Tensor
from keras_maxpool.tools.report.layer_kinds import (
    CONVOLUTIONS,
    SPATIAL,
    SPREADING,
    layers_named,
    wrapped,
)
from keras_maxpool.tools.report.model_graph import Call

MOVES_AXES = layers_named("Permute", "Reshape", "Flatten")


class LayerGraph:
    """The calls of one model."""

    def __init__(self, calls: Sequence[Call]) -> None:
        """Takes the calls in their order; empty where they are not known."""
        self.calls = calls
        self.makers: dict[Tensor, Call] = {out: call for call in calls for out in call.outputs}
        self._depths: dict[Call, int] = {}
        for call in calls:
            before = [self._depths[self.makers[tensor]] for tensor in call.inputs]
            here = isinstance(wrapped(call.layer), (*CONVOLUTIONS, *SPREADING))
            self._depths[call] = max(before, default=0) + here

    def depth(self, call: Call) -> int:
        """Returns the number of convolutions on the longest path from the input to a call, itself included."""
        return self._depths[call]

    def before(self, call: Call) -> list[Call]:
        """Returns the nearest calls before it that are inputs, or that pool or convolve.

        A layer that moves axes ends the search, and is left out.
        """
        found: list[Call] = []
        waiting, visited = [*call.inputs], set[Call]()
        while waiting:
            tensor = waiting.pop()
            maker = self.makers[tensor]
            if maker in visited or isinstance(maker.layer, MOVES_AXES):
                continue
            visited.add(maker)
            if not maker.inputs or isinstance(wrapped(maker.layer), SPATIAL):
                found.append(maker)
            else:
                waiting.extend(maker.inputs)
        return found
