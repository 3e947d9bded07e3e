"""Graphs that may be quantised later: padding repeats elements, and no graph holds a number far from its inputs."""

from functools import partial

import numpy as np
import pytest
import tensorflow as tf
from harness.assertions import assert_all_same
from harness.cases import FORMATS, Config, case, ties
from harness.runner import run, with_gradient
from harness.runner_tensorflow import nodes

from keras_maxpool import ops
from keras_maxpool.backend.tensorflow import converter, padding
from keras_maxpool.backend.tensorflow.context import Context


@pytest.mark.parametrize("pads", [(0, 0), (1, 0), (0, 2), (3, 4)])
def test_the_nearest_element(pads):
    """One gap away, or a whole number of gaps."""
    x, repeats = np.arange(5.0)[None, :, None], Context("graph", repeats=True)
    got = padding.pad(tf.constant(x), [pads], repeats, [1])
    np.testing.assert_array_equal(got, np.pad(x, [(0, 0), pads, (0, 0)], "edge"))
    got = np.ravel(padding.pad(tf.constant(x), [(5, 4)], repeats, [2]))
    np.testing.assert_array_equal(got, [1, 0, 1, 0, 1, 0, 1, 2, 3, 4, 3, 4, 3, 4])


def farthest(function, *specs):
    """The largest float, without its sign, that is in the nodes of a graph, or NaN."""
    constants = [
        tf.make_ndarray(node.attr["value"].tensor)
        for node in nodes(function, *specs)
        if node.op == "Const" and node.attr["dtype"].type == tf.float32.as_datatype_enum
    ]
    return float(np.max([0.0, *(np.abs(constant).max(initial=0) for constant in constants)]))


PLANE = 11, 9
CONFIGS = [
    *(Config(spatial, 3, 2, 1) for spatial in ((11,), PLANE, (5, 7, 5))),
    *(Config((11,), 2, 1, "valid", 2), Config((11,), 3, 1, "causal", 2)),
    *(Config(PLANE, 2, 1, "same_lower"), Config(PLANE, 3, 2, ((1, 0), (0, 2)))),
    *(Config(PLANE, 2, 1, "valid", 2), Config(PLANE, 3, 2, 2, 2), Config(PLANE, 3, 1, "same", 6)),
    *(Config(PLANE, ceil_mode=True), Config(PLANE, 3, 2, "same")),
    Config((3, 3), (1, 3), 1, ((0, 0), (1, 1)), (5, 1)),  # gaps that step over the axis
    Config((3,), 3, 1, "same", 4),  # the middle of each window is real
    *(Config((9,), 3, 2, "same", 2), Config((5, 6), (3, 2), 1, ((2, 2), (1, 0)), (1, 3))),
]


@pytest.mark.parametrize("implementation", ["auto", "shifted"])
@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_no_far_number(config, implementation):
    shapes = (2, *config.spatial, 3), (2, 3, *config.spatial)
    for data_format, shape in zip(FORMATS, shapes, strict=True):
        options = {"data_format": data_format, "implementation": implementation}
        pool = partial(ops.max_pool, **config.arguments, **options, return_indices=True)
        assert farthest(pool, tf.TensorSpec(shape)) < 1e3


@pytest.mark.parametrize("op", [ops.max_pool, ops.global_max_pool], ids=lambda op: op.__name__)
def test_no_far_number_for_a_quantising_runtime(op, monkeypatch):
    monkeypatch.setattr(converter, "target", lambda: ("LiteRT", 8))
    specs = tf.TensorSpec((2, 11, 9, 3)), tf.TensorSpec((2, 11, 9), tf.bool)
    assert farthest(lambda x, mask: op(x, mask=mask), *specs) < 1e3
    assert farthest(lambda x: op(x, nonfinite="ieee"), specs[0]) < 1e3


def test_a_tape_sees_numbers():
    """The gradient through repeated elements takes longer."""
    pool = lambda x: ops.max_pool(x, 3, 2, 1)  # noqa: E731
    spec, upstream = tf.TensorSpec((2, 6, 6, 3)), tf.TensorSpec((2, 3, 3, 3))
    assert "GatherV2" not in {node.op for node in nodes(with_gradient(pool), spec, upstream)}
    assert "GatherV2" in {node.op for node in nodes(pool, spec)}


@pytest.mark.parametrize("implementation", ["auto", "shifted"])
@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_a_gradient_that_is_asked_for_later(config, implementation):
    """The graph was traced without a tape: ties go to the first element even so, not to a copy of another."""
    given = case(config, ties)
    options = {"implementation": implementation, "return_indices": True}
    pool = tf.function(lambda x: ops.max_pool(x, **config.arguments, **options))
    traced = pool.get_concrete_function(tf.TensorSpec(given.x.shape))
    results = run(with_gradient(traced), "eager", given.x, given.upstream)
    assert_all_same(results, given.values, given.indices, given.gradient)
