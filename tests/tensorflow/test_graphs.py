"""The graphs of max pooling, its indices and unpooling: unknown sizes, operations, errors when they run."""

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.assertions import assert_all_same, assert_same
from harness.cases import CHOSEN, Config, case, distinct, ties
from harness.runner import MODES, in_mode, run, with_gradient
from harness.runner_tensorflow import nodes

from keras_maxpool.backend.tensorflow import adjacent_windows, onednn, unpool
from keras_maxpool.backend.tensorflow.context import current_context
from keras_maxpool.backend.tensorflow.kernels import indexed
from keras_maxpool.geometry.window import parse
from keras_maxpool.ops import convert_indices, max_pool, max_unpool

SQUARE = Config((7, 6), 3, 2, 1)
IMAGES = np.random.default_rng(0).permutation(144).reshape(2, 4, 6, 3).astype("float32")


def operations(function, *shapes):
    return [node.op for node in nodes(function, *map(tf.TensorSpec, shapes))]


@pytest.mark.parametrize("config", [CHOSEN[2], CHOSEN[7], SQUARE, CHOSEN[16]], ids=str)
@pytest.mark.parametrize(
    ("known", "jit_compile"),
    [([0, -1], False), ([1, -1], False), ([-2, -1], True), ([-1], False), ([-1], True)],
    ids=str,
)
def test_partly_unknown_shape(known, config, jit_compile):
    """One axis besides the channels, or none."""
    given = case(config, ties)
    spec = [None] * given.x.ndim
    for axis in known:
        spec[axis] = given.x.shape[axis]
    pool = with_gradient(config.pooling(return_indices=True))
    specs = [tf.TensorSpec(spec), tf.TensorSpec([*[None] * (len(spec) - 1), 3])]
    traced = tf.function(pool, input_signature=specs, jit_compile=jit_compile)
    results = traced(given.x, given.upstream)
    assert_all_same(results, given.values, given.indices, given.gradient)
    shapes = traced.get_concrete_function().output_shapes
    assert {(shape.rank, shape[-1]) for shape in shapes} == {(len(spec), 3)}


@pytest.mark.parametrize(("channels", "pools"), [(3, 2), (40, 1)])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_auto_knows_the_channels(data_format, channels, pools):
    shape = (2, 400, 400, channels) if data_format == "channels_last" else (2, channels, 400, 400)
    traced = operations(lambda x: max_pool(x, 5, 1, data_format=data_format), shape)
    assert traced.count("MaxPool") == pools


def test_the_gradient_in_3d_is_onednns_where_there_is_one():
    traced = operations(with_gradient(max_pool), (2, 4, 4, 4, 16), (2, 2, 2, 2, 16))
    assert ("MaxPool3DGrad" in traced) == onednn.favours_first_in_3d("float32")


@pytest.mark.parametrize(("mode", "transposes"), [("graph", 2), ("xla", 0)])
def test_channels_are_samples_in_xla(mode, transposes):
    pool = Config((9, 9), 3).pooling(data_format="channels_first", implementation="shifted")
    traced = operations(in_mode(pool, mode), (2, 16, 9, 9))
    assert traced.count("Transpose") == transposes


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        *(((None, 9, 9, 3), tf.int32), ((1, 2**15, 2**15, 1), tf.int32)),
        *(((None, None, 9, 3), tf.int64), ((1, 2**16, 2**15, 1), tf.int64)),
    ],
    ids=str,
)
def test_argmax_counts_in_32_bits_where_they_are_enough(shape, dtype):
    traced = nodes(lambda x: max_pool(x, 3, return_indices=True), tf.TensorSpec(shape))
    (argmax,) = [node for node in traced if node.op == "MaxPoolWithArgmax"]
    assert argmax.attr["Targmax"].type == dtype.as_datatype_enum


def test_shifted_leaves_out_the_operation_that_few_can_run():
    pool = SQUARE.pooling(implementation="shifted", return_indices=True)
    assert "MaxPoolWithArgmax" not in operations(pool, (2, 7, 6, 3))


@pytest.mark.parametrize("mode", MODES)
def test_small_offsets_are_for_xla(mode):
    """The smallest type that holds the last of so many."""
    counts, found = (2**7, 2**7 + 1, 2**15, 2**15 + 1), []

    def function(x):
        found.extend(indexed._offset_type(count, current_context(x)) for count in counts)
        return x

    run(function, mode, np.zeros(1))
    small = [tf.int8, tf.int16, tf.int16, tf.int32]
    assert found == (small if mode == "xla" else [tf.int32] * 4)


@pytest.mark.parametrize("config", [CHOSEN[4], SQUARE, CHOSEN[17]], ids=str)
def test_indices_inside_a_map(config):
    given = case(config, ties)
    pool = config.pooling(return_indices=True)
    one = lambda x: tuple(y[0] for y in pool(x[None]))  # noqa: E731
    assert_same(tf.vectorized_map(one, tf.constant(given.x))[1], given.indices)


