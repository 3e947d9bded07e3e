"""The rooms of the package: who imports whom, and where array libraries are used."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import keras_maxpool

PACKAGE = Path(keras_maxpool.__file__).parent
ROOMS = ("arguments", "geometry", "backend", "ops", "layers", "tools")
"""Each room imports from itself and from those before it."""
FREE_OF_ARRAYS = ("arguments", "geometry", "ops", "layers", "compat")
ARRAY_LIBRARIES = {"tensorflow", "numpy", "jax", "torch"}
MODULES = sorted(
    path.relative_to(PACKAGE).as_posix()
    for path in PACKAGE.rglob("*.py")
    if path.relative_to(PACKAGE).parts[0].removesuffix(".py") in (*ROOMS, "compat")
)


def imports(module: str) -> set[str]:
    """What a module imports: dotted names of modules, or of what is in them."""
    found = set()
    for node in ast.walk(ast.parse((PACKAGE / module).read_text())):
        if isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.update(f"{node.module}.{name.name}" for name in node.names)
    return found


def room(module: str) -> str:
    return module.removesuffix(".py").split("/")[0]


@pytest.mark.parametrize("module", MODULES)
def test_nothing_imports_upwards(module: str) -> None:
    own = {name.split(".")[1] for name in imports(module) if name.startswith("keras_maxpool.")}
    allowed = set(ROOMS[: ROOMS.index(room(module)) + 1]) if room(module) in ROOMS else set()
    if room(module) == "tools":
        allowed |= {"__version__", "old_layers"}
    assert own <= allowed | {"compat"}


@pytest.mark.parametrize("module", [m for m in MODULES if room(m) in FREE_OF_ARRAYS])
def test_no_array_library(module: str) -> None:
    if module == "compat/keras_2.py":
        return  # Keras 2 is on TensorFlow alone
    assert not {name.split(".")[0] for name in imports(module)} & ARRAY_LIBRARIES


@pytest.mark.parametrize("module", [m for m in MODULES if room(m) in ("layers", "ops")])
def test_the_backend_is_used_by_its_seam(module: str) -> None:
    assert not [name for name in imports(module) if name.startswith("keras_maxpool.backend.")]


@pytest.mark.parametrize(
    "module",
    ["arguments.py", *(m for m in MODULES if room(m) == "geometry"), "backend/tensorflow/plan.py"],
)
def test_no_keras(module: str) -> None:
    """Arguments, geometry and plans can be read, tested and replaced without any framework."""
    libraries = ARRAY_LIBRARIES | {"keras", "tf_keras"}
    assert not {name.split(".")[0] for name in imports(module)} & libraries
    assert "keras_maxpool.compat.keras" not in imports(module)
