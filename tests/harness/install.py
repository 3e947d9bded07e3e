"""What some tests need besides the extra "test", and the one line that installs all of it."""

from types import ModuleType

import pytest

from harness.runner import BACKEND

LINE = "pip install '.[test,peers,export,export-jax,legacy]'"


def needs(module: str) -> ModuleType:
    """The module, or a skip that says how to install it."""
    return pytest.importorskip(module, reason=f"{module} is missing: {LINE}")


def tensorflow_alone() -> ModuleType:
    """TensorFlow, for tests of what it alone has, or a skip of the test or the module: the fixture `tf`."""
    if BACKEND != "tensorflow":
        reason = f"TensorFlow alone: Keras runs on {BACKEND}; set KERAS_BACKEND=tensorflow"
        pytest.skip(reason, allow_module_level=True)
    return needs("tensorflow")
