"""The layers of a model, with where they stand."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras


@dataclass(frozen=True)
class Place:
    """One layer or operation: the names that lead to it, joined by slashes, and what holds it."""

    path: str
    layer: Any
    holder: Any


def walk(model: keras.Model) -> Iterator[Place]:
    """What a model holds, at any depth, outermost first; what is shared comes once."""
    yield from _below(model, "", {id(model)})


def _below(holder: Any, path: str, seen: set[int]) -> Iterator[Place]:
    for child in _children(holder):
        if id(child) not in seen:
            seen.add(id(child))
            place = Place(f"{path}{child.name}", child, holder)
            yield place
            yield from _below(child, f"{place.path}/", seen)


def _children(holder: Any) -> list[Any]:
    """Of a functional model all operations, of another layer all layers."""
    if not isinstance(holder, keras.Layer):
        return []
    # Keras has no public way into a wrapper or a layer of the user's own.
    layers = list(holder._flatten_layers(include_self=False, recursive=False))
    return [*getattr(holder, "operations", ()), *layers]
