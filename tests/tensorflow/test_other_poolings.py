"""Global, adaptive and fractional pooling as TensorFlow alone runs them: its own poolings, graphs, tapes, data sets."""

from functools import partial

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.assertions import assert_all_same, assert_close, assert_same
from harness.cases import ties
from harness.runner import MODES, run, with_gradient
from harness.runner_tensorflow import nodes
from reference import regions as reference_regions

from keras_maxpool.backend.tensorflow import regions, sequences
from keras_maxpool.backend.tensorflow.context import current_context
from keras_maxpool.ops import adaptive_max_pool, fractional_max_pool, global_max_pool, max_pool

FRACTIONAL = partial(fractional_max_pool, pooling_ratio=1.5)
by_mode = pytest.mark.parametrize("mode", MODES)


X = ties((2, 5, 4, 3), "float32", np.random.default_rng(2)).astype("float32")
POOL = partial(adaptive_max_pool, output_size=(3, 3), return_indices=True)
POOLED = reference_regions.pool(X, [reference_regions.adaptive(n, 3) for n in (5, 4)])


@by_mode
def test_global_nan_as_the_docstring_has_it(mode):
    nan, inf = np.nan, np.inf
    x = np.array([[nan, 1, 2], [nan, nan, nan], [-inf, -inf, -inf]], "float32")[..., None]
    both = with_gradient(partial(global_max_pool, return_indices=True))
    values, indices, gradient = run(both, mode, x, np.ones((3, 1), "float32"))
    xla = mode == "xla"
    np.testing.assert_array_equal(values[:, 0], [2, -inf, -inf] if xla else [nan, nan, -inf])
    assert indices[:, 0].tolist() == ([2, -1, 0] if xla else [0, 0, 0])
    np.testing.assert_array_equal(gradient[0, :, 0], [0, 0, 1] if xla else [nan] * 3)
    assert np.isnan(gradient[1]).all()
    assert_close(gradient[2, :, 0], np.full(3, 1 / 3))


def test_32_bits_where_they_are_enough():
    def of_regions(x):
        axes = [None] * (x.shape.rank - 2)
        return regions.pool_channels_last(x, axes, current_context(x))

    of_all = partial(global_max_pool, return_indices=True)
    for dtype, *sizes in [
        ("int32", 9),
        ("int32", 2**31 - 2),
        ("int64", 2**16, 2**15),
        ("int64", None),
    ]:
        for function in (of_regions, of_all):
            traced = nodes(function, tf.TensorSpec([1, *sizes, 1]))
            (range_,) = [node for node in traced if node.op == "Range"]
            assert tf.as_dtype(range_.attr["Tidx"].type) == dtype, sizes


def test_a_known_size_stays_known():
    for function, shape, wanted in [
        (partial(max_pool, pool_size=3), [None, 7, None, 3], [None, 2, None, 3]),
        (partial(adaptive_max_pool, output_size=(3, 4)), [None] * 4, [None, 3, 4, None]),
        (partial(FRACTIONAL, data_format="channels_last"), [2, None, 9, 3], [2, None, 6, 3]),
        (partial(FRACTIONAL, data_format="channels_first"), [2, 3, None, 9], [2, 3, None, 6]),
    ]:
        traced = tf.function(partial(function, return_indices=True))
        for output in traced.get_concrete_function(tf.TensorSpec(shape)).output_shapes:
            assert output.as_list() == wanted


@pytest.mark.parametrize("known", [True, False])
def test_known_seeds_leave_no_random_operation(known):
    """And so a graph that can be exported to more runtimes."""
    seed, spec = tf.constant([7, 0], tf.int64), tf.TensorSpec([2], tf.int64)
    traced = nodes(lambda given: sequences.random_bits(seed if known else given, [6, 7]), spec)
    assert any("Random" in node.op for node in traced) is not known


def of_one(pool, sample, upstream, *mask):
    masks = {"mask": mask[0][None]} if mask else {}
    results = with_gradient(lambda x: pool(x, **masks))(sample[None], upstream[None])
    return tuple(result[0] for result in results)


def test_vectorized_map_and_jacobian():
    x, ones = tf.constant(X), np.ones_like(POOLED.values)
    gradient = reference.gradient(X.shape, POOLED.indices, ones, dtype="float32")
    got = tf.vectorized_map(lambda parts: of_one(POOL, *parts), (x, tf.constant(ones)))
    assert_all_same(got, *POOLED, gradient)
    with tf.GradientTape() as tape:
        tape.watch(x)
        values, _ = POOL(x)
    assert_same(tape.jacobian(values, x), reference.jacobian(X.shape, POOLED.indices))


