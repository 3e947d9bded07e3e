"""How the ops are traced: without autograph, and in graphs of TensorFlow 1."""

import sys

import numpy as np
import pytest
import tensorflow as tf
from harness.runner import run

from keras_maxpool import ops
from keras_maxpool.backend.tensorflow import context

ONES = np.ones([1, 4, 4, 1], "float32")
INDICES = np.zeros([1, 2, 2, 1], "int64")
CALLS = {
    "adaptive_max_pool": lambda: ops.adaptive_max_pool(ONES, 2),
    "convert_indices": lambda: ops.convert_indices(INDICES, (1, 4, 4, 1), to="onnx"),
    "fractional_max_pool": lambda: ops.fractional_max_pool(ONES, 1.5, seed=0),
    "global_max_pool": lambda: ops.global_max_pool(ONES),
    "max_pool": lambda: ops.max_pool(ONES),
    "max_unpool": lambda: ops.max_unpool(ONES[:, :2, :2], INDICES),
}


@pytest.mark.parametrize("name", ops.__all__)
def test_autograph_rewrites_no_op(name):
    """It would take seconds, for nothing."""
    names = set()

    def note(frame, event, _):
        if frame.f_code.co_name.startswith("tf__"):
            names.add(frame.f_code.co_name)

    def call():
        return CALLS[name]()

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        tf.function(call).get_concrete_function()
    finally:
        sys.setprofile(before)
    assert names == {"tf__call"}  # the test's own


X = np.random.default_rng(5).permutation(2 * 6 * 5 * 2).reshape(2, 6, 5, 2).astype("float32")
MASK = np.random.default_rng(6).random((2, 6, 5)) > 0.3
POOLINGS = {
    "max_pool": lambda x: ops.max_pool(x, 3, 1, return_indices=True),
    "ieee": lambda x: ops.max_pool(x, 3, 1, nonfinite="ieee", return_indices=True),
    "shifted": lambda x: ops.max_pool(x, 3, 1, implementation="shifted", return_indices=True),
    "mask": lambda x: ops.max_pool(x, 2, mask=MASK, return_indices=True),
    "global": lambda x: ops.global_max_pool(x, mask=MASK, return_indices=True),
    "adaptive": lambda x: ops.adaptive_max_pool(x, (4, 3), return_indices=True),
}


@pytest.mark.parametrize("name", POOLINGS)
def test_a_graph_of_tensorflow_1(name):
    """Outside of `tf.function`, `==` between tensors compares their identities."""

    def results(x):
        values, indices = POOLINGS[name](x)
        return values, indices, tf.gradients(tf.reduce_sum(values**2), x)[0]

    expected = run(results, "graph", X)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        found = session.run(results(tf.constant(X)))
    for result, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(result, wanted)


def test_what_this_machine_has():
    kinds = {device.device_type for device in tf.config.list_physical_devices()}
    assert context.is_on_cpu() == (kinds == {"CPU"})
