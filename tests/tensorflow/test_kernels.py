"""The kernels, called directly: their graphs, the sizes at which they have a seam, and inputs without elements."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.assertions import assert_all_same, assert_same
from harness.cases import Config, case, distinct, ties
from harness.runner import run, with_gradient
from harness.runner_tensorflow import nodes

from keras_maxpool.backend.tensorflow.context import current_context
from keras_maxpool.backend.tensorflow.kernels import KERNELS
from keras_maxpool.backend.tensorflow.kernels.native import guarded
from keras_maxpool.geometry.window import parse
from keras_maxpool.ops import max_pool


def kernel(name, config):
    window = parse(config.rank, **config.arguments)
    return lambda x: KERNELS[name](x, window, current_context(x))


def operations(function, *specs):
    """How many of each operation a traced graph holds, those of its functions included."""
    found = Counter(node.op for node in nodes(function, *specs))
    found["pads"] = found["PadV2"] + found["Pad"]
    return found


NOTHING = ("Placeholder", "Identity", "IdentityN", "NoOp")


def check(name, config, *fills, mode="eager"):
    """Values and gradient."""
    for fill in fills:
        given, function = case(config, fill), with_gradient(kernel(name, config))
        results = run(function, mode, given.x, given.upstream)
        assert_all_same(results, given.values, given.gradient)


def plane(*window):
    return Config((8, 8), *window)


IN_3D, SAME = Config((4, 4, 4)), plane(3, 2, "same")
# A kernel, a pooling, the number of channels, and how many of some operations are in the graph.
GRAPHS = [
    # Padding: of the input, and of the bias that turns its zeros into -inf.
    ("direct", Config((7, 6), 3, 2, 1), 3, {"MaxPool": 1, "pads": 2}),
    ("direct", plane(1), 16, {"MaxPool": 0}),
    ("separable", plane(1), 16, {"MaxPool": 0}),
    # Once along each axis.
    *(
        ("separable", Config((8, 6, 4)[:n], 2, 2, "same"), 3, {"MaxPool": n, "pads": 0})
        for n in (1, 2, 3)
    ),
    # The innermost axis of thin inputs is pooled between two transposes.
    ("separable", Config((8,)), 3, {"Transpose": 0}),
    ("separable", plane(), 3, {"Transpose": 2, "MaxPool3D": 0}),
    ("separable", IN_3D, 15, {"Transpose": 2}),
    ("separable", plane(), 16, {"Transpose": 0}),
    ("separable", plane(), None, {"Transpose": 0}),
    # "same" with one gap or more on both sides is left to the operation.
    ("separable", Config((8,), 3, 1, "same", 2), 3, {"pads": 0}),
    ("separable", Config((8,), 2, 1, "same", 2), 3, {"pads": 2}),
    ("separable", Config((8,), 3, 2, "same", 2), 3, {"pads": 2}),
    # All views at once, one less maximum than views.
    ("shifted", plane(3, 1), 16, {"Maximum": 8, "Reshape": 0, "MaxPool": 0, "pads": 0}),
    ("shifted", plane(3, 1), None, {"Maximum": 8, "Reshape": 0}),
    ("shifted", Config((12,), 9, 1), 3, {"Maximum": 8, "Reshape": 0}),
    ("shifted", Config((4, 4, 4), 2, (2, 2, 1)), 16, {"Maximum": 7, "Reshape": 0}),
    # Axis by axis.
    ("shifted", plane((2, 5), 1), 16, {"Maximum": 1 + 4, "Reshape": 0}),
    ("shifted", IN_3D, 16, {"Maximum": 1 + 1 + 1, "Reshape": 0, "MaxPool3D": 0}),
    # Thin inputs, with the innermost axis merged with the channels while no step is longer than 1.
    ("shifted", plane(3, 1), 15, {"Maximum": 2 + 2, "Reshape": 4}),
    ("shifted", plane(3, 2), 15, {"Maximum": 2 + 2, "Reshape": 2}),
    # In steps: over 4, then over 3 of those.
    ("shifted", Config((12,), 10, 1), 16, {"Maximum": 3 + 2, "Reshape": 0}),
    ("shifted", Config((12, 8), (12, 1), 1), 16, {"Maximum": 3 + 2, "Reshape": 0}),
    ("shifted", plane((6, 2), 1), 16, {"Maximum": (3 + 1) + 1, "Reshape": 0}),
    # Padded inputs that one step pools without gaps are not copied: the views are gathered.
    ("shifted", SAME, 16, {"GatherV2": 9}),
    ("shifted", plane(3, 2), 16, {"GatherV2": 0}),
    ("shifted", SAME, 15, {"GatherV2": 0}),
    ("shifted", plane(3, 1, "same", 2), 16, {"GatherV2": 0}),
    ("shifted", plane(4, 1, "same"), 16, {"GatherV2": 0}),
]


@pytest.mark.parametrize(("name", "config", "channels", "counts"), GRAPHS, ids=str)
def test_graph(name, config, channels, counts):
    spec = tf.TensorSpec((2, *config.spatial, channels))
    found = operations(kernel(name, config), spec)
    assert {operation: found[operation] for operation in counts} == counts


def test_direct_leaves_one_node():
    """As exporters like it, where no gradient is asked for. IdentityN carries its rule, which inference drops."""
    for padding, *shape in [
        *(("valid", 2, 8, 8, 3), ("same", None, 8, 8, 3), ("valid", None, None, None, 3)),
        *(("same", None, None, None, None), ("valid", 2, 4, 4, 4, 3)),
    ]:
        pool = kernel("direct", Config((8,) * (len(shape) - 2), 2, 2, padding))
        ours = operations(pool, tf.TensorSpec(shape))
        assert (ours["MaxPool"] + ours["MaxPool3D"], ours["pads"]) == (1, 0)
        assert ours.keys() <= {"MaxPool", "MaxPool3D", "pads", *NOTHING}


def test_direct_leaves_explicit_pads_to_the_operation_without_a_tape():
    for config in (Config((9,), 3, 2, ((1, 2),)), Config((7, 6), (3, 2), 2, ((1, 0), (0, 1)))):
        given = case(config, distinct)
        assert_same(run(kernel("direct", config), "eager", given.x), given.values)


def test_direct_guards_a_taped_pool_of_unknown_shape():
    """An empty batch would end the process in the gradient: the input is padded where it is empty."""
    function = with_gradient(kernel("direct", plane()))
    assert operations(function, *[tf.TensorSpec([None, None, None, 3])] * 2)["Pad"] > 0
    taped = operations(function, tf.TensorSpec([2, 8, 8, 3]), tf.TensorSpec([2, 4, 4, 3]))
    # The backward pass brings a MaxPool of its own, which the optimiser merges with the first.
    assert (taped["Pad"], taped["MaxPool"], taped["MaxPoolGrad"]) == (0, 2, 1)


def test_shifted_strides_beyond_inputs_of_unknown_size():
    """Where nothing but TensorFlow's own minimum of sizes would do."""
    for size in (3, 6, 9):
        check("shifted", Config((size,), 2, 7, ((0, 1),)), distinct, mode="unknown")


