"""What each test process does before its first test."""

import gc
import os

# For the dtypes that other backends have; tests/jax_backend says what differs without it. JAX reads it when imported.
os.environ.setdefault("JAX_ENABLE_X64", "1")


def pytest_collection_finish() -> None:
    """TensorFlow and Keras stay for good: collections need not walk their million objects over and over."""
    gc.collect()
    gc.freeze()
