"""What each test process does before its first test."""

import gc


def pytest_collection_finish() -> None:
    """TensorFlow and Keras stay for good: collections need not walk their million objects over and over."""
    gc.collect()
    gc.freeze()
