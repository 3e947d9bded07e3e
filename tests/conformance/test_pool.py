"""`ops.max_pool`, every option and every kernel, against the NumPy reference."""

from __future__ import annotations

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.assertions import assert_same
from harness.cases import (
    CHOSEN,
    FLOATS,
    FORMATS,
    INTEGERS,
    ONLY_PADDING,
    TABLE,
    Config,
    case,
    distinct,
    ties,
    wild,
)
from harness.runner import MODES, in_mode, run, with_gradient
from harness.runner_tensorflow import nodes

from keras_maxpool.backend.tensorflow import onednn
from keras_maxpool.ops import max_pool

KERNELS = ("auto", "direct", "separable", "shifted")
FORCED = KERNELS[1:]  # what "auto" becomes: enough where a run is slow
NAN, INF = np.nan, np.inf


def fits(implementation: str, config: Config, dtype: str = "float32") -> bool:
    """Whether the op lets this kernel be forced."""
    in_3d = config.rank < 3 or dtype in ("float32", "bfloat16")
    return implementation != "direct" or (not config.dilated and in_3d)


def pooling(config: Config, **options: object):
    return lambda x: max_pool(x, **config.arguments, **{"data_format": "channels_last"} | options)


def check(config: Config, mode: str, *fills, dtype="float32", **options: object) -> None:
    """Values and gradient, exactly, for each way of filling the input."""
    function = in_mode(with_gradient(pooling(config, **options)), mode)
    for fill in fills:
        expected = case(config, fill, dtype, options.get("data_format", "channels_last"))
        values, gradient = function(tf.constant(expected.x), tf.constant(expected.upstream))
        assert_same(values.numpy(), expected.values)
        assert_same(gradient.numpy(), expected.gradient)


def test_the_table_holds_every_option() -> None:
    for rank in (1, 2, 3):
        of_rank = [config for config in TABLE if config.rank == rank]
        assert {c.padding for c in of_rank if isinstance(c.padding, str)} >= {"valid", "same"}
        assert any(c.dilated and np.max(c.strides) > 1 for c in of_rank)
        assert any(c.ceil_mode and c.padding != "valid" for c in of_rank)
    assert all(config.sees_only_padding for config in ONLY_PADDING)


def pairs(kernels: tuple[str, ...], configs: list[Config]) -> pytest.MarkDecorator:
    """Every kernel with every configuration that it can do."""
    fitting = [(k, config) for k in kernels for config in configs if fits(k, config)]
    return pytest.mark.parametrize(("implementation", "config"), fitting, ids=str)


@pairs(KERNELS, TABLE)
def test_eager(implementation: str, config: Config) -> None:
    check(config, "eager", ties, distinct, implementation=implementation)


@pairs(FORCED, CHOSEN + TABLE[len(CHOSEN) :: 6])
def test_graph(implementation: str, config: Config) -> None:
    check(config, "graph", ties, implementation=implementation)


def one_kernel_each(configs: list[Config]) -> pytest.MarkDecorator:
    """The kernels in turn: tracing and compiling are too slow for every kernel with every one."""
    chosen = []
    for place, config in enumerate(configs):
        fitting = [kernel for kernel in FORCED if fits(kernel, config)]
        chosen.append((fitting[place % len(fitting)], config))
    return pytest.mark.parametrize(("implementation", "config"), chosen, ids=str)


@one_kernel_each(CHOSEN + TABLE[21::16])
def test_xla(implementation: str, config: Config) -> None:
    check(config, "xla", ties, implementation=implementation)


@one_kernel_each(CHOSEN + TABLE[22::8])
def test_graph_of_unknown_shape(implementation: str, config: Config) -> None:
    expected = case(config, ties)
    unknown = [None] * (config.rank + 1)
    specs = [tf.TensorSpec([*unknown, 3]), tf.TensorSpec([*unknown, 3])]
    shapes = []

    def function(x: tf.Tensor, upstream: tf.Tensor):
        pool = with_gradient(pooling(config, implementation=implementation))
        values, gradient = pool(x, upstream)
        shapes.append((values.shape.as_list(), gradient.shape.as_list()))
        return values, gradient

    values, gradient = tf.function(function, input_signature=specs)(
        tf.constant(expected.x), tf.constant(expected.upstream)
    )
    assert_same(values.numpy(), expected.values)
    assert_same(gradient.numpy(), expected.gradient)
    assert shapes == [([*unknown, 3], [*unknown, 3])]


