"""`ops.max_unpool` in every mode against the reference: the adjoint of gathering the maxima, in every convention."""

from functools import partial
from itertools import product

import numpy as np
import pytest
import reference
from harness import runner
from harness.assertions import assert_all_same, assert_same
from harness.cases import FLOATS, FORMATS, INTEGERS, Config, case, distinct, ties
from harness.runner import EVERY_MODE, MODES, run, run_all, with_gradient

from keras_maxpool.arguments import INDICES_CONVENTIONS as CONVENTIONS
from keras_maxpool.ops import convert_indices, max_unpool

by_mode = pytest.mark.parametrize("mode", EVERY_MODE)
TILED, OVERLAPPING = Config((5, 7), 2), Config((7, 6), 3, 2, 1)
# Side by side, side by side with elements left over, apart, overlapping, padded, and hanging over.
CONFIGS = [
    Config((8,), 2),
    Config((9,), 4),
    Config((9,), 3, 1, "same"),
    Config((7, 9), (2, 3)),
    Config((7, 9), 2, 3),
    Config((5, 7), 2, 2, "same"),
    Config((5, 7), 2, 2, "valid", 1, True),
    Config((11, 12), 5),
    Config((4, 5, 6), 2),
    Config((4, 5, 6), 3, 2, "same_lower"),
]


def unpooling(config, **options):
    own = {"pool_size": config.pool_size, "strides": config.strides, "padding": config.padding}
    return lambda values, indices, like=None: max_unpool(
        values, indices, **own | {"data_format": "channels_last", "like": like} | options
    )


@by_mode
@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_values_and_gradient(config, mode):
    given, upstream = case(config, ties), case(config, distinct).x

    def function(values, indices, like):
        return with_gradient(lambda v: unpooling(config)(v, indices, like))(values, like)

    results = run(function, mode, given.upstream, given.indices, upstream)
    y = reference.unpool(given.upstream, given.indices, config.spatial)
    assert_all_same(results, y, reference.gather(upstream, given.indices))


@by_mode
@pytest.mark.parametrize("config", [TILED, OVERLAPPING], ids=str)
def test_second_order(mode, config):
    given, like = case(config, ties), case(config, distinct).x

    def function(values, tangent, indices, like):
        def unpool(values):
            return unpooling(config)(values, indices, like)

        return runner.second_order(unpool)(values, like, tangent), runner.forward_mode(unpool)(
            values, tangent
        )

    arrays = given.values, given.upstream, given.indices, like
    second, forward = run(function, mode, *arrays)
    along = reference.unpool(2 * given.upstream, given.indices, config.spatial)
    assert_all_same(second, along, reference.gather(2 * like * along, given.indices))
    y = reference.unpool(given.values, given.indices, config.spatial)
    assert_all_same(forward, y, along)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("config", [TILED, OVERLAPPING], ids=str)
def test_dtypes(mode, config):
    """Indices of 32 and of 64 bits in turn."""
    given = [case(config, ties, dtype) for dtype in FLOATS + INTEGERS]
    unpool = unpooling(config, output_size=config.spatial)
    calls = [
        (unpool, one.upstream, one.indices.astype(["int64", "int32"][i % 2]))
        for i, one in enumerate(given)
    ]
    for one, y in zip(given, run_all(mode, *calls), strict=True):
        assert_same(y, one.gradient)


@by_mode
def test_inferred_sizes(mode):
    """(n - 1) * stride - padding + window, as `torch.nn.MaxUnpool2d`; n * stride for "same"."""
    last = np.ones((1, 3, 3, 2), "float32"), np.zeros((1, 3, 3, 2), "int64")
    first = [reference.channels_first(array) for array in last]
    sizes = {"valid": (7, 7), 1: (5, 5), ((1, 0), (0, 2)): (6, 5), "same": (6, 6)}
    calls = [
        (partial(max_unpool, pool_size=3, strides=2, padding=padding, data_format=name), *arrays)
        for padding, (name, arrays) in product(sizes, zip(FORMATS, (last, first), strict=True))
    ]
    results = run_all(mode, *calls)
    for expected, y, moved in zip(sizes.values(), results[::2], results[1::2], strict=True):
        assert_same(y, reference.unpool(*last, expected))
        assert_same(moved, reference.channels_first(y))


def placed(*indices):
    return np.reshape(indices, (1, 2, 2, 1))


