"""Restores the inputs of a layer after the first from a file of Keras 2, of which Keras 3 reads only the names."""

from typing import Any


def revived(argument: Any, values: Any) -> Any:
    """Returns the tensor that `[layer's name, node, output]` names, found upstream of `values`; others unchanged."""
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
        "which is no layer upstream of the values. Load it with TF_USE_LEGACY_KERAS=1."
    )
