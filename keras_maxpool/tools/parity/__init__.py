"""Parity: `assert_parity` for tests of one's own; `command` compares every layer with the built-in one."""

from keras_maxpool.tools import on_tensorflow  # noqa: F401 isort: skip
from keras_maxpool.tools.parity.assertion import assert_parity

__all__ = ["assert_parity"]
