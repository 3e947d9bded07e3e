"""How the ops are traced: without autograph, and in graphs of TensorFlow 1."""

import sys

import numpy as np
import pytest
import tensorflow as tf
from harness.assertions import assert_all_same
from harness.runner import run

from keras_maxpool import ops


def every_op(x):
    values, indices = ops.max_pool(x, return_indices=True)
    ops.convert_indices(indices, x.shape, to="onnx")
    ops.max_unpool(values, indices)
    ops.adaptive_max_pool(x, 2)
    ops.fractional_max_pool(x, 1.5, seed=0)
    ops.global_max_pool(x)


def test_autograph_rewrites_no_op():
    """It would take seconds, for nothing."""
    assert set(ops.__all__) <= set(every_op.__code__.co_names)
    names = set()

    def note(frame, event, _):
        if frame.f_code.co_name.startswith("tf__"):
            names.add(frame.f_code.co_name)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        tf.function(every_op).get_concrete_function(tf.TensorSpec((1, 4, 4, 1)))
    finally:
        sys.setprofile(before)
    assert names == {"tf__every_op"}  # the test's own


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
    assert_all_same(found, *expected)
