"""The layers of a model at any depth, with the path to each."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras


@dataclass(frozen=True)
class NestedLayer:
    """One layer or operation: the names that lead to it, joined by slashes, and the layer that holds it."""

    path: str
    layer: Any
    parent: Any


def walk(model: keras.Model) -> Iterator[NestedLayer]:
    """Yields all that a model holds, outermost first; a shared layer once."""
    yield from _below(model, "", {id(model)})


def _below(parent: Any, prefix: str, known: set[int]) -> Iterator[NestedLayer]:
    for child in _children(parent):
        if id(child) not in known:
            known.add(id(child))
            path = f"{prefix}{child.name}"
            yield NestedLayer(path, child, parent)
            yield from _below(child, f"{path}/", known)


def _children(parent: Any) -> list[Any]:
    """Returns all operations of a functional model, all layers of another layer."""
    if not isinstance(parent, keras.Layer):
        return []
    # Keras has no public API for the layers in a wrapper or in a layer of the user's own.
    layers = list(parent._flatten_layers(include_self=False, recursive=False))
    return [*getattr(parent, "operations", ()), *layers]
