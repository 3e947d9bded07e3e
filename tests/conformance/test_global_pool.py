"""`ops.global_max_pool` against the reference, TensorFlow's own `reduce_max`, and PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.assertions import assert_same
from harness.cases import FLOATS, FORMATS, INTEGERS, distinct, ties, wild
from harness.install import needs
from harness.keras_version import keras
from harness.runner import MODES, in_mode, run
from harness.runner_tensorflow import nodes
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_maxpool.ops import global_max_pool

NAN, INF = np.nan, np.inf
SPATIAL = {1: (7,), 2: (3, 4), 3: (2, 3, 2)}

by_rank = pytest.mark.parametrize("rank", SPATIAL, ids="{}d".format)
by_mode = pytest.mark.parametrize("mode", MODES)
by_format = pytest.mark.parametrize("data_format", FORMATS)
by_masked = pytest.mark.parametrize("masked", [False, True], ids=["all", "masked"])
by_kind = pytest.mark.parametrize("kind", ["backend", "ieee"])


def example(
    rank: int, fill: Callable[..., np.ndarray] = ties, dtype: str = "float32"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An input, an upstream gradient, and a mask whose second sample is empty."""
    rng = np.random.default_rng(rank)
    to = tf.as_dtype(dtype).as_numpy_dtype
    x = fill((3, *SPATIAL[rank], 3), dtype, rng).astype(to)
    mask = rng.random(x.shape[:-1]) < 0.5
    mask[1] = False
    return x, rng.integers(1, 4, (3, 3)).astype(to), mask


def laid_out(x: np.ndarray, data_format: str) -> np.ndarray:
    return reference.channels_first(x) if data_format == "channels_first" else x


def pool_and_derive(x: tf.Tensor, upstream: tf.Tensor, mask: Any = None, **options: Any) -> tuple:
    """(values, places, gradient)."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        values, places = global_max_pool(x, mask=mask, return_indices=True, **options)
    return values, places, tape.gradient(values, x, output_gradients=upstream)


def assert_close(actual: np.ndarray, expected: np.ndarray, dtype: str = "float32") -> None:
    """Equal up to a rounding or two of the dtype."""
    eps = {"float16": 1e-3, "bfloat16": 8e-3, "float32": 1e-7, "float64": 1e-15}[dtype]
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual.astype("float64"), expected, rtol=2 * eps, atol=0)


# Values, places, gradients


@by_rank
@by_format
@by_masked
@by_kind
@pytest.mark.parametrize(
    ("fill", "mode"),
    [(ties, "eager"), (ties, "graph"), (ties, "xla"), (distinct, "eager")],
    ids=["ties-eager", "ties-graph", "ties-xla", "distinct-eager"],
)
def test_finite(
    fill: Callable, kind: str, masked: bool, mode: str, data_format: str, rank: int
) -> None:
    x, upstream, mask = example(rank, fill)
    wanted = reference.global_pool(x, mask if masked else None)
    values, places, gradient = run(
        lambda x, upstream: pool_and_derive(
            x, upstream, mask if masked else None, data_format=data_format, nonfinite=kind
        ),
        mode,
        laid_out(x, data_format),
        upstream,
    )
    assert_same(values, wanted.values)
    assert_same(places, wanted.indices)
    wanted_gradient = reference.global_gradient(wanted.shares, upstream)
    assert_close(gradient, laid_out(wanted_gradient, data_format))


@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
@by_mode
@by_masked
def test_dtypes(masked: bool, mode: str, dtype: str) -> None:
    x, _, mask = example(2, ties, dtype)
    if dtype in INTEGERS:  # the ends of the range, which masked elements must not be mistaken for
        x[0], x[2, ..., 0] = tf.as_dtype(dtype).min, tf.as_dtype(dtype).max
    wanted = reference.global_pool(x, mask if masked else None)
    values, places = run(
        lambda x: global_max_pool(x, mask=mask if masked else None, return_indices=True), mode, x
    )
    assert_same(values, wanted.values)
    assert_same(places, wanted.indices)


@pytest.mark.parametrize("dtype", FLOATS)
@by_mode
@by_masked
def test_ieee(masked: bool, mode: str, dtype: str) -> None:
    """NaN, infinities and the ends of the range: NumPy's maxima in every mode, and a gradient to the winners."""
    x, upstream, mask = example(2, wild, dtype)
    x[0, 1, :, 2] = NAN  # of which the mask leaves two
    mask[0, 1] = [False, True, True, False]
    wanted = reference.global_pool(x, mask if masked else None)
    assert np.isnan(wanted.values.astype("float64")).any()
    values, places, gradient = run(
        lambda x, upstream: pool_and_derive(
            x, upstream, mask if masked else None, nonfinite="ieee"
        ),
        mode,
        x,
        upstream,
    )
    assert_same(values, wanted.values)
    assert_same(places, wanted.indices)
    assert_close(gradient, reference.global_gradient(wanted.shares, upstream), dtype)


