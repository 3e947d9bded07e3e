"""Turns a functional or Sequential model into a flat list of calls: nested models are opened."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_maxpool.tools.observe import Tensor


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer or operation; a model's input is a call without inputs."""

    path: str
    layer: Any
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


class NoGraphError(Exception):
    """The connections of the model's layers are not known; the message says why, in a few words."""


def calls(model: keras.Model) -> list[Call]:
    """Returns all calls, each after those whose outputs it reads; masks are left out.

    A layer that is called again has "(call 2)" after its path.

    Raises:
        NoGraphError: the model is neither functional nor a Sequential one with known inputs.
    """
    found: list[Call] = []
    _open(model, None, "", found, Counter())
    return found


def is_keras_own(layer: Any) -> bool:
    """Returns whether what the layer computes is written in Keras or here, and not in a class of the user's own."""
    code = type(layer).call
    return getattr(code, "__module__", "").startswith(("keras.", "keras_maxpool."))


def _open(
    model: keras.Model,
    given: Sequence[Tensor] | None,
    prefix: str,
    found: list[Call],
    times: Counter[str],
) -> list[Tensor]:
    """Adds a model's calls on the given tensors, or on inputs of its own; returns its outputs."""
    function = _function(model)
    tensors: dict[int, Tensor] = {}
    if given is not None:
        tensors = {id(t): g for t, g in zip(function.inputs, given, strict=True)}
    # Keras has no public API for the calls of a functional model.
    nodes = function._nodes_by_depth
    for node in (node for depth in sorted(nodes, reverse=True) for node in nodes[depth]):
        layer = node.operation
        if node.is_input and given is not None:
            continue
        sources = _sources(node)
        inputs = tuple(tensors[id(source)] for source in sources)
        path = f"{prefix}{layer.name}"
        times[path] += 1
        label = path if times[path] == 1 else f"{path} (call {times[path]})"
        if _opens(layer, node):
            results = _open(layer, inputs, f"{path}/", found, times)
        else:
            results = _outputs(node, sources, tensors)
            found.append(Call(label, layer, inputs, tuple(results)))
        tensors.update(zip(map(id, node.output_tensors), results, strict=True))
    return [tensors[id(tensor)] for tensor in function.outputs]


def _function(model: keras.Model) -> Any:
    if not is_keras_own(model):
        raise NoGraphError(f"{type(model).__name__} is a class with code of its own")
    if hasattr(model, "operations"):
        return model
    if not isinstance(model, keras.Sequential):
        raise NoGraphError(f"{type(model).__name__} is no functional model")
    if not model.built or not model.layers:
        raise NoGraphError("the model has no input shape yet; begin it with keras.Input(shape)")
    return keras.Model(model.inputs, model.outputs)


def _opens(layer: Any, node: Any) -> bool:
    """Returns whether a layer is a model to open. A dict of inputs would need Keras's own matching of names."""
    if not isinstance(layer, keras.Model) or isinstance(
        next(iter(node.arguments.args), None), dict
    ):
        return False
    try:
        return len(_function(layer).inputs) == len(_sources(node))
    except NoGraphError:
        return False


def _sources(node: Any) -> list[keras.KerasTensor]:
    """Returns the tensors that a call computes with."""
    kwargs = {key: value for key, value in node.arguments.kwargs.items() if key != "mask"}
    leaves = keras.tree.flatten((node.arguments.args, kwargs))
    return [leaf for leaf in leaves if isinstance(leaf, keras.KerasTensor)]


def _outputs(node: Any, sources: list[Any], tensors: dict[int, Tensor]) -> list[Tensor]:
    """Returns a call's outputs, with all that is known of its inputs: a nested model may know less."""
    outputs = node.output_tensors
    if any(tensors[id(source)].shape != tuple(source.shape) for source in sources):

        def informed(leaf: Any) -> Any:
            if id(leaf) not in tensors:
                return leaf
            return keras.KerasTensor(tensors[id(leaf)].shape, leaf.dtype)

        arguments = node.arguments
        args, kwargs = keras.tree.map_structure(informed, (arguments.args, arguments.kwargs))
        try:
            outputs = keras.tree.flatten(node.operation.compute_output_spec(*args, **kwargs))
        except Exception:  # of the user's own layers; the shapes stay as they were
            outputs = node.output_tensors
    return [Tensor(tuple(output.shape), str(output.dtype)) for output in outputs]