@pytest.mark.parametrize("kind", ["backend", "ieee"])
def test_vectorized_map_of_global_pooling(kind):
    mask = np.random.default_rng(0).random(X.shape[:-1]) < 0.5
    upstream = np.arange(1, 7, dtype="float32").reshape(2, 3)
    one = partial(of_one, partial(global_max_pool, nonfinite=kind, return_indices=True))
    for masks in ([], [mask]):
        wanted = reference.global_pool(X, *masks)
        arrays = tuple(map(tf.constant, (X, upstream, *masks)))
        mapped = tf.vectorized_map(lambda parts: one(*parts), arrays, fallback_to_while_loop=False)
        *found, gradient = mapped
        assert_all_same(found, wanted.values, wanted.indices)
        assert_close(gradient.numpy(), reference.global_gradient(wanted.shares, upstream))


@by_mode
def test_gradient_outside_a_loop(mode):
    """There it must find the indices that the loop's steps have made."""
    looped = with_gradient(lambda x: tf.map_fn(lambda sample: POOL(sample[None])[0][0], x))
    upstream = np.random.default_rng(1).integers(1, 4, POOLED.values.shape).astype("float32")
    _, gradient = run(looped, mode, X, upstream)
    assert_same(gradient, reference.gradient(X.shape, POOLED.indices, upstream, dtype="float32"))


def test_global_pooling_of_unknown_rank():
    function = tf.function(global_max_pool, input_signature=[tf.TensorSpec(None)])
    with pytest.raises(ValueError, match="`inputs` must have 1, 2 or 3"):
        function.get_concrete_function()
    masked = tf.function(lambda mask: global_max_pool(X, mask=mask))
    with pytest.raises(ValueError, match="mask of shape unknown"):
        masked.get_concrete_function(tf.TensorSpec(None, tf.bool))


@pytest.mark.parametrize("known", [[None] * 3, [2, 4, 5]], ids=str)
def test_a_mask_that_does_not_fit(known):
    specs = tf.TensorSpec([*known, 3]), tf.TensorSpec([None] * 3, tf.bool)
    x, pool = np.ones((2, 4, 5, 3), "float32"), lambda x, mask: global_max_pool(x, mask=mask)
    function = tf.function(pool, specs)
    assert function(x, np.full((2, 4, 5), True)).numpy().tolist() == [[1] * 3] * 2
    for shape in [(2, 1, 5), (2, 5, 4), (1, 4, 5), (2, 4, 6), (3, 5, 6)]:
        with pytest.raises(tf.errors.InvalidArgumentError, match="`mask` must have the shape"):
            function(x, np.full(shape, True))
    # XLA has an error of its own, and does not stretch the mask.
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.function(pool, specs, jit_compile=True)(x, np.full((2, 1, 5), True))


def test_nothing_to_pool():
    """An error where a graph can raise one; XLA's is its own, or it returns nothing."""
    adaptive = partial(adaptive_max_pool, output_size=2)
    fractional = partial(fractional_max_pool, pooling_ratio=2.5, seed=0)
    pools = [
        (global_max_pool, (1, 0, 4, 1), "an element on every spatial axis"),
        (adaptive, (1, 0, 4, 1), "Spatial axis 0 has no elements"),
        (fractional, (1, 2, 5, 1), "leaves nothing of spatial axis"),
    ]
    unknown = [tf.TensorSpec([None] * 4)]
    for function, shape, match in pools:
        traced = tf.function(function, input_signature=unknown)
        assert 0 not in traced(tf.zeros((2, 3, 3, 1))).shape
        with pytest.raises(tf.errors.InvalidArgumentError, match=match):
            traced(tf.zeros(shape))
    assert tf.function(global_max_pool, unknown)(tf.zeros((0, 3, 3, 2))).shape == (0, 2)
    one_left = run(fractional, "unknown", np.array([[[1.0], [3.0], [2.0]]], "float32"))
    assert one_left.tolist() == [[[3.0]]]
    in_xla = tf.function(fractional, unknown, jit_compile=True)
    assert in_xla(tf.zeros((1, 2, 5, 1))).shape == (1, 0, 2, 1)
    in_xla = tf.function(with_gradient(adaptive), unknown * 2, jit_compile=True)
    with pytest.raises(tf.errors.InvalidArgumentError):
        in_xla(tf.zeros((1, 0, 4, 1)), tf.zeros((1, 2, 2, 1)))