@pytest.mark.parametrize("dtype", FLOATS)
@by_mode
def test_backend_is_reduce_max(mode: str, dtype: str) -> None:
    """Whatever NaN gives there, in values and gradients."""
    x, upstream, _ = example(2, wild, dtype)

    def reduce_max(x: tf.Tensor, upstream: tf.Tensor) -> tuple:
        with tf.GradientTape() as tape:
            tape.watch(x)
            values = tf.reduce_max(x, [1, 2])
        return values, tape.gradient(values, x, output_gradients=upstream)

    values, _, gradient = run(pool_and_derive, mode, x, upstream)
    wanted_values, wanted_gradient = run(reduce_max, mode, x, upstream)
    assert_same(values, wanted_values)
    assert_same(gradient, wanted_gradient)


@by_mode
def test_nan_as_the_docstring_has_it(mode: str) -> None:
    x = np.array([[NAN, 1, 2], [NAN, NAN, NAN], [-INF, -INF, -INF]], "float32")[..., None]
    upstream = np.ones((3, 1), "float32")
    values, places, gradient = run(pool_and_derive, mode, x, upstream)
    if mode == "xla":
        assert_same(values[:, 0], np.array([2, -INF, -INF], "float32"))
        assert places[:, 0].tolist() == [2, -1, 0]
    else:
        assert_same(values[:, 0], np.array([NAN, NAN, -INF], "float32"))
        assert places[:, 0].tolist() == [0, 0, 0]
        assert np.isnan(gradient[:2]).all()
    assert_close(gradient[2, :, 0], np.full(3, 1 / 3))


# Masks


@by_mode
@by_kind
def test_masked_elements_take_no_share_of_infinities(kind: str, mode: str) -> None:
    """Where all that is valid is as low as what stands in for the masked."""
    x = np.full((1, 4, 1), -INF, "float32")
    mask = np.array([[False, True, True, False]])
    values, places, gradient = run(
        lambda x, upstream: pool_and_derive(x, upstream, mask, nonfinite=kind),
        mode,
        x,
        np.ones((1, 1), "float32"),
    )
    assert (values.item(), places.item()) == (-INF, 1)
    assert gradient.ravel().tolist() == [0, 0.5, 0.5, 0]


@by_mode
@by_kind
def test_masked_nan_stays_out(kind: str, mode: str) -> None:
    x = np.array([[[NAN], [2], [3]]], "float32")
    mask = np.array([[False, True, True]])
    values, places, gradient = run(
        lambda x, upstream: pool_and_derive(x, upstream, mask, nonfinite=kind),
        mode,
        x,
        np.ones((1, 1), "float32"),
    )
    assert (values.item(), places.item()) == (3, 2)
    assert gradient.ravel().tolist() == [0, 0, 1]


