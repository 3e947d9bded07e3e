"""The rooms of the package: who imports whom, and where array libraries are used."""

import ast
import sys
from pathlib import Path

import pytest
import reference

import keras_maxpool

PACKAGE = Path(keras_maxpool.__file__).parent
ROOMS = ("arguments", "geometry", "backend", "ops", "layers", "tools")
"""Each room imports from itself and from those before it."""
ARRAY_LIBRARIES = {"tensorflow", "numpy", "jax", "torch"}


def imports(path, nodes=ast.walk):
    """What a module imports: dotted names of modules, or of what is in them."""
    found = set()
    for node in nodes(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.update(f"{node.module}.{name.name}" for name in node.names)
    return found


def libraries(path):
    return {name.split(".")[0] for name in imports(path)}


def modules(*rooms):
    """The paths of all modules in the rooms."""
    paths = [path for room in rooms for path in (PACKAGE / room).rglob("*.py")]
    return sorted(paths + [PACKAGE / f"{room}.py" for room in rooms if room == "arguments"])


@pytest.mark.parametrize("room", [*ROOMS, "compat"])
def test_nothing_imports_upwards(room):
    allowed = {*ROOMS[: ROOMS.index(room) + 1], "compat"} if room in ROOMS else {"compat"}
    if room == "tools":
        allowed |= {"__version__", "old_layers"}
    assert modules(room)
    for module in modules(room):
        own = {name.split(".")[1] for name in imports(module) if name.startswith("keras_maxpool.")}
        assert own <= allowed, module


def test_array_libraries_and_keras_stay_in_their_rooms():
    """The backend is used by its seam. Arguments, geometry and plans need no framework at all."""
    for module in modules("arguments", "geometry", "ops", "layers", "compat"):
        if module.name != "keras_2.py":  # Keras 2 is on TensorFlow alone
            assert not libraries(module) & ARRAY_LIBRARIES, module
        assert not [n for n in imports(module) if n.startswith("keras_maxpool.backend.")], module
    for module in [*modules("arguments", "geometry"), PACKAGE / "backend/tensorflow/plan.py"]:
        assert not libraries(module) & (ARRAY_LIBRARIES | {"keras", "tf_keras"}), module
        assert "keras_maxpool.compat.keras" not in imports(module), module


def test_the_reference_shares_no_code():
    """It needs NumPy, the standard library and itself."""
    needed = set().union(*map(libraries, Path(reference.__file__).parent.glob("*.py")))
    assert needed <= sys.stdlib_module_names | {"numpy", "reference"}


@pytest.mark.parametrize("room", ["conformance", "unit"])
def test_tests_that_every_backend_runs_import_none(room):
    for path in (Path(__file__).parents[1] / room).glob("*.py"):
        # What a function imports is its own affair.
        for name in imports(path, lambda module: module.body):
            assert name.split(".")[0] not in ARRAY_LIBRARIES - {"numpy"}, path.name
            assert not name.startswith("harness.runner_"), path.name