ANYWHERE = np.random.default_rng(0).integers(-1, 48, (2, 3, 4, 3))
# The window, the sizes, the indices.
ELSEWHERE = [
    (2, (6, 8), ANYWHERE),  # nothing is lost, and what meets is added
    (2, (4, 4), placed(0, 2, 8, 0)),  # one is the first element's, which is in another window
    (2, (4, 4), placed(-1, -1, -1, -1)),
    (3, (6, 6), placed(-1, -1, -1, -1)),
    ((2, 2), (2, 3), np.array([[[[0], [3]]]])),  # beside a window's last column is the next row
    (6, (12, 12), placed(143, 2, 3, 143)),  # scattered, as the windows are large
]


@by_mode
def test_indices_that_are_not_the_windows_own(mode):
    calls = [
        (
            partial(max_unpool, pool_size=window, output_size=size),
            np.random.default_rng(1).integers(1, 5, indices.shape) * 1.0,
            indices,
        )
        for window, size, indices in ELSEWHERE
    ]
    for (_, *arrays), (_, size, _), y in zip(calls, ELSEWHERE, run_all(mode, *calls), strict=True):
        assert_same(y, reference.unpool(*arrays, size))


@pytest.mark.parametrize("far", [6, -2, 2**40])
def test_indices_out_of_range(far):
    values = np.ones((1, 1, 3, 2), "float32")
    indices = np.array([0, 0, 2, 1, far, far]).reshape(1, 1, 3, 2)
    with pytest.raises(ValueError, match=rf"received {far} at \(0, 0, 2, 0\).*like="):
        max_unpool(values, indices, (1, 2))


@by_mode
def test_empty(mode):
    for shape in [(0, 2, 2, 3), (2, 2, 2, 0)]:
        y = run(max_unpool, mode, np.zeros(shape, "float32"), np.zeros(shape, "int64"))
        assert y.shape == (shape[0], 4, 4, shape[3])


@pytest.mark.parametrize(
    ("mode", "config"),
    [("eager", Config((9,), 2)), ("eager", Config((4, 5, 6), 2))]
    + [(mode, Config((7, 8), 2)) for mode in EVERY_MODE],
    ids=str,
)
def test_every_convention(mode, config):
    """Sizes that windows do not fill, so that the volume's own sizes matter; some indices are of no element."""
    keys = list(product(CONVENTIONS, FORMATS))
    keys = keys if mode == "eager" else [*keys[1::4], *keys[2::4]]
    calls, expected = [], []
    for convention, data_format in keys:
        layout = {"data_format": data_format}
        given = case(config, distinct, **layout)
        converted = convert_indices(given.indices, given.x.shape, to=convention, **layout)
        none = given.indices == given.indices.max()
        dtypes = ["int64", "int32", "float32", "float64"][: 2 if convention == "torch" else 4]
        indices = np.where(none, -1, converted).astype(dtypes[len(calls) % len(dtypes)])
        unpool = partial(max_unpool, indices_convention=convention, **layout)
        calls.append((partial(unpool, output_size=config.spatial), given.values, indices))
        kept = np.where(none, -1, given.indices)
        expected.append(reference.unpool(given.values, kept, config.spatial, **layout))
    for key, wanted, y in zip(keys, expected, run_all(mode, *calls), strict=True):
        assert_same(y, wanted, str(key))


GOOD = {"values": np.ones((1, 2, 2, 1), "float32"), "indices": np.zeros((1, 2, 2, 1), "int64")}
FLOAT16 = np.zeros((1, 2, 2, 1), "float16")


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (TypeError, "`indices` takes int64 or int32; received float16", {"indices": FLOAT16}),
        (
            TypeError,
            "`indices` takes int64 or int32 or float32 or float64",
            {"indices": FLOAT16, "indices_convention": "tensorflow"},
        ),
        (ValueError, "`indices` must have the shape of ", {"indices": np.zeros((1, 2, 1, 1), int)}),
        (ValueError, r"`like` must have the rank .*\(1, 2, 2\)", {"like": np.zeros((1, 2, 2))}),
        (ValueError, "`output_size` and `like` ", {"output_size": 4, "like": FLOAT16}),
        (ValueError, "`values` must have 1, 2 or 3 spati", {"values": np.ones((2, 1), "float32")}),
        (TypeError, "max pooling takes", {"values": np.ones((1, 2, 2, 1), bool)}),
    ],
)
def test_refuses(error, message, arguments):
    with pytest.raises(error, match=message):
        max_unpool(**(GOOD | arguments))
