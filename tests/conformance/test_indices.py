"""Indices of maxima against the NumPy reference, PyTorch's golden values, and `tf.nn.max_pool_with_argmax`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import reference
import tensorflow as tf
from golden import torch_golden
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
from harness.install import needs
from harness.runner import MODES, in_mode, run, with_gradient
from harness.runner_tensorflow import nodes

from keras_maxpool.backend.tensorflow.context import current_context
from keras_maxpool.backend.tensorflow.kernels import indexed
from keras_maxpool.ops import convert_indices, max_pool

PLAIN = {1: Config((9,), 3, 2, "same"), 2: Config((7, 6), 3, 2, 1), 3: Config((5, 4, 6), 2, 2, 1)}
GAPS = Config((7, 8), (3, 2), (2, 3), ((1, 0), (0, 1)), (2, 1))

by_mode = pytest.mark.parametrize("mode", MODES)
by_rank = pytest.mark.parametrize("config", PLAIN.values(), ids=str)


def lowest(shape: tuple[int, ...], dtype: str, rng: np.random.Generator) -> np.ndarray:
    """Little but the smallest value there is, which padding ties with."""
    kind = tf.as_dtype(dtype)
    smallest = -np.inf if kind.is_floating else kind.min
    return np.where(rng.random(shape) < 0.1, 1, smallest)


def pooling(config: Config, **options: object) -> Callable:
    options = {"data_format": "channels_last", "return_indices": True} | options
    return lambda x: max_pool(x, **config.arguments, **options)


def check(config: Config, mode: str, *fills: Callable, dtype: str = "float32", **options) -> None:
    function = in_mode(pooling(config, **options), mode)
    for fill in fills:
        given = case(config, fill, dtype, options.get("data_format", "channels_last"))
        values, indices = function(tf.constant(given.x))
        if fill is not lowest:  # where "backend" values are TensorFlow's
            assert_same(values.numpy(), given.values)
        assert_same(indices.numpy(), given.indices)


@pytest.mark.parametrize("config", TABLE + ONLY_PADDING, ids=str)
def test_eager(config: Config) -> None:
    fills = [lowest] if config in ONLY_PADDING else [distinct, ties, lowest]
    check(config, "eager", *fills)


@pytest.mark.parametrize("config", CHOSEN + ONLY_PADDING[:2], ids=str)
def test_graph(config: Config) -> None:
    check(config, "graph", lowest)


@pytest.mark.parametrize("config", CHOSEN[::2] + ONLY_PADDING[:2], ids=str)
def test_xla(config: Config) -> None:
    check(config, "xla", lowest)


@by_mode
@by_rank
@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS])
def test_dtypes(dtype: str, config: Config, mode: str) -> None:
    if mode != "xla" or config.rank == 2:
        check(config, mode, ties, lowest, dtype=dtype)


@by_mode
@by_rank
def test_channels_first(config: Config, mode: str) -> None:
    check(config, mode, ties, data_format="channels_first")


@pytest.mark.parametrize(
    "config", [Config((40,), 13, 1, "same"), Config((70, 9), (64, 2), 3)], ids=str
)
@by_mode
def test_long_windows(config: Config, mode: str) -> None:
    """XLA pools them in several steps, which overlap."""
    check(config, mode, ties, lowest)


def test_places_that_need_more_than_8_bits() -> None:
    x = np.zeros((1, 400, 1), "float32")
    x[0, 333] = 1
    for mode in MODES:
        _, indices = run(pooling(Config((400,), 399, 1)), mode, x)
        np.testing.assert_array_equal(indices.ravel(), [333, 333])


@by_mode
@pytest.mark.parametrize("config", [*PLAIN.values(), GAPS], ids=str)
def test_ieee(config: Config, mode: str) -> None:
    """The first NaN, whatever else is in the window."""
    check(config, mode, wild, nonfinite="ieee")


@pytest.mark.parametrize("known", ["batch", "spatial", "nothing"])
@pytest.mark.parametrize("jit_compile", [False, True])
@by_rank
def test_unknown_sizes(config: Config, jit_compile: bool, known: str) -> None:
    given = case(config, ties)
    batch, *spatial, channels = given.x.shape
    shape = {
        "batch": [batch, *[None] * config.rank, channels],
        "spatial": [None, *spatial, channels],
        "nothing": [None] * (config.rank + 2),
    }[known]
    spec = tf.TensorSpec(shape, tf.float32)
    function = tf.function(pooling(config), input_signature=[spec], jit_compile=jit_compile)
    values, indices = function(tf.constant(given.x))
    assert_same(values.numpy(), given.values)
    assert_same(indices.numpy(), given.indices)


@by_mode
@by_rank
def test_gradients_flow_through_the_values(config: Config, mode: str) -> None:
    given = case(config, ties)
    function = with_gradient(lambda x: pooling(config)(x)[0])
    values, gradient = run(function, mode, given.x, given.upstream)
    assert_same(values, given.values)
    assert_same(gradient, given.gradient)


@by_mode
@pytest.mark.parametrize("shape", [(0, 4, 4, 3), (2, 4, 4, 0)], ids=str)
def test_empty(shape: tuple[int, ...], mode: str) -> None:
    spec = tf.TensorSpec([None] * 4, tf.float32)
    x = tf.zeros(shape)
    functions = [in_mode(lambda x: max_pool(x, return_indices=True), mode)]
    if mode != "eager":
        functions.append(
            tf.function(
                lambda x: max_pool(x, return_indices=True),
                input_signature=[spec],
                jit_compile=mode == "xla",
            )
        )
    for function in functions:
        values, indices = function(x)
        assert values.shape == indices.shape == (shape[0], 2, 2, shape[3])
        assert indices.dtype == tf.int64


def test_int32() -> None:
    given = case(PLAIN[2], ties)
    _, indices = pooling(PLAIN[2], indices_dtype="int32")(given.x)
    assert_same(indices.numpy(), given.indices.astype("int32"))


@pytest.mark.parametrize("shape", [(1, 2**16, 2**15, 1), (None, 2**11, 2**10, 2**10, 3)], ids=str)
def test_int32_is_refused_where_it_would_wrap(shape: tuple[int | None, ...]) -> None:
    function = tf.function(lambda x: max_pool(x, return_indices=True, indices_dtype="int32"))
    message = (
        r'`indices` of int32 count fewer than 2\*\*31.*received 2147483648.*indices_dtype="int64"'
    )
    with pytest.raises(ValueError, match=message):
        function.get_concrete_function(tf.TensorSpec(shape, tf.int8))


@pytest.mark.parametrize(
    ("conventions", "shape", "data_format", "counted"),
    [
        ({"to": "onnx"}, (2, 2**15, 2**14, 2), "channels_last", 2**31),
        ({"source": "tensorflow_batch"}, (2, 2**15, 2**14, 2), "channels_last", 2**31),
        ({"to": "tensorflow"}, (2, 2**15, 2**14, 4), "channels_last", 2**31),
        ({"to": "tensorflow"}, (1, 4, 2**15, 2**14), "channels_first", 2**31),
        ({"to": "tensorflow"}, (2, 2**15, 2**14, 2), "channels_last", None),
        ({}, (2, 2**15, 2**14, 4), "channels_last", None),
        ({"to": "onnx"}, (2, 2**15, 2**14, 1), "channels_last", None),
    ],
)
def test_int32_is_not_converted_where_it_would_wrap(
    conventions: dict, shape: tuple[int, ...], data_format: str, counted: int | None
) -> None:
    narrow, wide = (tf.constant([[[[7]]]], dtype) for dtype in (tf.int32, tf.int64))
    in_64_bits = convert_indices(wide, shape, data_format=data_format, **conventions)
    if counted is None:
        converted = convert_indices(narrow, shape, data_format=data_format, **conventions)
        assert_same(converted.numpy(), in_64_bits.numpy().astype("int32"))
        return
    with pytest.raises(ValueError, match=f"received {counted}.*tf.int64"):
        convert_indices(narrow, shape, data_format=data_format, **conventions)


@pytest.mark.parametrize("to", ["onnx", "tensorflow"])
def test_int32_is_not_converted_where_a_graph_finds_that_it_would_wrap(to: str) -> None:
    convert = tf.function(lambda indices, shape: convert_indices(indices, shape, to=to))
    indices = tf.constant([[[[7]]]])
    fitting, *large = (tf.constant([1, 2**15, 2**14, channels]) for channels in (3, 4, 5))
    expected = convert(tf.cast(indices, tf.int64), fitting).numpy()
    assert_same(convert(indices, fitting).numpy(), expected.astype("int32"))
    for shape in large:
        message = r"tf\.cast\(indices, tf\.int64\)"
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            convert(indices, shape)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((2, 9, 9, 3), tf.int32),
        ((None, 9, 9, 3), tf.int32),
        ((None, None, 9, 3), tf.int64),
        ((1, 2**15, 2**15, 1), tf.int32),
        ((1, 2**16, 2**15, 1), tf.int64),
    ],
    ids=str,
)
def test_the_operation_counts_in_32_bits_where_they_are_enough(
    shape: tuple, dtype: tf.DType
) -> None:
    traced = nodes(lambda x: max_pool(x, 3, return_indices=True), tf.TensorSpec(shape))
    (places,) = [node for node in traced if node.op == "MaxPoolWithArgmax"]
    assert places.attr["Targmax"].type == dtype.as_datatype_enum


@by_mode
def test_small_offsets_are_for_xla(mode: str) -> None:
    """The smallest type that holds the last of so many."""
    counts, found = (2**7, 2**7 + 1, 2**15, 2**15 + 1), []

    def function(x: tf.Tensor) -> tf.Tensor:
        found.extend(indexed._offset_type(count, current_context(x)) for count in counts)
        return x

    run(function, mode, np.zeros(1))
    assert found == (
        [tf.int8, tf.int16, tf.int16, tf.int32] if mode == "xla" else [tf.int32] * len(counts)
    )


def test_shifted_leaves_out_the_operation_that_few_can_run() -> None:
    function = pooling(PLAIN[2], implementation="shifted")
    traced = nodes(function, tf.TensorSpec((2, *PLAIN[2].spatial, 3)))
    assert "MaxPoolWithArgmax" not in {node.op for node in traced}


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_inside_a_map(rank: int) -> None:
    given = case(PLAIN[rank], ties)
    _, indices = tf.vectorized_map(
        lambda x: tuple(y[0] for y in pooling(PLAIN[rank])(x[None])), tf.constant(given.x)
    )
    assert_same(indices.numpy(), given.indices)


# PyTorch

# Of several NaN in a window PyTorch 2.13 takes the last; the golden inputs have one.
GOLDEN = list(torch_golden.load())


@pytest.mark.parametrize("golden", GOLDEN, ids=[golden.name for golden in GOLDEN])
def test_pytorch_golden(golden: torch_golden.Case) -> None:
    _, indices = max_pool(
        golden.x,
        **golden.arguments,
        data_format="channels_first",
        nonfinite="backend" if golden.finite else "ieee",
        return_indices=True,
    )
    np.testing.assert_array_equal(indices, golden.indices)


def torch_takes(config: Config) -> bool:
    """Symmetric pads of at most half a window."""
    return all(
        padding == "valid"
        or (not isinstance(padding, str) and padding[0] == padding[1] <= pool // 2)
        for _, pool, _, padding, _, _ in config.axes
    )


@pytest.mark.parametrize("config", filter(torch_takes, TABLE), ids=str)
def test_pytorch_live(config: Config) -> None:
    torch = needs("torch")
    pads = [axis[3] for axis in config.axes]
    given = case(config, ties, data_format="channels_first")
    layer = getattr(torch.nn, f"MaxPool{config.rank}d")(
        tuple(axis[1] for axis in config.axes),
        tuple(axis[2] for axis in config.axes),
        tuple(0 if pad == "valid" else pad[0] for pad in pads),
        tuple(axis[4] for axis in config.axes),
        return_indices=True,
        ceil_mode=config.ceil_mode,
    )
    _, expected = layer(torch.from_numpy(given.x))
    _, indices = pooling(config, data_format="channels_first")(given.x)
    np.testing.assert_array_equal(indices, expected)


# Other conventions


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("padding", ["VALID", "SAME"])
def test_tensorflow_conventions(padding: str, batch: bool) -> None:
    x = case(Config((7, 6), 3, 2), distinct).x
    _, expected = tf.nn.max_pool_with_argmax(x, 3, 2, padding, include_batch_in_index=batch)
    _, indices = max_pool(x, 3, 2, padding, return_indices=True)
    name = "tensorflow_batch" if batch else "tensorflow"
    converted = convert_indices(indices, x.shape, to=name)
    np.testing.assert_array_equal(converted, expected)
    np.testing.assert_array_equal(convert_indices(converted, x.shape, source=name), indices)


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_onnx_conventions(rank: int, data_format: str) -> None:
    """From the definition: the flat place in the whole tensor (batch, channels, *spatial), or with axes reversed."""
    given = case(PLAIN[rank], distinct, data_format=data_format)
    _, indices = pooling(PLAIN[rank], data_format=data_format)(given.x)
    shape = given.x.shape if data_format == "channels_first" else None
    first = given.x if shape else reference.channels_first(given.x)
    n, c, *spatial = first.shape
    places = indices.numpy() if shape else reference.channels_first(indices.numpy())
    plane = np.arange(n * c).reshape(n, c, *[1] * rank) * np.prod(spatial)
    inside = np.unravel_index(places, spatial)
    column_major = np.ravel_multi_index(inside, spatial, order="F")
    for name, expected in {
        "onnx": plane + places,
        "onnx_column_major": plane + column_major,
    }.items():
        converted = convert_indices(indices, given.x.shape, to=name, data_format=data_format)
        as_first = converted.numpy() if shape else reference.channels_first(converted.numpy())
        np.testing.assert_array_equal(as_first, expected)
        back = convert_indices(converted, given.x.shape, source=name, data_format=data_format)
        np.testing.assert_array_equal(back, indices)


def test_onnx_reference_evaluator() -> None:
    """Where it is right: without padding."""
    onnx = needs("onnx")
    from onnx.reference import ReferenceEvaluator

    x = reference.channels_first(case(Config((7, 6), 3, 2), distinct).x)
    value = onnx.helper.make_tensor_value_info
    node = onnx.helper.make_node("MaxPool", ["x"], ["y", "i"], kernel_shape=[3, 3], strides=[2, 2])
    graph = onnx.helper.make_graph(
        [node],
        "pool",
        [value("x", onnx.TensorProto.FLOAT, x.shape)],
        [value("y", onnx.TensorProto.FLOAT, None), value("i", onnx.TensorProto.INT64, None)],
    )
    _, expected = ReferenceEvaluator(onnx.helper.make_model(graph)).run(None, {"x": x})
    _, indices = max_pool(x, 3, 2, data_format="channels_first", return_indices=True)
    converted = convert_indices(indices, x.shape, to="onnx", data_format="channels_first")
    np.testing.assert_array_equal(converted, expected)


def test_none_stays_none() -> None:
    indices = tf.constant([-1, 3], tf.int64, [1, 2, 1])
    for name in ("tensorflow", "tensorflow_batch", "onnx", "onnx_column_major"):
        assert convert_indices(indices, (1, 4, 1), to=name)[0, 0, 0] == -1


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"to": "pytorch"},
            ValueError,
            '`to` is unknown; received to=.pytorch.. Write "torch" or "ten',
        ),
        ({"source": 1}, ValueError, "`source` is unknown; received source=1"),
        (
            {"indices": np.zeros((1, 2, 1))},
            TypeError,
            "`indices` takes int64 or int32; received float64",
        ),
        ({"shape": (4, 1)}, ValueError, r"`shape` must have one size for each of the 3 axes"),
        ({"data_format": "nhwc"}, ValueError, "`data_format` is unknown"),
    ],
)
def test_bad_conversions(arguments: dict, error: type, message: str) -> None:
    good = {"indices": np.zeros((1, 2, 1), "int64"), "shape": (1, 4, 1), "to": "onnx"}
    with pytest.raises(error, match=message):
        convert_indices(**(good | arguments))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"return_indices": 1},
            TypeError,
            "`return_indices` takes True or False; received return_ind",
        ),
        (
            {"indices_dtype": "int16"},
            ValueError,
            '`indices_dtype` is unknown.*Write "int64" or "int32"',
        ),
    ],
)
def test_bad_arguments(arguments: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        max_pool(np.zeros((1, 4, 4, 1), "float32"), **arguments)
