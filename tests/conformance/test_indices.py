"""What is about indices alone: their dtypes and limits, and other libraries' conventions."""

import numpy as np
import pytest
import reference
from harness.assertions import assert_same
from harness.cases import FORMATS, Config, case, distinct, lowest
from harness.runner import EVERY_MODE, MODES, run

from keras_maxpool.ops import convert_indices, max_pool

PLAIN = {1: Config((9,), 3, 2, "same"), 2: Config((7, 6), 3, 2, 1), 3: Config((5, 4, 6), 2, 2, 1)}


def converted(indices, shape, **conventions):
    return run(lambda indices: convert_indices(indices, shape, **conventions), "eager", indices)


@pytest.mark.parametrize("mode", MODES)
def test_indices_that_need_more_than_8_bits(mode):
    x = np.zeros((1, 400, 1), "float32")
    x[0, 333] = 1
    _, indices = run(lambda x: max_pool(x, 399, 1, return_indices=True), mode, x)
    np.testing.assert_array_equal(indices.ravel(), [333, 333])


@pytest.mark.parametrize(
    ("mode", "config"),
    # Of unknown size, a plane of padding has an index of 64 bits.
    [("eager", PLAIN[1]), ("eager", PLAIN[2]), *((mode, PLAIN[3]) for mode in EVERY_MODE)],
    ids=str,
)
def test_int32(mode, config):
    given = case(config, lowest)
    options = config.arguments | {"return_indices": True, "indices_dtype": "int32"}
    _, indices = run(lambda x: max_pool(x, **options), mode, given.x)
    assert_same(indices, given.indices.astype("int32"))


def test_int32_is_not_converted_where_it_would_wrap():
    narrow, wide = (np.array([[[[7]]]], dtype) for dtype in ("int32", "int64"))
    for data_format, shape, fits, conventions in [
        ("channels_last", (2, 2**15, 2**14, 2), False, {"to": "onnx"}),
        ("channels_last", (2, 2**15, 2**14, 2), False, {"source": "tensorflow_batch"}),
        ("channels_last", (2, 2**15, 2**14, 4), False, {"to": "tensorflow"}),
        ("channels_first", (1, 4, 2**15, 2**14), False, {"to": "tensorflow"}),
        ("channels_last", (2, 2**15, 2**14, 2), True, {"to": "tensorflow"}),
        ("channels_last", (2, 2**15, 2**14, 4), True, {}),
        ("channels_last", (2, 2**15, 2**14, 1), True, {"to": "onnx"}),
    ]:
        conventions["data_format"] = data_format
        in_64_bits = converted(wide, shape, **conventions)
        if fits:
            assert_same(converted(narrow, shape, **conventions), in_64_bits.astype("int32"))
            continue
        with pytest.raises(ValueError, match=f"received {2**31}.*64"):
            convert_indices(narrow, shape, **conventions)


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("config", PLAIN.values(), ids=str)
def test_conventions(config, data_format):
    """From their definitions: flat indices in the whole tensor, its axes in some order, or in all but the samples."""
    given = case(config, distinct, data_format=data_format)
    indices = given.indices
    shape = given.x.shape
    if data_format == "channels_first":
        indices, shape = reference.channels_last(indices), (shape[0], *shape[2:], shape[1])
    n, *spatial, c = shape
    sample = np.arange(n).reshape(-1, *[1] * (config.rank + 1))
    position, channel = np.unravel_index(indices, spatial), np.arange(c)
    full = {
        "tensorflow": ((*position, channel), (*spatial, c)),
        "tensorflow_batch": ((sample, *position, channel), (n, *spatial, c)),
        "onnx": ((sample, channel, *position), (n, c, *spatial)),
        "onnx_column_major": ((sample, channel, *position[::-1]), (n, c, *spatial[::-1])),
    }
    for name, (positions, sizes) in full.items():
        expected = np.ravel_multi_index(np.broadcast_arrays(*positions), sizes)
        if data_format == "channels_first":
            expected = reference.channels_first(expected)
        to = converted(given.indices, given.x.shape, to=name, data_format=data_format)
        assert_same(to, expected, name)
        back = converted(to, given.x.shape, source=name, data_format=data_format)
        assert_same(back, given.indices, name)
        none = converted(0 * given.indices - 1, given.x.shape, to=name, data_format=data_format)
        assert np.all(none == -1)


def test_bad_conversions():
    good = {"indices": np.zeros((1, 2, 1), "int64"), "shape": (1, 4, 1), "to": "onnx"}
    for error, message, arguments in [
        (ValueError, "`to` is unknown; received to='pytorch'. Did you mean", {"to": "pytorch"}),
        (ValueError, "`source` is unknown; received source=1", {"source": 1}),
        (TypeError, "`indices` takes int64 or int32; received f", {"indices": np.zeros((1, 2, 1))}),
        (ValueError, "`shape` must have one size for each of the 3 axes", {"shape": (4, 1)}),
        (ValueError, "`data_format` is unknown", {"data_format": "nhwc"}),
    ]:
        with pytest.raises(error, match=message):
            convert_indices(**(good | arguments))