@pytest.mark.parametrize("shape", [(1, 2**16, 2**15, 1), (None, 2**11, 2**10, 2**10, 3)], ids=str)
def test_int32_is_refused_where_it_would_wrap(shape):
    pool = tf.function(lambda x: max_pool(x, return_indices=True, indices_dtype="int32"))
    message = r"`indices` of int32 count fewer than 2\*\*31.*received 2147483648.*dtype=\"int64\""
    with pytest.raises(ValueError, match=message):
        pool.get_concrete_function(tf.TensorSpec(shape, tf.int8))


@pytest.mark.parametrize("to", ["onnx", "tensorflow"])
def test_int32_is_not_converted_where_a_graph_finds_that_it_would_wrap(to):
    convert = tf.function(lambda indices, shape: convert_indices(indices, shape, to=to))
    indices = tf.constant([[[[7]]]])
    fitting, *large = (tf.constant([1, 2**15, 2**14, channels]) for channels in (3, 4, 5))
    expected = convert(tf.cast(indices, tf.int64), fitting).numpy()
    assert_same(convert(indices, fitting).numpy(), expected.astype("int32"))
    for shape in large:
        message = r"tf\.cast\(indices, tf\.int64\)"
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            convert(indices, shape)


def test_small_windows_side_by_side_are_adjacent():
    for window, small in [
        *(((2, None, "valid"), True), ((4, None, "valid"), True), ((2, None, "same"), False)),
        *((((1, 17), None, "valid"), False), ((2, 1, "valid"), False), ((2, None, 1), False)),
    ]:
        assert adjacent_windows.are_adjacent(parse(2, *window, 1, False)) is small


@pytest.mark.parametrize("config", [Config((8,), 4), Config((6, 9), (2, 3)), Config((5, 7), 2)])
def test_adjacent_windows_scatter_nothing(config, monkeypatch):
    given = case(config, distinct)
    monkeypatch.setattr(unpool, "scatter", None)
    unpooled = max_unpool(given.values, given.indices, config.pool_size, like=given.x)
    assert_same(unpooled.numpy(), reference.unpool(given.values, given.indices, config.spatial))


@pytest.mark.parametrize("far", [6, -2, 2**40])
@pytest.mark.parametrize("pool", [2, 20])
def test_indices_out_of_range(pool, far):
    """A graph's error shows their range; XLA has no errors, and leaves them out."""
    values = np.ones((2, 1, 3, 2), "float32")
    indices = np.array([0, 0, 2, 1, far, far] * 2).reshape(2, 1, 3, 2)
    kept = np.where(indices == far, -1, indices)
    function = lambda v, i: max_unpool(v, i, (1, pool), output_size=(1, 6))  # noqa: E731
    assert_same(run(function, "xla", values, indices), reference.unpool(values, kept, (1, 6)))
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        run(function, "graph", values, indices)
    for part in ("must be below", "[6]", f"[{far}]", "like=", "indices_convention="):
        assert part in error.value.message


UNKNOWN = tf.TensorSpec([None] * 4, tf.float32), tf.TensorSpec([None] * 4, tf.int64)


@pytest.mark.parametrize("specs", [None, UNKNOWN], ids=["known", "unknown"])
@pytest.mark.parametrize("window", [(2,), (2, 2, "same"), (5, 2, (1, 2))], ids=str)
def test_a_convention_that_nobody_has_named(window, specs):
    """TensorFlow counts three times as many elements as there are in (4, 6)."""
    pooled = tf.nn.max_pool_with_argmax(IMAGES, 2, 2, "VALID")
    function = tf.function(lambda v, i: max_unpool(v, i, *window), input_signature=specs)
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        function(*pooled)
    assert 'indices_convention="tensorflow"' in error.value.message.replace("\\", "")
    with pytest.raises(ValueError, match='indices_convention="tensorflow"'):
        max_unpool(*pooled, *window)


def unpooled(values, indices):
    return max_unpool(values, indices, 3, 1, "same")


def in_data(values, indices):
    return next(iter(tf.data.Dataset.from_tensors((values, indices)).map(unpooled)))


def vectorized(values, indices):
    one = lambda pair: unpooled(pair[0][None], pair[1][None])[0]  # noqa: E731
    return tf.vectorized_map(one, (values, indices))


@pytest.mark.parametrize("way", [in_data, vectorized])
def test_the_check_goes_everywhere(way):
    values, indices = reference.pool(IMAGES, 3, 1, "same")
    expected = reference.unpool(values, indices, (4, 6))
    assert_same(way(values, indices), expected)
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be below"):
        way(values, indices + 1)


def test_no_check_in_what_xla_and_the_usual_indices_need():
    """The usual ones, of windows side by side, are told from others by the comparisons that unpool them."""
    specs = [tf.TensorSpec((2, 2, 3, 3), dtype) for dtype in (tf.float32, tf.int64)]
    for mode, function in [("graph", max_unpool), ("xla", unpooled)]:
        graph = in_mode(function, mode).get_concrete_function(*specs).graph
        assert "Assert" not in {operation.type for operation in graph.get_operations()}