@pytest.mark.parametrize("config", [CHOSEN[2], CHOSEN[7], CHOSEN[10], CHOSEN[16]], ids=str)
@pytest.mark.parametrize(
    ("known", "jit_compile"),
    [("batch", False), ("first", False), ("last", False), ("first", True), ("nothing", True)],
    ids=lambda value: value if isinstance(value, str) else ["graph", "xla"][value],
)
def test_partly_unknown_shape(known: str, config: Config, jit_compile: bool) -> None:
    expected = case(config, ties)
    spec: list = [None] * (config.rank + 1) + [3]
    place = {"nothing": None, "batch": 0, "first": 1, "last": config.rank}[known]
    if place is not None:
        spec[place] = expected.x.shape[place]
    function = with_gradient(pooling(config))
    values, gradient = tf.function(
        function,
        input_signature=[tf.TensorSpec(spec), tf.TensorSpec([None] * len(spec))],
        jit_compile=jit_compile,
    )(tf.constant(expected.x), tf.constant(expected.upstream))
    assert_same(values.numpy(), expected.values)
    assert_same(gradient.numpy(), expected.gradient)


# One configuration with everything in each rank, and one without dilation for the direct kernel.
RICH = [
    Config((9,), 3, 2, ((2, 1),), 2, True),
    Config((6, 7), (3, 2), (2, 1), ((1, 2), (0, 1)), (1, 2)),
    Config((5, 4, 6), (2, 3, 2), (1, 2, 3), ((1, 0), (1, 2), (0, 1)), (2, 1, 1), True),
]
PLAIN = [
    Config((9,), 3, 2, "same"),
    Config((6, 7), (3, 2), (2, 1), "same"),
    Config((5, 4, 6), (2, 3, 2), (1, 2, 3), "same"),
]


@pairs(KERNELS, PLAIN + RICH)
def test_channels_first(implementation: str, config: Config) -> None:
    check(config, "eager", ties, implementation=implementation, data_format="channels_first")


@pytest.mark.parametrize("config", PLAIN + RICH, ids=str)
@pytest.mark.parametrize("mode", MODES[1:])
def test_channels_first_traced(mode: str, config: Config) -> None:
    check(config, mode, ties, data_format="channels_first")


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(
    ("mode", "config"),
    [(mode, config) for mode in MODES for config in RICH + PLAIN * (mode != "xla")],
    ids=str,
)
def test_floats(mode: str, config: Config, dtype: str) -> None:
    for implementation in KERNELS if mode == "eager" else ("auto",):
        if fits(implementation, config, dtype):
            check(config, mode, ties, distinct, dtype=dtype, implementation=implementation)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize(
    ("mode", "config"),
    [(mode, config) for mode in MODES for config in RICH + PLAIN * (mode != "xla")],
    ids=str,
)
def test_integers(mode: str, config: Config, dtype: str) -> None:
    expected = case(config, distinct, dtype)
    for implementation in KERNELS if mode == "eager" else ("auto",):
        # uint32 and uint64 have no MaxPool of their own, and come here as signed integers.
        if fits(implementation, config, dtype):
            pool = pooling(config, implementation=implementation)
            assert_same(run(pool, mode, expected.x), expected.values)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("config", PLAIN + RICH, ids=str)