@by_rank
@by_mode
@by_format
def test_mask_of_samples(data_format: str, mode: str, rank: int) -> None:
    x, upstream, _ = example(rank)
    mask = np.array([True, False, True])
    wanted = reference.global_pool(x, np.broadcast_to(mask.reshape(3, *[1] * rank), x.shape[:-1]))
    values, places, gradient = run(
        lambda x, upstream: pool_and_derive(x, upstream, mask, data_format=data_format),
        mode,
        laid_out(x, data_format),
        upstream,
    )
    assert_same(values, wanted.values)
    assert_same(places, wanted.indices)
    wanted_gradient = reference.global_gradient(wanted.shares, upstream)
    assert_close(gradient, laid_out(wanted_gradient, data_format))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=9).filter(
        lambda steps: any(valid for _, valid in steps)
    )
)
def test_a_mask_is_as_good_as_leaving_out(steps: list[tuple[int, bool]]) -> None:
    numbers, mask = (np.array(column) for column in zip(*steps, strict=True))
    x = numbers.astype("float32")[None, :, None]
    left = np.flatnonzero(mask)
    one = tf.ones([1, 1])
    values, places, gradient = pool_and_derive(tf.constant(x), one, mask[None])
    alone, place, share = pool_and_derive(tf.constant(x[:, left]), one)
    assert values.numpy() == alone.numpy()
    assert places.numpy().item() == left[place.numpy().item()]
    np.testing.assert_array_equal(gradient.numpy()[:, left], share.numpy())
    assert not gradient.numpy()[0, ~mask].any()


# Shapes


@by_rank
@by_format
@pytest.mark.parametrize("keepdims", [False, True])
@by_masked
def test_unknown_sizes(masked: bool, keepdims: bool, data_format: str, rank: int) -> None:
    """One graph for all sizes, with places of 64 bits, as it cannot know how many are enough."""
    unknown = tf.TensorSpec([None] * (rank + 2)), tf.TensorSpec([None] * (rank + 1), tf.bool)

    @tf.function(input_signature=unknown)
    def function(x: tf.Tensor, mask: tf.Tensor) -> tuple:
        return global_max_pool(
            x, data_format, keepdims, mask=mask if masked else None, return_indices=True
        )

    for grown in (0, 2):
        shape = (2, *(n + grown for n in SPATIAL[rank]), 3)
        rng = np.random.default_rng(grown)
        x = rng.integers(0, 9, shape).astype("float32")
        mask = rng.random(shape[:-1]) < 0.5
        wanted = reference.global_pool(x, mask if masked else None)
        values, places = function(laid_out(x, data_format), mask)
        kept = (2, *[1] * rank, 3) if keepdims else (2, 3)
        kept_shape = laid_out(np.empty(kept), data_format).shape if keepdims else kept
        assert values.shape == places.shape == kept_shape
        assert_same(values.numpy().reshape(2, 3), wanted.values)
        assert_same(places.numpy().reshape(2, 3), wanted.indices)


@pytest.mark.parametrize("shape", [(0, 3, 4, 2), (2, 3, 4, 0), (0, 3, 4, 0)], ids=str)
@by_mode
@by_masked
def test_nothing_to_pool(masked: bool, mode: str, shape: tuple) -> None:
    mask = np.ones(shape[:-1], bool) if masked else None
    values, places, gradient = run(
        lambda x, upstream: pool_and_derive(x, upstream, mask, nonfinite="ieee"),
        mode,
        np.zeros(shape, "float32"),
        np.zeros((shape[0], shape[-1]), "float32"),
    )
    assert values.shape == places.shape == (shape[0], shape[-1])
    assert gradient.shape == shape


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@by_mode
def test_far_places(mode: str, dtype: str) -> None:
    """A place is a whole number, also where the dtype holds no such number."""
    x = np.zeros((1, 70001, 2), "float32")
    x[0, 69999:, 1] = x[0, 65537, 0] = 1
    places = run(lambda x: global_max_pool(tf.cast(x, dtype), return_indices=True)[1], mode, x)
    assert places.tolist() == [[65537, 69999]]


