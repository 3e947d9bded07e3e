"""What each test process does before its first test, and what tests of TensorFlow alone ask for."""

import gc
import os
from types import ModuleType

import pytest

# For the dtypes that other backends have; tests/jax_backend says what differs without it. JAX reads it when imported.
os.environ.setdefault("JAX_ENABLE_X64", "1")


def pytest_collection_finish() -> None:
    """TensorFlow and Keras stay for good: collections need not walk their million objects over and over."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def tf() -> ModuleType:
    """TensorFlow, for a test of what it alone has; on another backend the test is skipped."""
    from harness.install import tensorflow_alone

    return tensorflow_alone()
