"""Unpooling against the reference: the adjoint of gathering the maxima, PyTorch's where windows do not overlap."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.assertions import assert_same
from harness.cases import FLOATS, FORMATS, INTEGERS, Config, case, distinct, ties
from harness.install import needs
from harness.runner import MODES, in_mode, run

from keras_maxpool.backend.tensorflow import adjacent_windows, unpool
from keras_maxpool.geometry.window import parse
from keras_maxpool.ops import max_pool, max_unpool

# Side by side, side by side with elements left over, apart, overlapping, padded, and hanging over.
CONFIGS = [
    Config((8,), 2),
    Config((9,), 4),
    Config((9,), 3, 1, "same"),
    Config((6, 8), 2),
    Config((7, 9), (2, 3)),
    Config((7, 9), 2, 3),
    Config((7, 6), 3, 2, 1),
    Config((5, 7), 2, 2, "same"),
    Config((5, 7), 2, 2, "valid", 1, True),
    Config((11, 12), 5),
    Config((4, 5, 6), 2),
    Config((4, 5, 6), 3, 2, "same_lower"),
]
TILED = Config((5, 7), 2)

by_mode = pytest.mark.parametrize("mode", MODES)
by_config = pytest.mark.parametrize("config", CONFIGS, ids=str)


@pytest.mark.parametrize(
    ("window", "small"),
    [
        ((2, None, "valid"), True),
        ((4, None, "valid"), True),
        (((1, 17), None, "valid"), False),
        ((2, 1, "valid"), False),
        ((2, None, "same"), False),
        ((2, None, 1), False),
    ],
    ids=str,
)
def test_small_windows_side_by_side_are_adjacent(window: tuple, small: bool) -> None:
    assert adjacent_windows.are_adjacent(parse(2, *window, 1, False)) is small


@pytest.mark.parametrize("config", [Config((8,), 4), Config((6, 9), (2, 3)), TILED], ids=str)
def test_adjacent_windows_scatter_nothing(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    given = case(config, distinct)
    monkeypatch.setattr(unpool, "scatter", None)
    unpooled = unpooling(config)(given.values, given.indices, given.x)
    assert_same(unpooled.numpy(), reference.unpool(given.values, given.indices, config.spatial))


def unpooling(config: Config, **options: object) -> Callable:
    own = {"pool_size": config.pool_size, "strides": config.strides, "padding": config.padding}
    return lambda values, indices, like=None: max_unpool(
        values, indices, **own | {"data_format": "channels_last", "like": like} | options
    )


@by_mode
@by_config
def test_values_and_gradient(config: Config, mode: str) -> None:
    given = case(config, ties)
    spatial = config.spatial
    weights = case(config, distinct).x

    def function(values: tf.Tensor, indices: tf.Tensor, like: tf.Tensor) -> tuple:
        with tf.GradientTape() as tape:
            tape.watch(values)
            y = unpooling(config)(values, indices, like)
        return y, tape.gradient(y, values, output_gradients=like)

    y, gradient = run(function, mode, given.upstream, given.indices, weights)
    assert_same(y, reference.unpool(given.upstream, given.indices, spatial))
    assert_same(gradient, reference.gather(weights, given.indices))


@by_mode
@by_config
def test_pooling_again_gives_the_same(config: Config, mode: str) -> None:
    """Of positive values; where windows overlap their maxima add up, so there each place counts once."""
    x = case(config, distinct).x + 200
    overlapping = any(axis[1] > axis[2] for axis in config.axes)

    def function(x: tf.Tensor) -> tuple:
        values, indices = max_pool(x, **config.arguments, return_indices=True)
        y = unpooling(config)(values, indices, x)
        if overlapping:
            y = tf.math.divide_no_nan(y, unpooling(config)(tf.ones_like(values), indices, x))
        return values, max_pool(y, **config.arguments)

    once, twice = run(function, mode, x)
    assert_same(once, twice)


@by_mode
@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
@pytest.mark.parametrize("config", [TILED, Config((7, 6), 3, 2, 1)], ids=str)
def test_dtypes(config: Config, dtype: str, mode: str) -> None:
    given = case(config, ties, dtype)
    y = run(unpooling(config), mode, given.upstream, given.indices, given.x)
    assert_same(y, given.gradient)
    narrow = run(unpooling(config), mode, given.upstream, given.indices.astype("int32"), given.x)
    assert_same(narrow, given.gradient)


@by_mode
@pytest.mark.parametrize("data_format", FORMATS)
def test_inferred_sizes(data_format: str, mode: str) -> None:
    """(n - 1) * stride - padding + window, as `torch.nn.MaxUnpool2d`; n * stride for "same"."""
    for padding, sizes in {
        "valid": (7, 7),
        1: (5, 5),
        ((1, 0), (0, 2)): (6, 5),
        "same": (6, 6),
    }.items():
        values = np.ones((1, 3, 3, 2), "float32")
        places = np.zeros((1, 3, 3, 2), "int64")
        if data_format == "channels_first":
            values, places = (np.moveaxis(a, -1, 1) for a in (values, places))
        function = in_mode(lambda v, i, p=padding: max_unpool(v, i, 3, 2, p, data_format), mode)
        y = function(tf.constant(values), tf.constant(places))
        channels_last = data_format == "channels_last"
        assert y.shape == (1, *sizes, 2) if channels_last else (1, 2, *sizes)
        assert y.numpy().sum() == 18


def test_output_size() -> None:
    given = case(Config((5, 7), 2), distinct)
    y = max_unpool(given.values, given.indices, 2, output_size=(5, 7))
    assert_same(y.numpy(), reference.unpool(given.values, given.indices, (5, 7)))


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(
    "config", [TILED, Config((5, 7), 2, 2, "same"), Config((7, 6), 3, 2, 1)], ids=str
)
def test_unknown_sizes(config: Config, jit_compile: bool) -> None:
    given = case(config, distinct)
    specs = [
        tf.TensorSpec([None] * 4, tf.float32),
        tf.TensorSpec([None] * 4, tf.int64),
        tf.TensorSpec([None] * 4, tf.float32),
    ]
    function = tf.function(unpooling(config), input_signature=specs, jit_compile=jit_compile)
    y = function(given.values, given.indices, given.x)
    assert_same(y.numpy(), reference.unpool(given.values, given.indices, config.spatial))


@by_mode
def test_indices_of_other_windows(mode: str) -> None:
    """Side by side windows whose indices are anywhere: nothing is lost, and what meets is added."""
    rng = np.random.default_rng(0)
    values = rng.integers(1, 5, (2, 3, 4, 3)).astype("float32")
    places = rng.integers(-1, 48, (2, 3, 4, 3))
    y = run(unpooling(Config((6, 8), 2)), mode, values, places)
    assert_same(y, reference.unpool(values, places, (6, 8)))


@by_mode
def test_one_index_of_another_window(mode: str) -> None:
    """The first element's, which is nobody else's."""
    values, places = np.ones((1, 2, 2, 1), "float32"), np.array([0, 2, 8, 0]).reshape(1, 2, 2, 1)
    y = run(unpooling(Config((4, 4), 2)), mode, values, places)
    assert_same(y, reference.unpool(values, places, (4, 4)))


@by_mode
def test_values_of_none_are_left_out(mode: str) -> None:
    values, places = np.ones((1, 2, 2, 1), "float32"), np.full((1, 2, 2, 1), -1)
    for config in (Config((4, 4), 2), Config((4, 4), 2, 2, "same")):
        y = run(unpooling(config), mode, values, places)
        assert_same(y, np.zeros((1, 4, 4, 1), "float32"))


@by_mode
def test_indices_beyond_a_hanging_window(mode: str) -> None:
    """The place beside a window's last column is the next row's first one."""
    values = np.ones((1, 1, 2, 1), "float32")
    places = np.array([0, 3]).reshape(1, 1, 2, 1)
    y = run(lambda v, i: max_unpool(v, i, (2, 2), output_size=(2, 3)), mode, values, places)
    assert_same(y, reference.unpool(values, places, (2, 3)))


@pytest.mark.parametrize("far", [6, -2, 2**40])
def test_indices_out_of_range(far: int) -> None:
    """An error that shows the first one, or in a graph their range; XLA has no errors, and leaves them out."""
    values = np.ones((1, 1, 3, 2), "float32")
    places = np.array([0, 0, 2, 1, far, far]).reshape(1, 1, 3, 2)
    with pytest.raises(ValueError, match=rf"received {far} at \(0, 0, 2, 0\).*like="):
        max_unpool(values, places, (1, 2))
    kept = np.where(places == far, -1, places)
    for pool in ((1, 2), (1, 20)):
        function = lambda v, i, p=pool: max_unpool(v, i, p, output_size=(1, 6))  # noqa: E731
        assert_same(run(function, "xla", values, places), reference.unpool(values, kept, (1, 6)))
        with pytest.raises(tf.errors.InvalidArgumentError) as error:
            run(function, "graph", values, places)
        for part in ("must be below", "[6]", f"[{far}]", "like=", "indices_convention="):
            assert part in error.value.message


@by_mode
@pytest.mark.parametrize("shape", [(0, 2, 2, 3), (2, 2, 2, 0)], ids=str)
def test_empty(shape: tuple[int, ...], mode: str) -> None:
    y = run(max_unpool, mode, np.zeros(shape, "float32"), np.zeros(shape, "int64"))
    assert y.shape == (shape[0], 4, 4, shape[3])


@by_mode
@pytest.mark.parametrize("config", [TILED, Config((7, 6), 3, 2, 1)], ids=str)
def test_second_order(config: Config, mode: str) -> None:
    """Of the sum of the squares."""
    given = case(config, distinct)

    def function(values: tf.Tensor, indices: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as outer:
            outer.watch(values)
            with tf.GradientTape() as tape:
                tape.watch(values)
                y = tf.reduce_sum(unpooling(config)(values, indices, like) ** 2)
            first = tape.gradient(y, values)
        return outer.gradient(first, values)

    # The Hessian times ones: as many values as meet at each place.
    meet = reference.unpool(np.ones_like(given.values), given.indices, config.spatial)
    actual = run(function, mode, given.values, given.indices, given.x)
    assert_same(actual, 2 * reference.gather(meet, given.indices))


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("stride", [2, 3])
def test_pytorch_live(rank: int, stride: int) -> None:
    torch = needs("torch")
    config = Config((7, 6, 5)[:rank], 2, stride)
    given = case(config, distinct, data_format="channels_first")
    layer = getattr(torch.nn, f"MaxUnpool{rank}d")(2, stride)
    values, places = torch.from_numpy(given.values), torch.from_numpy(given.indices)
    y = max_unpool(
        given.values, given.indices, 2, stride, data_format="channels_first", like=given.x
    )
    expected = layer(values, places, output_size=config.spatial)
    np.testing.assert_array_equal(y, expected)
    places = torch.clip(places, max=1)  # which fit any size
    y = max_unpool(given.values, places.numpy(), 2, stride, data_format="channels_first")
    assert y.shape == layer(values, places).shape


GOOD = {"values": np.ones((1, 2, 2, 1), "float32"), "indices": np.zeros((1, 2, 2, 1), "int64")}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"indices": np.zeros((1, 2, 2, 1))},
            TypeError,
            "`indices` takes int64 or int32; received float64",
        ),
        (
            {"indices": np.zeros((1, 2, 1, 1), int)},
            ValueError,
            "`indices` must have the shape of the values, ",
        ),
        ({"like": np.zeros((1, 2, 2))}, ValueError, r"`like` must have the rank .*\(1, 2, 2\)"),
        ({"output_size": (4, 0)}, ValueError, "`output_size` must be positive"),
        ({"output_size": (4, 4, 4)}, ValueError, "`output_size` takes 1 or 2 integers"),
        ({"output_size": 4.0}, TypeError, "`output_size` takes integers, not float"),
        (
            {"output_size": 4, "like": np.zeros((1, 4, 4, 1))},
            ValueError,
            "`output_size` and `like` both",
        ),
        ({"pool_size": 0}, ValueError, "`pool_size` must be positive"),
        (
            {"values": np.ones((2, 1), "float32")},
            ValueError,
            "`values` must have 1, 2 or 3 spatial axes",
        ),
        ({"values": np.ones((1, 2, 2, 1), bool)}, TypeError, "max pooling takes"),
        ({"data_format": "NHWC"}, ValueError, "`data_format` is unknown"),
    ],
)
def test_bad_arguments(arguments: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        max_unpool(**(GOOD | arguments))