@pytest.mark.parametrize(
    ("sizes", "dtype"),
    [
        ([9], tf.int32),
        ([2**31 - 2], tf.int32),
        ([2**16, 2**15], tf.int64),
        ([None], tf.int64),
    ],
)
def test_32_bits_where_they_are_enough(sizes: list[int | None], dtype: tf.DType) -> None:
    spec = tf.TensorSpec([1, *sizes, 1])
    traced = nodes(lambda x: global_max_pool(x, return_indices=True), spec)
    (places,) = [node for node in traced if node.op == "Range"]
    assert places.attr["Tidx"].type == dtype.as_datatype_enum


# Ways to run


@by_masked
@by_kind
def test_vectorized_map(kind: str, masked: bool) -> None:
    x, upstream, mask = example(2)
    wanted = reference.global_pool(x, mask if masked else None)

    def one(parts: tuple) -> tuple:
        x, upstream, mask = (part[None] for part in parts)
        results = pool_and_derive(x, upstream, mask if masked else None, nonfinite=kind)
        return tuple(result[0] for result in results)

    arrays = tuple(map(tf.constant, (x, upstream, mask)))
    values, places, gradient = tf.vectorized_map(one, arrays, fallback_to_while_loop=False)
    assert_same(values.numpy(), wanted.values)
    assert_same(places.numpy(), wanted.indices)
    assert_close(gradient.numpy(), reference.global_gradient(wanted.shares, upstream))


