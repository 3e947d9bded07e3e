"""In a graph the ops run as they are written: autograph would take seconds to rewrite one, for nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import numpy as np
import pytest
import tensorflow as tf

from keras_maxpool import ops

X = np.ones([1, 4, 4, 1], "float32")
INDICES = np.zeros([1, 2, 2, 1], "int64")
CALLS: dict[str, Callable[[], object]] = {
    "adaptive_max_pool": lambda: ops.adaptive_max_pool(X, 2),
    "convert_indices": lambda: ops.convert_indices(INDICES, (1, 4, 4, 1), to="onnx"),
    "fractional_max_pool": lambda: ops.fractional_max_pool(X, 1.5, seed=0),
    "global_max_pool": lambda: ops.global_max_pool(X),
    "max_pool": lambda: ops.max_pool(X),
    "max_unpool": lambda: ops.max_unpool(X[:, :2, :2], INDICES),
}


def rewritten(function: Callable[[], object]) -> set[str]:
    """The names of all functions that autograph has made from others, and that ran in a trace."""
    names = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if frame.f_code.co_name.startswith("tf__"):
            names.add(frame.f_code.co_name)

    def call() -> object:
        return function()

    traced = tf.function(call)
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        traced.get_concrete_function()
    finally:
        sys.setprofile(before)
    return names


@pytest.mark.parametrize("name", ops.__all__)
def test_no_op_is_rewritten(name: str) -> None:
    assert rewritten(CALLS[name]) == {"tf__call"}  # the test's own
