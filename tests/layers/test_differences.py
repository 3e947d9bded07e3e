"""Where the built-in layers are wrong, unlike themselves in another mode, or refuse: one test each.

Every test compares our layer with the NumPy reference and states what the built-in does there at present. A TensorFlow
or Keras that mends it fails no test: it raises a warning, so that the difference can be taken out of the documents.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.assertions import assert_same
from harness.cases import INTEGERS, Config, case, distinct, ties
from harness.faults import attempt, refuses, state
from harness.keras_version import keras, keras_3_alone
from harness.runner import MODES, run, with_gradient

import keras_maxpool

NAN, INF = np.nan, np.inf
LOWEST = float(np.finfo("float32").min)

ranks = pytest.mark.parametrize("rank", [1, 2, 3], ids="{}d".format)
modes = pytest.mark.parametrize("mode", MODES)


def ours(rank: int, *args: Any, **options: Any) -> keras.Layer:
    return getattr(keras_maxpool, f"MaxPooling{rank}D")(*args, **options)


def builtin(rank: int, *args: Any, **options: Any) -> keras.Layer:
    return getattr(keras.layers, f"MaxPooling{rank}D")(*args, **options)


def equal(got: object, expected: np.ndarray) -> bool:
    """Whether it is a result at all, and the right one."""
    return not refuses(got) and np.array_equal(got, expected, equal_nan=True)


def check_ours(rank: int, mode: str, given: Any, *args: Any, **options: Any) -> None:
    """Our values and gradient, in one mode."""
    layer = ours(rank, *args, dtype=given.x.dtype.name, **options)
    values, gradient = run(with_gradient(layer), mode, given.x, given.upstream)
    assert_same(values, given.values)
    assert_same(gradient, given.gradient)


# Ties


@modes
def test_3d_zeros_pass_on_what_came_in_once(mode: str) -> None:
    """The built-in in eager mode passes on 8 times as much: every zero gets the whole."""
    x, upstream = np.zeros((1, 2, 2, 2, 1), "float32"), np.ones((1, 1, 1, 1, 1), "float32")
    first = np.zeros_like(x)
    first[0, 0, 0, 0, 0] = 1
    _, gradient = run(with_gradient(ours(3)), mode, x, upstream)
    assert_same(gradient, first)
    if mode == "eager":
        _, got = run(with_gradient(builtin(3)), mode, x, upstream)
        state(present=equal(got, np.ones_like(x)), mended=equal(got, first), got=got)


@modes
def test_3d_near_ties_are_none(mode: str) -> None:
    """The built-in in eager mode gives the whole gradient to all that is within 1e-5 of the maximum."""
    x, upstream = np.ones((1, 2, 2, 2, 1), "float32"), np.ones((1, 1, 1, 1, 1), "float32")
    x[0, 1, 0, 1, 0] += 8e-6
    largest = np.zeros_like(x)
    largest[0, 1, 0, 1, 0] = 1
    _, gradient = run(with_gradient(ours(3)), mode, x, upstream)
    assert_same(gradient, largest)
    if mode == "eager":
        _, got = run(with_gradient(builtin(3)), mode, x, upstream)
        state(present=equal(got, np.ones_like(x)), mended=equal(got, largest), got=got)


@modes
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_3d_ties_go_to_the_first(padding: str, mode: str) -> None:
    """The built-in in eager mode gives the whole gradient to every maximum of a window."""
    given = case(Config((4, 5, 6), (2, 3, 2), None, padding), ties)
    check_ours(3, mode, given, (2, 3, 2), padding=padding)
    layer = builtin(3, (2, 3, 2), padding=padding)
    _, got = run(with_gradient(layer), "eager", given.x, given.upstream)
    state(
        present=got.sum() > given.upstream.sum(), mended=equal(got, given.gradient), got=got.sum()
    )


@modes
@pytest.mark.parametrize("spatial", [(7, 8), (5, 4, 6)], ids=["2d", "3d"])
def test_ties_under_same_go_to_the_first(spatial: tuple[int, ...], mode: str) -> None:
    """The built-in in XLA picks another of the tied elements."""
    rank = len(spatial)
    given = case(Config(spatial, 3, 2, "same"), ties)
    check_ours(rank, mode, given, 3, 2, "same")
    if mode == "xla":
        layer = builtin(rank, 3, 2, "same")
        _, got = run(with_gradient(layer), "xla", given.x, given.upstream)
        # Another place, and still all of it.
        state(
            present=got.sum() == given.upstream.sum(),
            mended=equal(got, given.gradient),
            got=got.sum(),
        )


# Infinities and NaN


def in_windows_of_3(rank: int, *windows: list[float]) -> np.ndarray:
    """The windows one after another, along the first spatial axis of one sample."""
    return np.array(windows, "float32").reshape(1, -1, *[1] * rank)


def window_of_3(rank: int) -> tuple[int, ...]:
    return (3, 1, 1)[:rank]


@ranks
@modes
def test_nan_propagates(mode: str, rank: int) -> None:
    """The built-in skips it; where nothing else is, it gives the lowest float, or -inf in XLA."""
    x = in_windows_of_3(rank, [NAN, 1, 2], [1, 2, NAN], [NAN, NAN, NAN], [-INF, NAN, -INF])
    expected = reference.pool(x, window_of_3(rank)).values
    layer = ours(rank, window_of_3(rank), nonfinite="ieee")
    assert_same(run(layer, mode, x), expected)
    assert np.isnan(expected).all()
    got = run(builtin(rank, window_of_3(rank)), mode, x)
    nothing = -INF if mode == "xla" else LOWEST
    present = got.ravel().tolist() == [2, 2, nothing, nothing]
    state(present=present, mended=equal(got, expected), got=got.ravel())


@ranks
@modes
def test_the_gradient_of_nan_goes_to_it(mode: str, rank: int) -> None:
    """The built-in's goes to the NaN, to another element or nowhere, by rank and mode."""
    x = in_windows_of_3(rank, [NAN, 1, 2], [1, 2, NAN], [NAN, NAN, NAN], [INF, NAN, 1])
    values, places = reference.pool(x, window_of_3(rank))
    expected = reference.gradient(x.shape, places, np.ones_like(values), dtype="float32")
    layer = ours(rank, window_of_3(rank), nonfinite="ieee")
    _, gradient = run(with_gradient(layer), mode, x, np.ones_like(values))
    assert_same(gradient, expected)
    _, got = run(with_gradient(builtin(rank, window_of_3(rank))), mode, x, np.ones_like(values))
    # Where to depends on more than can be stated; never all of it to the NaN.
    state(present=not equal(got, expected), mended=equal(got, expected), got=got.ravel())