@by_mode
@by_masked
@by_kind
def test_second_order(kind: str, masked: bool, mode: str) -> None:
    """Of the sum of the squares: the Hessian is twice the shares' outer product, sample and channel by their own."""
    x, _, mask = example(2)
    wanted = reference.global_pool(x, mask if masked else None)
    vector = np.random.default_rng(0).integers(-3, 4, x.shape).astype("float32")

    def product(x: tf.Tensor, vector: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                values = global_max_pool(x, mask=mask if masked else None, nonfinite=kind)
                loss = tf.reduce_sum(values**2)
            gradient = inner.gradient(loss, x)
        return outer.gradient(gradient, x, output_gradients=vector)

    along = reference.global_tangent(wanted.shares, vector)
    expected = 2 * reference.global_gradient(wanted.shares, along)
    np.testing.assert_allclose(run(product, mode, x, vector), expected, rtol=1e-6, atol=1e-6)


@by_masked
@by_kind
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_forward_mode(mode: str, kind: str, masked: bool) -> None:
    x, _, mask = example(2)
    wanted = reference.global_pool(x, mask if masked else None)
    tangent = np.random.default_rng(0).integers(-3, 4, x.shape).astype("float32")

    def function(x: tf.Tensor, tangent: tf.Tensor) -> tf.Tensor:
        with tf.autodiff.ForwardAccumulator(x, tangent) as accumulator:
            values = global_max_pool(x, mask=mask if masked else None, nonfinite=kind)
        return accumulator.jvp(values)

    expected = reference.global_tangent(wanted.shares, tangent)
    np.testing.assert_allclose(run(function, mode, x, tangent), expected, rtol=1e-6, atol=1e-6)


def test_data_map() -> None:
    x, _, mask = example(1)
    wanted = reference.global_pool(x, mask)
    data = tf.data.Dataset.from_tensors((x, mask))
    (values, places) = next(
        iter(data.map(lambda x, mask: global_max_pool(x, mask=mask, return_indices=True)))
    )
    assert_same(values.numpy(), wanted.values)
    assert_same(places.numpy(), wanted.indices)


# PyTorch


@by_rank
@pytest.mark.parametrize("fill", [distinct, ties, wild], ids=["distinct", "ties", "wild"])
def test_torch(fill: Callable, rank: int) -> None:
    """Adaptive pooling to one element: its values and its places, NaN included."""
    torch = needs("torch")
    x, _, _ = example(rank, fill)
    # Torch keeps the last NaN, where this package and NumPy's argmax have the first: one at most.
    again = np.isnan(x).reshape(3, -1, 3).cumsum(1).reshape(x.shape) > 1
    x[again & np.isnan(x)] = 0
    pool = getattr(torch.nn.functional, f"adaptive_max_pool{rank}d")
    first = np.ascontiguousarray(reference.channels_first(x))
    wanted, wanted_places = pool(torch.tensor(first), 1, return_indices=True)
    for data_format, array in zip(FORMATS, (x, first), strict=True):
        values, places = global_max_pool(
            array, data_format, keepdims=True, return_indices=True, nonfinite="ieee"
        )
        assert_same(values.numpy().reshape(3, 3), wanted.numpy().reshape(3, 3))
        assert_same(places.numpy().reshape(3, 3), wanted_places.numpy().reshape(3, 3))


# Bad input

STEPS = np.zeros((2, 5, 3), "float32")


@pytest.mark.parametrize(
    ("options", "error", "fragments"),
    [
        ({"keepdims": 1}, TypeError, ["`keepdims`", "keepdims=1", "True or False"]),
        ({"return_indices": "no"}, TypeError, ["`return_indices`", "'no'", "True or False"]),
        ({"nonfinite": "numpy"}, ValueError, ["`nonfinite`", "'numpy'", '"backend" or "ieee"']),
        ({"data_format": "NWC"}, ValueError, ["`data_format`", "'NWC'", '"channels_last"']),
        ({"data_format": ""}, ValueError, ["`data_format`", "''", '"channels_last"']),
        ({"mask": np.ones((2, 5))}, TypeError, ["`mask`", "dtype float64", "cast"]),
        ({"mask": [[1] * 5] * 2}, TypeError, ["`mask`", "dtype int32", "cast"]),
        ({"mask": "yes"}, TypeError, ["`mask`", "dtype string", "cast"]),
        ({"mask": [[True], [True, False]]}, TypeError, ["`mask`", "[[True], [True, False]]"]),
        ({"mask": {True}}, TypeError, ["`mask`", "{True}", "Write"]),
        ({"mask": True}, ValueError, ["`mask`", "(2, 5)", "(2, 5, 3)", "shape ()"]),
        ({"mask": np.full((5, 2), True)}, ValueError, ["`mask`", "(2, 5)", "shape (5, 2)"]),
        ({"mask": np.full((2, 1), True)}, ValueError, ["`mask`", "(2, 5)", "shape (2, 1)"]),
        ({"mask": np.full(5, True)}, ValueError, ["`mask`", "(2, 5)", "shape (5,)"]),
        ({"mask": np.full((2, 5, 3), True)}, ValueError, ["`mask`", "shape (2, 5, 3)", "Write"]),
        (
            {"mask": np.full((2, 5), True), "data_format": "channels_first"},
            ValueError,
            ["`mask`", "which is (2, 3)", "channels_first", "shape (2, 5)"],
        ),
    ],
    ids=str,
)
@by_mode
def test_bad_arguments(
    mode: str, options: dict, error: type[Exception], fragments: list[str]
) -> None:
    with pytest.raises(error) as caught:
        in_mode(lambda x: global_max_pool(x, **options), mode)(tf.constant(STEPS))
    assert caught.type is error
    for fragment in fragments:
        assert fragment in str(caught.value)


@pytest.mark.parametrize(
    ("x", "error", "fragments"),
    [
        (np.zeros((2, 3)), ValueError, ["`inputs`", "1, 2 or 3 spatial axes", "(2, 3)"]),
        (np.zeros((1,) * 6), ValueError, ["`inputs`", "(1, 1, 1, 1, 1, 1)"]),
        (np.zeros((2, 5, 3), bool), TypeError, ["dtype bool", "bfloat16", "Cast"]),
        (np.zeros((2, 5, 3), complex), TypeError, ["dtype complex128", "bfloat16", "Cast"]),
        (np.zeros((2, 0, 3)), ValueError, ["`inputs`", "(2, 0, 3)", "no maximum", "mask"]),
        (np.zeros((2, 4, 0, 3)), ValueError, ["`inputs`", "(2, 4, 0, 3)", "channels_last"]),
        (np.zeros((0, 0, 3)), ValueError, ["`inputs`", "(0, 0, 3)"]),
    ],
    ids=["2 axes", "6 axes", "bool", "complex", "no steps", "no columns", "no samples or steps"],
)
@by_mode
def test_bad_inputs(mode: str, x: np.ndarray, error: type[Exception], fragments: list[str]) -> None:
    with pytest.raises(error) as caught:
        in_mode(global_max_pool, mode)(tf.constant(x))
    assert caught.type is error
    for fragment in fragments:
        assert fragment in str(caught.value)


def test_empty_only_as_channels_first() -> None:
    x = np.zeros((2, 5, 0), "float32")
    assert global_max_pool(x).shape == (2, 0)
    with pytest.raises(ValueError, match="channels_first"):
        global_max_pool(x, "channels_first")


def test_of_unknown_rank() -> None:
    function = tf.function(global_max_pool, input_signature=[tf.TensorSpec(None)])
    with pytest.raises(ValueError, match="`inputs` must have 1, 2 or 3"):
        function.get_concrete_function()
    masked = tf.function(lambda mask: global_max_pool(STEPS, mask=mask))
    with pytest.raises(ValueError, match="mask of shape unknown"):
        masked.get_concrete_function(tf.TensorSpec(None, tf.bool))


@pytest.mark.parametrize("known", [(None, None, None), (2, 4, 5)], ids=["no size", "the inputs'"])
def test_a_graph_says_at_run_time_that_a_mask_does_not_fit(known: tuple) -> None:
    sizes = tf.TensorSpec([*known, 3]), tf.TensorSpec([None, None, None], tf.bool)
    function = tf.function(lambda x, mask: global_max_pool(x, mask=mask), input_signature=sizes)
    x = np.ones((2, 4, 5, 3), "float32")
    assert function(x, np.full((2, 4, 5), True)).numpy().tolist() == [[1] * 3] * 2
    for shape in ((2, 5, 4), (2, 1, 5), (1, 4, 5), (2, 4, 6), (3, 5, 6)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="`mask` must have the shape"):
            function(x, np.full(shape, True))


def test_a_graph_says_at_run_time_that_there_is_nothing() -> None:
    plain = tf.function(global_max_pool, input_signature=[tf.TensorSpec([None, None, None, 3])])
    x = np.ones((2, 4, 5, 3), "float32")
    assert plain(x[:, :1, :1]).numpy().tolist() == [[1] * 3] * 2
    assert plain(x[:0]).shape == (0, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match="an element on every spatial axis"):
        plain(x[:, :0])


def test_xla_does_not_stretch_a_mask() -> None:
    sizes = tf.TensorSpec([None, None, 3]), tf.TensorSpec([None, None], tf.bool)
    function = tf.function(
        lambda x, mask: global_max_pool(x, mask=mask), input_signature=sizes, jit_compile=True
    )
    x = np.ones((2, 4, 3), "float32")
    assert function(x, np.full((2, 4), True)).numpy().tolist() == [[1] * 3] * 2
    with pytest.raises(tf.errors.InvalidArgumentError):
        function(x, np.full((2, 1), True))


def test_image_data_format_of_keras() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    assert global_max_pool(x).shape == (2, 4)
    keras.backend.set_image_data_format("channels_first")
    try:
        assert global_max_pool(x).shape == (2, 3)
    finally:
        keras.backend.set_image_data_format("channels_last")