def test_integers_at_the_ends_of_their_range(config: Config, dtype: str) -> None:
    ends = np.iinfo(dtype)
    few = np.array([ends.min, ends.min, ends.min + 1, ends.max - 1, ends.max // 2], dtype)
    x = np.random.default_rng(0).choice(few, (2, *config.spatial, 3))
    for implementation in ("auto", "shifted"):
        pool = pooling(config, implementation=implementation)
        assert_same(run(pool, "eager", x), reference.pool(x, **config.arguments).values)


# Infinities and NaN

WILD = PLAIN + RICH + ONLY_PADDING[:3]


@pairs(KERNELS, WILD + ONLY_PADDING[3:] + TABLE[::3])
def test_ieee_eager(implementation: str, config: Config) -> None:
    check(config, "eager", wild, implementation=implementation, nonfinite="ieee")


@pairs(FORCED, WILD)
def test_ieee_graph(implementation: str, config: Config) -> None:
    check(config, "graph", wild, implementation=implementation, nonfinite="ieee")


@one_kernel_each(WILD)
def test_ieee_xla(implementation: str, config: Config) -> None:
    check(config, "xla", wild, implementation=implementation, nonfinite="ieee")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
@pytest.mark.parametrize("config", RICH, ids=str)
@pytest.mark.parametrize("mode", MODES)
def test_ieee_floats(mode: str, config: Config, dtype: str) -> None:
    check(config, mode, wild, dtype=dtype, nonfinite="ieee")


LOWEST = float(np.finfo("float32").min)
# name: the window, its maximum, the place of it
WINDOWS = {
    "nan first": ([NAN, 1, 2], NAN, 0),
    "nan last": ([1, 2, NAN], NAN, 2),
    "two nans": ([1, NAN, NAN], NAN, 1),
    "nan after inf": ([INF, NAN, 1], NAN, 1),
    "nan alone": ([NAN, NAN, NAN], NAN, 0),
    "nan and -inf": ([-INF, NAN, -INF], NAN, 1),
    "-inf alone": ([-INF, -INF, -INF], -INF, 0),
    "-inf and lowest": ([-INF, LOWEST, LOWEST], LOWEST, 1),
    "lowest alone": ([LOWEST, LOWEST, LOWEST], LOWEST, 0),
    "-inf and a number": ([-INF, -5, -INF], -5, 1),
    "inf twice": ([0, INF, INF], INF, 1),
    "zeros, - first": ([-0.0, 0.0, 0.0], 0, 0),
    "zeros, + first": ([-1.0, 0.0, -0.0], 0, 1),
}


@pytest.mark.parametrize("implementation", KERNELS)
@pytest.mark.parametrize("mode", MODES)
def test_ieee_by_hand(mode: str, implementation: str) -> None:
    x = np.array([window for window, _, _ in WINDOWS.values()], "float32")[..., None]
    values = np.array([value for _, value, _ in WINDOWS.values()], "float32")
    winners = np.zeros(x.shape, "float32")
    for row, (_, _, place) in enumerate(WINDOWS.values()):
        winners[row, place] = 7
    pool = with_gradient(lambda x: max_pool(x, 3, nonfinite="ieee", implementation=implementation))
    actual, gradient = run(pool, mode, x, np.full((len(x), 1, 1), 7, "float32"))
    np.testing.assert_array_equal(actual.ravel(), values)
    np.testing.assert_array_equal(gradient, winners)


@pytest.mark.parametrize("mode", MODES)
def test_ieee_changes_no_integers(mode: str) -> None:
    expected = case(RICH[0], distinct, "int32")
    assert_same(run(pooling(RICH[0], nonfinite="ieee"), mode, expected.x), expected.values)


@pytest.mark.parametrize("implementation", FORCED)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_backend_is_exact_for_finite_numbers(rank: int, mode: str, implementation: str) -> None:
    """The ends of the range included, if a window also holds a number above the lowest."""
    config = PLAIN[rank - 1]
    rng = np.random.default_rng(3)
    few = [np.nextafter(LOWEST, 0, dtype="float32"), -LOWEST, -1e30, 1e30, -0.0, 0.0, 1e-30]
    x = rng.choice(np.array(few, "float32"), (2, *config.spatial, 3))
    values, places = reference.pool(x, **config.arguments)
    upstream = rng.integers(1, 4, values.shape).astype("float32")
    function = with_gradient(pooling(config, implementation=implementation))
    actual, gradient = run(function, mode, x, upstream)
    assert_same(actual, values)
    assert_same(gradient, reference.gradient(x.shape, places, upstream, dtype="float32"))


# Layout, arguments and emptiness


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("empty", ["batch", "channels"])
@pytest.mark.parametrize("config", PLAIN + RICH, ids=str)
def test_nothing_to_pool(config: Config, empty: str, data_format: str, mode: str) -> None:
    full = case(config, ties, data_format=data_format)
    place = 0 if empty == "batch" else full.x.ndim - 1 if data_format == "channels_last" else 1
    x, upstream = (np.take(array, [], place) for array in (full.x, full.upstream))
    function = with_gradient(pooling(config, data_format=data_format))
    values, gradient = run(function, mode, x, upstream)
    assert_same(values, upstream)
    assert_same(gradient, x)


@pytest.mark.parametrize(("channels", "pools"), [(3, 2), (40, 1)])
@pytest.mark.parametrize("data_format", FORMATS)
def test_auto_knows_the_channels(data_format: str, channels: int, pools: int) -> None:
    """Few are pooled one axis at a time."""
    first = data_format == "channels_first"
    shape = (2, channels, 40, 40) if first else (2, 40, 40, channels)
    traced = nodes(
        lambda x: max_pool(x, 5, 1, data_format=data_format),
        tf.TensorSpec(shape),
    )
    assert [node.op for node in traced].count("MaxPool") == pools


def test_the_gradient_in_3d_is_onednns_where_there_is_one() -> None:
    shapes = (2, 4, 4, 4, 16), (2, 2, 2, 2, 16)
    traced = nodes(with_gradient(pooling(Config((4, 4, 4)))), *map(tf.TensorSpec, shapes))
    taken = "MaxPool3DGrad" in {node.op for node in traced}
    assert taken == onednn.favours_first_in_3d("float32")


@pytest.mark.parametrize(("mode", "transposes"), [("graph", 2), ("xla", 0)])
def test_channels_are_samples_in_xla(mode: str, transposes: int) -> None:
    config = Config((9, 9), 3)
    function = pooling(config, data_format="channels_first", implementation="shifted")
    traced = nodes(in_mode(function, mode), tf.TensorSpec((2, 16, *config.spatial)))
    assert [node.op for node in traced].count("Transpose") == transposes


@pytest.mark.parametrize(
    ("dtype", "mode", "upstream"),
    [
        ("float16", "eager", [2048, 1, 1]),
        ("float16", "graph", [2048, 1, 1]),
        ("bfloat16", "xla", [256, 1, 1]),
    ],
)
def test_gradients_of_16_bits_are_rounded_once(dtype: str, mode: str, upstream: list[int]) -> None:
    """Each 1 on its own would be lost beside the largest."""
    x, dy = (tf.cast([n], dtype)[..., None] for n in ([0, 0, 9, 0, 0], upstream))
    function = in_mode(with_gradient(pooling(Config((5,), 3, 1))), mode)
    assert function(x, dy)[1][0, 2, 0] == sum(upstream)


@pytest.mark.parametrize(
    ("shape", "data_format", "other"),
    [((2, 3, 9, 9), *FORMATS), ((2, 9, 9, 3), *reversed(FORMATS))],
    ids=str,
)
def test_a_shape_of_the_other_format(shape: tuple, data_format: str, other: str) -> None:
    with pytest.raises(ValueError, match=f'looks like data_format="{other}"'):
        max_pool(np.zeros(shape), 4, data_format=data_format)


@pytest.mark.parametrize(
    ("shape", "data_format"), [((2, 3, 9, 2), FORMATS[0]), ((2, 2, 9, 3), FORMATS[1])], ids=str
)
def test_a_shape_that_fits_in_no_format(shape: tuple, data_format: str) -> None:
    with pytest.raises(ValueError, match="larger than its input") as caught:
        max_pool(np.zeros(shape), 4, data_format=data_format)
    assert "looks like" not in str(caught.value)


def test_takes_what_converts_to_a_tensor() -> None:
    rows = [[[1.0], [3.0], [2.0], [0.0]]]
    assert max_pool(rows).numpy().tolist() == [[[3.0], [2.0]]]
    assert max_pool(tf.Variable(rows)).numpy().tolist() == [[[3.0], [2.0]]]


def test_arguments_stand_in_the_layers_order() -> None:
    x = case(Config((6, 7)), distinct).x
    by_place = max_pool(x, (3, 2), (1, 2), "same", "channels_first")
    by_name = max_pool(
        x, pool_size=(3, 2), strides=(1, 2), padding="same", data_format="channels_first"
    )
    assert_same(by_place.numpy(), by_name.numpy())


@pytest.mark.parametrize("shape", [(4,), (4, 4), (1, 2, 2, 2, 2, 1)], ids=str)
def test_refuses_other_ranks(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must have 1, 2 or 3 spatial axes"):
        max_pool(tf.zeros(shape))


@pytest.mark.parametrize("dtype", ["bool", "complex64", "string"])
def test_refuses_other_dtypes(dtype: str) -> None:
    x = tf.fill((1, 4, 1), "a") if dtype == "string" else tf.zeros((1, 4, 1), dtype)
    with pytest.raises(TypeError, match=f"takes float16, .*; received inputs of dtype {dtype}"):
        max_pool(x)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"nonfinite": "numpy"}, "`nonfinite` is unknown; received nonfinite='numpy'"),
        ({"implementation": "fast"}, "`implementation` is unknown; received implementation='fast'"),
        ({"data_format": "last"}, "`data_format` is unknown; received data_format='last'"),
        ({"padding": "full"}, "`padding` is unknown; received padding='full'"),
        ({"pool_size": 9}, "window is larger than its input"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_refuses(options: dict, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        max_pool(tf.zeros((1, 4, 1)), **options)


@pytest.mark.parametrize("dtype", ["float16", "float64", "int32", "uint64"])
@pytest.mark.parametrize("mode", MODES)
def test_an_axis_of_padding_alone_beside_others(mode: str, dtype: str) -> None:
    """Found by the fuzzer: axis by axis, the others have no elements to pool."""
    x = np.zeros((1, 4, 0, 4, 1), dtype)
    values, indices = run(
        lambda x: max_pool(x, 2, padding=(0, 1, 0), return_indices=True, nonfinite="ieee"), mode, x
    )
    assert values.shape == (1, 2, 1, 2, 1)
    assert np.all(values == reference.lowest(x.dtype))
    assert np.all(indices == -1)


@pytest.mark.parametrize("mode", MODES)
def test_slices_of_three_strided_axes_and_many_channels(mode: str) -> None:
    """At once they would be compared in seven dimensions, of which TensorFlow broadcasts five outside XLA."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, (2, 5, 4, 6, 16)).astype("float32")
    _, places = reference.pool(x, 2)
    upstream = rng.integers(1, 4, places.shape).astype("float32")
    pool = with_gradient(lambda x: max_pool(x, 2, implementation="shifted"))
    _, gradient = run(pool, mode, x, upstream)
    assert_same(gradient, reference.gradient(x.shape, places, upstream, dtype=x.dtype))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_padding_leaves_the_sign_of_zeros(mode: str, rank: int) -> None:
    x = np.full((1, *[4] * rank, 1), -0.0, "float32")
    y = run(lambda x: max_pool(x, 2, padding=1), mode, x)
    assert np.all(np.signbit(y))


def test_an_output_that_tensorflow_cannot_count() -> None:
    n = 2**30
    message = r"`padding` .* makes the shape \(0, 1073741822, 1073741822, 1073741822, 1\)"
    with pytest.raises(ValueError, match=message):
        max_pool(np.zeros((0, 1, 1, 1, 1)), n, 1, n - 2)
