"""Restores further inputs of a layer in a functional model's file from Keras 2, of which Keras 3 reads only names."""

from typing import Any


def revived(argument: Any, values: Any) -> Any:
    """Returns the tensor for `[layer's name, node, output]`, looked up before `values`; other arguments unchanged."""
    if not (isinstance(argument, list) and len(argument) == 3 and isinstance(argument[0], str)):
        return argument
    name, node, output = argument
    waiting, visited = [values], set()
    while waiting:
        operation = waiting.pop()._keras_history.operation
        if operation.name == name:
            return operation._inbound_nodes[node].output_tensors[output]
        if operation not in visited:
            visited.add(operation)
            waiting += [x for known in operation._inbound_nodes for x in known.input_tensors]
    raise ValueError(
        f"The file names an input of the layer that Keras 3 does not read from Keras 2's files; received {argument!r}, "
        "which is no layer that leads to the values. Load it with TF_USE_LEGACY_KERAS=1."
    )