# Where kernels have a seam


@pytest.mark.parametrize("stride", range(1, 7))
def test_separable_strides_and_gaps(stride):
    """Gaps coprime to the stride, equal, multiples and with a common divisor, at sizes near the window's."""
    for gap, pool in product(range(1, 7), (2, 3)):
        length = (pool - 1) * gap + 1
        for more in (0, 1, stride, 2 * stride + 1):
            check("separable", Config((length + more,), pool, stride, "valid", gap), ties)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_long_windows(padding, name):
    """Kernels that take a window in steps have a seam at every step."""
    for pool, stride in product([1, 2, 4, 5, 6, 9, 16, 17, 21, 40], (1, 3)):
        check(name, Config((45,), pool, stride, padding), distinct, ties)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    ("name", "stride", "gap"),
    [(name, stride, 1) for name in KERNELS for stride in (1, 2)]
    + [(name, 1, 2) for name in KERNELS if name != "direct"],
)
def test_many_and_few_channels(name, stride, gap, rank):
    """Where a kernel treats thin inputs otherwise."""
    config = Config((6, 7, 4)[:rank], (3, 3, 1)[:rank], (stride, stride, 1)[:rank], "same", gap)
    for channels in (1, 15, 16):
        rng = np.random.default_rng(channels)
        x = rng.integers(-1, 2, (2, *config.spatial, channels)).astype("float32")
        values, indices = reference.pool(x, **config.arguments)
        upstream = rng.integers(1, 4, values.shape).astype("float32")
        actual, gradient = run(with_gradient(kernel(name, config)), "eager", x, upstream)
        assert_same(actual, values)
        if name != "direct" or rank < 3:
            assert_same(gradient, reference.gradient(x.shape, indices, upstream, dtype="float32"))


# The guard: what a formula sees of inputs that have no elements

LEAST = [1, 2, 3, 1]


@pytest.mark.parametrize("known", [True, False])
def test_a_formula_never_sees_fewer_elements_than_it_needs(known):
    seen = []

    def formula(x):
        tf.py_function(lambda n: seen.append(n.numpy().tolist()), [tf.shape(x)], [])
        return x + 1

    for missing in range(4):
        sizes = [4, 5, 6, 2]
        sizes[missing] = 0
        spec = tf.TensorSpec(sizes if known else [None] * 4)
        guard = tf.function(lambda x: guarded(formula, x, LEAST), input_signature=[spec])
        assert guard(tf.zeros(sizes)).shape.as_list() == sizes
        sizes[missing] = LEAST[missing]
        assert seen.pop() == sizes


def test_where_nothing_is_missing_the_formula_alone():
    guard = lambda x: guarded(lambda x: x + 1, x, LEAST)  # noqa: E731
    assert operations(guard, tf.TensorSpec([4, 5, 6, 2]))["Pad"] == 0
    assert operations(guard, tf.TensorSpec([None, 5, 6, 2]))["Pad"] == 1
    x = np.arange(240.0).reshape(4, 5, 6, 2)
    assert_same(run(guard, "unknown", x), x + 1)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_few_elements_are_enough(rank):
    """One per axis for "same" with a gradient, where no size is known."""
    spec, more = tf.TensorSpec([None] * (rank + 1) + [1]), [4] * (rank - 1)
    x = np.arange(6.0, dtype="float32").reshape(1, *[1] * (rank - 1), 6, 1)
    pool = kernel("direct", Config(x.shape[1:-1], 2, 2, "same"))
    y, gradient = run(with_gradient(pool), "unknown", x, np.ones_like(x[..., ::2, :]))
    assert np.ravel(y).tolist() == [1, 3, 5]
    assert np.ravel(gradient).tolist() == [0, 1, 0, 1, 0, 1]
    # An axis turns out to have none, or is known to.
    same = lambda x: max_pool(x, 2, padding="same")  # noqa: E731
    pooled = tf.function(same, input_signature=[spec])(np.zeros((3, 0, *more, 1)))
    assert pooled.shape == (3, 0, *[2] * (rank - 1), 1)
    pool = kernel("direct", Config((0, *more), 2, 2, "same"))
    pooled = tf.function(pool, input_signature=[tf.TensorSpec([None, 0, *more, 3])])
    assert pooled(tf.zeros([5, 0, *more, 3])).shape == (5, 0, *[2] * (rank - 1), 3)