@ranks
@modes
def test_infinity_stays_infinite(mode: str, rank: int) -> None:
    """The built-in gives the lowest finite float outside XLA."""
    x = in_windows_of_3(rank, [-INF, -INF, -INF], [-INF, -5, -INF], [INF, 0, 1])
    expected = reference.pool(x, window_of_3(rank)).values
    layer = ours(rank, window_of_3(rank), nonfinite="ieee")
    assert_same(run(layer, mode, x), expected)
    assert expected.ravel().tolist() == [-INF, -5, INF]
    if mode != "xla":
        got = run(builtin(rank, window_of_3(rank)), mode, x)
        present = got.ravel().tolist() == [LOWEST, -5, INF]
        state(present=present, mended=equal(got, expected), got=got.ravel())


@modes
def test_3d_minus_infinity_keeps_its_gradient(mode: str) -> None:
    """The built-in in eager mode drops it."""
    x = np.full((1, 2, 2, 2, 1), -INF, "float32")
    upstream = np.full((1, 1, 1, 1, 1), 3, "float32")
    first = np.zeros_like(x)
    first[0, 0, 0, 0, 0] = 3
    _, gradient = run(with_gradient(ours(3, nonfinite="ieee")), mode, x, upstream)
    assert_same(gradient, first)
    if mode == "eager":
        _, got = run(with_gradient(builtin(3)), mode, x, upstream)
        state(present=not got.any(), mended=equal(got, first), got=got.ravel())


# Dtypes


@modes
@pytest.mark.parametrize("dtype", ["float16", "float64", *INTEGERS])
def test_3d_dtypes(dtype: str, mode: str) -> None:
    """The built-in takes none of them, but for float16 in XLA."""
    given = case(Config((4, 5, 3), (2, 3, 2), None, "same"), distinct, dtype)
    arguments = {"pool_size": (2, 3, 2), "padding": "same"}
    if dtype.startswith("float"):
        check_ours(3, mode, given, **arguments)
        layer = builtin(3, **arguments, dtype=dtype)
    else:
        # Whole numbers keep their dtype in a layer of any other, but only as tensors.
        assert_same(run(ours(3, **arguments), mode, given.x), given.values)
        layer = builtin(3, **arguments)
    if (mode, dtype) != ("xla", "float16"):
        got = attempt(lambda: run(layer, mode, given.x))
        state(present=refuses(got), mended=equal(got, given.values), got=got)


