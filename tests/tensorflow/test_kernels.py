"""The kernels, called directly: what they compute, what graph they leave, and whom a tie favours."""

from __future__ import annotations

import inspect
from collections import Counter
from math import gcd

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.assertions import assert_same
from harness.cases import Config, case, distinct, ties
from harness.runner import run, with_gradient
from harness.runner_tensorflow import nodes

from keras_maxpool.backend.tensorflow.context import current_context
from keras_maxpool.backend.tensorflow.kernels import KERNELS
from keras_maxpool.geometry.window import Window, parse

PLAIN = [
    Config((9,), 3, 2, "same"),
    Config((10,), 2, 3),
    Config((6,), 3, 20, ((2, 2),)),
    Config((6, 7), (3, 2), (2, 1), "same"),
    Config((7, 6), 3, 2, 1),
    Config((6, 7), 2, (3, 2), "valid", 1, True),
    Config((5, 4, 6), (2, 3, 2), (1, 2, 3), "same_lower"),
    Config((4, 4, 5), 2),
]
GAPS = [
    Config((13,), 3, 1, "causal", 3),
    Config((9, 8), (3, 2), (2, 3), "same", (2, 1)),
    Config((5, 4, 6), (2, 3, 2), (1, 2, 3), ((1, 0), (1, 2), (0, 1)), (2, 1, 1), True),
]
WITH_KERNELS = [
    (name, config)
    for name in KERNELS
    for config in PLAIN + GAPS
    if name != "direct" or not config.dilated
]


def window(config: Config) -> Window:
    return parse(config.rank, **config.arguments)


def kernel(name: str, config: Config):
    return lambda x: KERNELS[name](x, window(config), current_context(x))


def operations(function, *specs: tf.TensorSpec) -> Counter:
    """How many of each operation a traced graph holds, those of its functions included."""
    return Counter(node.op for node in nodes(function, *specs))


def test_one_signature() -> None:
    assert list(KERNELS) == ["direct", "separable", "shifted"]
    for name, function in KERNELS.items():
        assert function.__name__ == name
        taken = list(inspect.signature(function).parameters)[:3]
        assert taken == ["x", "window", "context"]


@pytest.mark.parametrize(("name", "config"), WITH_KERNELS, ids=str)
def test_values_and_gradients(name: str, config: Config) -> None:
    given = case(config, distinct)
    values, gradient = run(with_gradient(kernel(name, config)), "eager", given.x, given.upstream)
    assert_same(values, given.values)
    assert_same(gradient, given.gradient)


@pytest.mark.parametrize(("name", "config"), WITH_KERNELS, ids=str)
def test_ties_go_to_the_first(name: str, config: Config) -> None:
    """But for direct in 3D, whose own gradient is why folded lends it another."""
    given = case(config, ties)
    _, gradient = run(with_gradient(kernel(name, config)), "eager", given.x, given.upstream)
    if name != "direct" or config.rank < 3:
        assert_same(gradient, given.gradient)
    else:
        assert gradient.sum() >= given.upstream.sum()