@modes
@pytest.mark.parametrize("dtype", ["uint32", "uint64"])
@pytest.mark.parametrize("spatial", [(9,), (5, 6)], ids=["1d", "2d"])
def test_large_unsigned_dtypes(spatial: tuple[int, ...], dtype: str, mode: str) -> None:
    """The built-in refuses them in every rank."""
    rank = len(spatial)
    given = case(Config(spatial, 3, 2, "same"), distinct, dtype)
    x = given.x + np.array(np.iinfo(dtype).max // 2 - 5, dtype)  # across the sign bit
    expected = reference.pool(x, 3, 2, "same").values
    assert_same(run(ours(rank, 3, 2, "same"), mode, x), expected)
    got = attempt(lambda: run(builtin(rank, 3, 2, "same"), mode, x))
    state(present=refuses(got), mended=equal(got, expected), got=got)


@keras_3_alone
@ranks
@pytest.mark.parametrize("dtype", ["int32", "uint8"])
def test_a_symbolic_whole_number_stays_one(dtype: str, rank: int) -> None:
    """The built-in says float32 of it, and then gives whole numbers."""
    x = keras.Input((*[4] * rank, 1), dtype=dtype)
    assert ours(rank)(x).dtype == dtype
    got = builtin(rank)(x).dtype
    state(present=got == "float32", mended=got == dtype, got=got)


def second_order(layer: keras.Layer, mode: str, given: Any, tangent: np.ndarray) -> Any:
    """The gradient differentiated by what came in from above, for twice the tangent, which nothing else holds."""

    def function(x: tf.Tensor, upstream: tf.Tensor, tangent: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as outer:
            outer.watch(upstream)
            _, gradient = with_gradient(layer)(x, upstream)
        return outer.gradient(gradient, upstream, output_gradients=tangent + tangent)

    return run(function, mode, given.x, given.upstream, tangent)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_second_order_gradients_in_xla(dtype: str) -> None:
    """The built-in has them in float32 alone."""
    config = Config((6, 5), 3, 2, "same")
    given, tangent = case(config, distinct, dtype), case(config, ties, dtype).x
    expected = reference.gather(tangent + tangent, given.indices)
    assert_same(second_order(ours(2, 3, 2, "same", dtype=dtype), "xla", given, tangent), expected)
    got = attempt(
        lambda: second_order(builtin(2, 3, 2, "same", dtype=dtype), "xla", given, tangent)
    )
    state(present=refuses(got), mended=equal(got, expected), got=got)


def test_second_order_gradients_where_the_size_stays() -> None:
    """In a graph the built-in's kernel writes over what it has still to read."""
    config = Config((6, 5), 3, 1, "same")
    given, tangent = case(config, distinct), case(config, ties).x
    expected = reference.gather(tangent + tangent, given.indices)
    assert_same(second_order(ours(2, 3, 1, "same"), "graph", given, tangent), expected)
    got = second_order(builtin(2, 3, 1, "same"), "graph", given, tangent)
    right = equal(got, expected)
    state(present=not right, mended=right, got=got)


# What the built-in does not have

OPTIONS = {
    "dilation": ((1, 2, 3), {"dilation_rate": 2}),
    "dilation with a stride": ((1, 2, 3), {"dilation_rate": 2, "strides": 3, "padding": "same"}),
    "ceil_mode": ((1, 2, 3), {"ceil_mode": True, "pool_size": 3}),
    "one pad": ((1, 2, 3), {"padding": 1, "pool_size": 3}),
    "same_lower": ((1, 2, 3), {"padding": "same_lower"}),
    "causal": ((1,), {"padding": "causal"}),
    "pair": ((1,), {"padding": ((1, 0),)}),
    "pairs": ((2,), {"padding": ((1, 0), (0, 1))}),
    "one int an axis": ((3,), {"padding": (0, 1, 1)}),
}
WITH_RANKS = {
    f"{rank}d {name}": (rank, options) for name, (of, options) in OPTIONS.items() for rank in of
}


@pytest.mark.parametrize(("rank", "options"), WITH_RANKS.values(), ids=WITH_RANKS.keys())
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_options(mode: str, rank: int, options: dict[str, Any]) -> None:
    """The built-in refuses them all, when it is made or when it is called."""
    given = case(Config((7, 6, 5)[:rank], **options))
    check_ours(rank, mode, given, **options)
    got = attempt(lambda: run(builtin(rank, **options), mode, given.x))
    state(present=refuses(got), mended=equal(got, given.values), got=got)


# Arguments


@ranks
@pytest.mark.parametrize("padding", ["SAME", "Valid"])
def test_padding_in_any_case(padding: str, rank: int) -> None:
    """The built-in takes it eagerly and refuses it symbolically."""
    given = case(Config((5, 6, 7)[:rank], 2, 2, padding.lower()))
    layer, other = ours(rank, 2, padding=padding), builtin(rank, 2, padding=padding)
    assert_same(layer(given.x).numpy(), given.values)
    assert equal(other(given.x), given.values)
    x = keras.Input(given.x.shape[1:])
    assert layer(x).shape == (None, *given.values.shape[1:])
    got = attempt(lambda: other(x))
    state(present=refuses(got), mended=not refuses(got), got=got)


@ranks
def test_a_stride_of_zero(rank: int) -> None:
    """The built-in is made with it, and then fails as ZeroDivisionError or in the kernel, by mode."""
    with pytest.raises(ValueError, match="`strides` must be positive; received strides=0"):
        ours(rank, 2, strides=0)
    got = attempt(lambda: builtin(rank, 2, strides=0))
    state(present=not refuses(got), mended=isinstance(got, ValueError), got=got)


@ranks
def test_numpy_integers(rank: int) -> None:
    """The built-in refuses them, though np.int64(2) == 2."""
    config = ours(rank, np.int64(2), strides=np.int32(3)).get_config()
    assert (config["pool_size"], config["strides"]) == ((2,) * rank, (3,) * rank)
    assert {type(n) for n in config["pool_size"] + config["strides"]} == {int}
    got = attempt(lambda: builtin(rank, np.int64(2)))
    state(present=refuses(got), mended=not refuses(got), got=got)


@ranks
def test_booleans(rank: int) -> None:
    """The built-in takes True for 1."""
    with pytest.raises(TypeError, match="`pool_size` takes integers, not booleans"):
        ours(rank, True)
    got = attempt(lambda: builtin(rank, True))
    state(present=not refuses(got), mended=isinstance(got, (TypeError, ValueError)), got=got)


@ranks
def test_an_unknown_padding_is_refused_at_once(rank: int) -> None:
    """The built-in takes any string until it is called."""
    with pytest.raises(ValueError, match="`padding` is unknown; received padding='full'"):
        ours(rank, padding="full")
    got = attempt(lambda: builtin(rank, padding="full"))
    state(present=not refuses(got), mended=isinstance(got, ValueError), got=got)


def test_errors_of_arguments_that_are_kerass_own() -> None:
    texts = [
        str(attempt(lambda home=home: home.MaxPool2D(dtype="nonsense")))
        for home in (keras.layers, keras_maxpool)
    ]
    assert "nonsense" in texts[0]
    assert texts[1] == texts[0]


@ranks
def test_a_window_larger_than_its_input(rank: int) -> None:
    """The built-in's error is another one, with another text, by mode; some of its modes give none."""
    x = np.zeros((1, *[4] * rank, 1), "float32")
    layer = ours(rank, 5)
    calls = [
        lambda layer: layer(x),
        lambda layer: layer(keras.Input(x.shape[1:], batch_size=1)),
        lambda layer: layer.compute_output_shape(x.shape),
        lambda layer: tf.function(layer)(x),
    ]
    errors = [attempt(lambda call=call: call(layer)) for call in calls]
    # tf.function wraps the text in the place where it was raised.
    assert [type(error) for error in errors] == [ValueError] * len(calls)
    text = str(errors[0])
    assert text.startswith("The window is larger than its input: spatial axis 0 has 4 elements")
    assert [text in str(error) for error in errors] == [True] * len(calls)

    of_any_size = tf.function(
        layer, input_signature=[tf.TensorSpec([None, *[None] * rank, 1], tf.float32)]
    )
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        of_any_size(x)
    assert "The window is larger than its input: spatial axis 0" in str(caught.value)
    assert "the window spans 5 (pool_size=5, dilation_rate=1)" in str(caught.value)

    got = [attempt(lambda call=call: call(builtin(rank, 5))) for call in calls]
    alike = all(isinstance(error, ValueError) for error in got) and len(set(map(str, got))) == 1
    state(present=not alike, mended=alike, got=got)


@ranks
def test_a_window_far_larger_than_its_input(rank: int) -> None:
    """So that the formula of the output's size gives less than none."""
    layer = ours(rank, 9, strides=1)
    of_any_size = tf.function(
        layer, input_signature=[tf.TensorSpec([None, *[None] * rank, 1], tf.float32)]
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="The window is larger than its input"):
        of_any_size(np.zeros((1, *[4] * rank, 1), "float32"))


@ranks
def test_a_missing_axis_is_explained(rank: int) -> None:
    """The built-in gives the two ranks."""
    x = np.zeros((2, *[4] * rank), "float32")
    with pytest.raises(ValueError, match="If the channel axis is missing, add it") as caught:
        ours(rank)(x)
    assert (f"MaxPool{rank - 1}D fits" in str(caught.value)) == (rank > 1)
    got = attempt(lambda: builtin(rank)(x))
    state(present=refuses(got), mended="channel axis" in str(got), got=got)


def test_a_boolean_image_is_refused() -> None:
    """The built-in passes TensorFlow's list of dtypes on, or casts, by version of Keras."""
    x = tf.zeros((1, 4, 4, 1), tf.bool)
    with pytest.raises(
        TypeError, match=r"max pooling takes float16, .* received inputs of .* bool"
    ):
        ours(2)(x)
    got = attempt(lambda: builtin(2)(x))
    state(present=not isinstance(got, TypeError), mended=isinstance(got, TypeError), got=got)