@pytest.mark.parametrize("name", ["separable", "shifted"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_equal_elements_leave_one_gradient_a_window(rank: int, name: str) -> None:
    x = np.zeros((1, *[4] * rank, 1), "float32")
    upstream = np.arange(1, 1 + 2**rank, dtype="float32").reshape(1, *[2] * rank, 1)
    _, gradient = run(with_gradient(kernel(name, Config((4,) * rank))), "eager", x, upstream)
    corners = (0, *[slice(None, None, 2)] * rank, 0)
    assert_same(gradient[corners], upstream[0, ..., 0])
    assert np.count_nonzero(gradient) == 2**rank


# The graphs


@pytest.mark.parametrize("shape", [(2, 8, 8, 3), (None, 8, 8, 3), (None, None, None, 3)], ids=str)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_direct_leaves_one_node(padding: str, shape: tuple) -> None:
    """As exporters like it: a plain 2D pool, and no gradient asked for."""
    ours = operations(kernel("direct", Config((8, 8), 2, 2, padding)), tf.TensorSpec(shape))
    assert ours["MaxPool"] == 1
    assert ours.keys() <= {"Placeholder", "MaxPool", "Identity", "IdentityN", "NoOp"}


def test_windows_of_one_element_leave_no_node() -> None:
    for name in ("direct", "separable"):
        ours = operations(kernel(name, Config((8, 8), 1)), tf.TensorSpec((2, 8, 8, 16)))
        assert ours["MaxPool"] == 0


def test_direct_leaves_one_node_in_3d() -> None:
    ours = operations(kernel("direct", Config((4, 4, 4))), tf.TensorSpec((2, 4, 4, 4, 3)))
    assert ours["MaxPool3D"] == 1
    # IdentityN carries the gradient's own rule; inference drops it.
    assert ours.keys() <= {"Placeholder", "MaxPool3D", "Identity", "IdentityN", "NoOp"}


def test_direct_pads_once() -> None:
    ours = operations(kernel("direct", Config((7, 6), 3, 2, 1)), tf.TensorSpec((2, 7, 6, 3)))
    # The input, and the bias that turns its zeros into -inf.
    assert (ours["MaxPool"], ours["PadV2"] + ours["Pad"]) == (1, 2)


def test_direct_guards_a_taped_pool_of_unknown_shape() -> None:
    """An empty batch would end the process in the gradient: the input is padded where it is empty."""
    function = with_gradient(kernel("direct", Config((8, 8))))
    unknown, known = [None, None, None, 3], [2, 8, 8, 3]
    specs = [tf.TensorSpec(unknown), tf.TensorSpec(unknown)]
    assert operations(function, *specs)["Pad"] > 0
    specs = [tf.TensorSpec(known), tf.TensorSpec([2, 4, 4, 3])]
    taped = operations(function, *specs)
    # The backward pass brings a MaxPool of its own, which the optimiser merges with the first.
    assert (taped["Pad"], taped["MaxPool"], taped["MaxPoolGrad"]) == (0, 2, 1)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_separable_pools_each_axis_once(rank: int) -> None:
    config = Config((8, 6, 4)[:rank], 2, 2, "same")
    ours = operations(kernel("separable", config), tf.TensorSpec((2, *config.spatial, 3)))
    assert ours["MaxPool"] == rank
    assert ours["PadV2"] + ours["Pad"] + ours["MaxPool3D"] == 0


@pytest.mark.parametrize(
    ("spatial", "channels", "transposes"),
    [
        ((8,), 3, 0),
        ((8, 6), 3, 2),
        ((8, 6, 4), 15, 2),
        ((8, 6), 16, 0),
        ((8, 6), None, 0),
    ],
    ids=str,
)
def test_separable_fills_vectors_with_other_axes(
    spatial: tuple, channels: int | None, transposes: int
) -> None:
    """The innermost axis of thin inputs, which is pooled between two transposes."""
    ours = operations(kernel("separable", Config(spatial)), tf.TensorSpec((2, *spatial, channels)))
    assert ours["Transpose"] == transposes


@pytest.mark.parametrize(("pool", "stride", "pads"), [(3, 1, 0), (2, 1, 2), (3, 2, 2)])
def test_separable_leaves_whole_gaps_to_the_operation(pool: int, stride: int, pads: int) -> None:
    """Of "same" padding, where it is one gap or more on both sides."""
    config = Config((8,), pool, stride, "same", 2)
    ours = operations(kernel("separable", config), tf.TensorSpec((2, 8, 3)))
    assert ours["PadV2"] + ours["Pad"] == pads


@pytest.mark.parametrize(
    ("spatial", "pool", "stride", "channels", "maxima", "reshapes"),
    [
        # All views at once, one less maximum than views.
        ((8, 8), 3, 1, 16, 8, 0),
        ((8, 8), 3, 1, 33, 8, 0),
        ((8, 8), 3, 1, None, 8, 0),
        ((8, 8), 2, 1, 16, 3, 0),
        ((12,), 9, 1, 3, 8, 0),
        ((4, 4, 4), 2, 1, 16, 7, 0),
        ((4, 4, 4), 2, (2, 2, 1), 16, 7, 0),
        # Axis by axis.
        ((8, 8), (2, 5), 1, 16, 1 + 4, 0),
        ((4, 4, 4), 2, 2, 16, 1 + 1 + 1, 0),
        # Thin inputs, with the innermost axis folded into the channels while no step is longer than 1.
        ((8, 8), 3, 1, 15, 2 + 2, 4),
        ((8, 8), 3, 2, 15, 2 + 2, 2),
        # In steps: over 4, then over 3 of those.
        ((12,), 10, 1, 16, 3 + 2, 0),
        ((12, 8), (10, 1), 1, 16, 3 + 2, 0),
        ((12, 8), (12, 1), 1, 16, 3 + 2, 0),
        ((12, 8), (6, 2), 1, 16, (3 + 1) + 1, 0),
    ],
    ids=str,
)
def test_shifted_takes_few_maxima(
    spatial: tuple, pool: object, stride: object, channels: int | None, maxima: int, reshapes: int
) -> None:
    config = Config(spatial, pool, stride)
    ours = operations(kernel("shifted", config), tf.TensorSpec((2, *spatial, channels)))
    assert (ours["Maximum"], ours["Reshape"]) == (maxima, reshapes)


@pytest.mark.parametrize(
    ("config", "channels", "gathers"),
    [
        (Config((9, 8), 3, 2, "same"), 16, 9),
        (Config((9, 8), 3, 2), 16, 0),
        (Config((9, 8), 3, 2, "same"), 15, 0),
        (Config((9, 8), 3, 1, "same", 2), 16, 0),
        (Config((9, 8), 4, 1, "same"), 16, 0),
    ],
    ids=str,
)
def test_shifted_makes_no_padded_copy(config: Config, channels: int, gathers: int) -> None:
    """Of an input that one step pools without gaps: its views are gathered."""
    spec = tf.TensorSpec((2, *config.spatial, channels))
    assert operations(kernel("shifted", config), spec)["GatherV2"] == gathers


@pytest.mark.parametrize("config", [Config((9,), 5, 1), Config((9, 8), 3, 2, "same")], ids=str)
def test_shifted_uses_no_pooling_operation(config: Config) -> None:
    ours = operations(kernel("shifted", config), tf.TensorSpec((2, *config.spatial, 3)))
    assert not [name for name in ours if "Pool" in name]


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("config", PLAIN, ids=str)
def test_static_shape(config: Config, name: str) -> None:
    shape = (2, *config.spatial, 3)
    concrete = tf.function(kernel(name, config)).get_concrete_function(tf.TensorSpec(shape))
    assert tuple(concrete.output_shapes) == case(config).values.shape


@pytest.mark.parametrize("size", [3, 6, 9])
def test_shifted_strides_beyond_inputs_of_unknown_size(size: int) -> None:
    """Where nothing but TensorFlow's own minimum of sizes would do."""
    config = Config((size,), 2, 7, ((0, 1),))
    given = case(config)
    function = with_gradient(kernel("shifted", config))
    traced = tf.function(function, autograph=False, input_signature=[tf.TensorSpec([None] * 3)] * 2)
    values, gradient = traced(given.x, given.upstream)
    assert_same(values.numpy(), given.values)
    assert_same(gradient.numpy(), given.gradient)


@pytest.mark.parametrize("name", KERNELS)
def test_channels_alone_are_unknown(name: str) -> None:
    config = Config((6, 7), (3, 2), (2, 1), "same")
    given = case(config)
    specs = [tf.TensorSpec([*array.shape[:-1], None]) for array in (given.x, given.upstream)]
    function = with_gradient(kernel(name, config))
    traced = tf.function(function, autograph=False, input_signature=specs)
    values, gradient = traced(given.x, given.upstream)
    assert_same(values.numpy(), given.values)
    assert_same(gradient.numpy(), given.gradient)


@pytest.mark.parametrize("name", ["separable", "shifted"])
def test_no_padding_pads_nothing(name: str) -> None:
    ours = operations(kernel(name, Config((8, 6), 2)), tf.TensorSpec((2, 8, 6, 3)))
    assert ours["PadV2"] + ours["Pad"] == 0


def test_shifted_windows_of_padding_alone() -> None:
    pool = kernel("shifted", Config((0,), 3, 1, ((2, 2),)))
    lowest = np.full((2, 2, 16), -np.inf, "float32")
    assert_same(run(pool, "eager", np.zeros((2, 0, 16), "float32")), lowest)


# Dilation in folded: the regrouping

STRIDES_AND_GAPS = [(s, d) for s in range(1, 7) for d in range(1, 7)]


@pytest.mark.parametrize(
    ("stride", "gap"), STRIDES_AND_GAPS, ids=[f"stride{s}-gap{d}" for s, d in STRIDES_AND_GAPS]
)
def test_separable_strides_and_gaps(stride: int, gap: int) -> None:
    """Coprime, equal, multiples and with a common divisor, over all sizes near the window's."""
    assert {gcd(s, d) for s, d in STRIDES_AND_GAPS} == {1, 2, 3, 4, 5, 6}
    for pool in (2, 3):
        length = (pool - 1) * gap + 1
        for size in range(length, length + 2 * stride + 2):
            config = Config((size,), pool, stride, "valid", gap)
            given = case(config, ties)
            values, gradient = run(
                with_gradient(kernel("separable", config)), "eager", given.x, given.upstream
            )
            assert_same(values, given.values)
            assert_same(gradient, given.gradient)


@pytest.mark.parametrize("name", ["separable", "shifted"])
def test_a_gap_wider_than_the_input(name: str) -> None:
    """Every window has one real element, the rest is padding."""
    config = Config((3,), 3, 1, ((7, 7),), 7)
    given = case(config, distinct)
    assert not config.sees_only_padding
    assert_same(run(kernel(name, config), "eager", given.x), given.x)


# Sizes


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("pool", [1, 2, 4, 5, 6, 9, 16, 17, 21, 40])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_long_windows(padding: str, pool: int, name: str) -> None:
    """Kernels that take a window in steps have a seam at every step."""
    for stride in (1, 3):
        config = Config((45,), pool, stride, padding)
        for fill in (distinct, ties):
            given = case(config, fill)
            values, gradient = run(
                with_gradient(kernel(name, config)), "eager", given.x, given.upstream
            )
            assert_same(values, given.values)
            assert_same(gradient, given.gradient)


@pytest.mark.parametrize(
    ("name", "stride", "gap"),
    [
        *((name, stride, 1) for name in KERNELS for stride in (1, 2)),
        *((name, 1, 2) for name in KERNELS if name != "direct"),
    ],
)
@pytest.mark.parametrize("channels", [1, 2, 15, 16, 33])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_many_and_few_channels(rank: int, channels: int, name: str, stride: int, gap: int) -> None:
    """Where a kernel treats thin inputs otherwise."""
    strides = (stride, stride, 1)[:rank]
    config = Config((6, 7, 4)[:rank], (3, 3, 1)[:rank], strides, "same", gap)
    rng = np.random.default_rng(channels)
    x = rng.integers(-1, 2, (2, *config.spatial, channels)).astype("float32")
    values, places = reference.pool(x, **config.arguments)
    upstream = rng.integers(1, 4, values.shape).astype("float32")
    actual, gradient = run(with_gradient(kernel(name, config)), "eager", x, upstream)
    assert_same(actual, values)
    if name != "direct" or rank < 3:
        assert_same(gradient, reference.gradient(x.shape, places, upstream, dtype="float32"))
