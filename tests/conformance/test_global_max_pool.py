"""`ops.global_max_pool` against the reference, in every mode, with and without masks."""

from functools import partial
from itertools import product

import numpy as np
import pytest
import reference
from conformance.first_maxima import TRACED, with_ends
from harness.assertions import assert_close, assert_same
from harness.cases import FLOATS, FORMATS, INTEGERS, distinct, ties, wild
from harness.keras_version import keras
from harness.runner import EVERY_MODE, MODES, forward_mode, run, second_order, with_gradient

from keras_maxpool.ops import global_max_pool

INF, NAN = np.inf, np.nan
DTYPES = [*FLOATS, *INTEGERS]
SPATIAL = {1: (7,), 2: (3, 4), 3: (2, 3, 2)}

by_mode = pytest.mark.parametrize("mode", MODES)


def example(rank, fill, dtype):
    """An input and a mask whose second sample is empty."""
    rng = np.random.default_rng(rank)
    x = fill((3, *SPATIAL[rank], 3), dtype, rng).astype(dtype)
    mask = rng.random(x.shape[:-1]) < 0.5
    mask[1] = False
    if fill is wild:
        x[0, 0, ..., 2] = NAN  # of which the mask leaves some
        mask[0, 0] = np.arange(mask[0, 0].size).reshape(mask[0, 0].shape) != 1
    return with_ends(x) if dtype in INTEGERS else x, mask


def check(
    x,
    mask,
    mode="eager",
    data_format="channels_last",
    *,
    keepdims=False,
    all_derivatives=False,
    nonfinite="backend",
):
    """Values, indices and, of floats, gradients. `x` has its channels last."""
    dtype, rank = x.dtype, x.ndim - 2
    of_elements = mask
    if mask is not None and mask.ndim == 1:
        of_elements = np.broadcast_to(mask.reshape(-1, *[1] * rank), x.shape[:-1])
    values, indices, shares = reference.global_pool(x, of_elements)
    rng = np.random.default_rng(0)
    upstream = rng.integers(1, 4, values.shape).astype(dtype)
    tangent = rng.integers(-3, 4, x.shape).astype(dtype)
    masks = [] if mask is None else [mask]

    def laid_out(array):
        if array.ndim == 2 and keepdims:
            array = array.reshape(array.shape[0], *[1] * rank, array.shape[1])
        first = data_format == "channels_first" and array.ndim > 2
        return reference.channels_first(array) if first else array

    def results(x, upstream, tangent, *masks):
        options = {"mask": masks[0] if masks else None, "nonfinite": nonfinite}
        alone = partial(global_max_pool, data_format=data_format, keepdims=keepdims, **options)
        pool = partial(alone, return_indices=True)
        if dtype in INTEGERS:
            return pool(x)
        found = [*with_gradient(pool)(x, upstream)]
        if all_derivatives:
            found += second_order(alone)(x, upstream, tangent)
            found += forward_mode(alone)(x, tangent)
        return found

    found = run(results, mode, *map(laid_out, (x, upstream, tangent)), *masks)
    assert_same(found[0], laid_out(values))
    assert_same(found[1], laid_out(indices))
    wanted = [reference.global_gradient(shares, upstream)]
    along = reference.global_tangent(shares, 2 * tangent)
    again = reference.global_gradient(shares, 2 * upstream.astype("float64") * along)
    wanted += [along, again, values, along] if all_derivatives else []
    for got, should in zip(found[2:], map(laid_out, wanted), strict=dtype not in INTEGERS):
        if all_derivatives:  # whose sums may cancel
            assert got.shape == should.shape
            np.testing.assert_allclose(got, should, rtol=1e-6, atol=1e-5)
        else:
            assert_close(got, should, str(dtype))


def test_eager():
    """Everything with everything: it takes few milliseconds a call."""
    for rank, masked, data_format in product(SPATIAL, (False, True), FORMATS):
        fills = (ties, "backend"), (ties, "ieee"), (distinct, "backend"), (wild, "ieee")
        for fill, kind in fills:
            x, mask = example(rank, fill, "float32")
            given = mask if masked else None
            options = {"nonfinite": kind, "all_derivatives": fill is ties}
            check(x, given, data_format=data_format, keepdims=fill is distinct, **options)
        check(x, np.array([True, False, True]), data_format=data_format, nonfinite="ieee")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", EVERY_MODE)
def test_modes(mode, dtype):
    """Masked or not, and each rank and data format, in turn; eagerly both."""
    i, shift = DTYPES.index(dtype), EVERY_MODE.index(mode)
    rank, data_format = (1 + (i + shift) % 3, FORMATS[i // 2 % 2]) if shift else (2, FORMATS[0])
    of_ties = "backend" if shift else "ieee"
    for fill, kind in [(ties, of_ties), (wild, "ieee")][: 1 + (dtype in FLOATS)]:
        x, mask = example(rank, fill, dtype)
        for given in [None, mask] if mode == "eager" else [mask if (i + shift) % 2 else None]:
            check(x, given, mode, data_format, keepdims=rank == 2, nonfinite=kind)


@pytest.mark.parametrize(("mode", "kind"), product(TRACED, ["backend", "ieee"]))
def test_derivatives(mode, kind):
    """Masked in one of the two."""
    x, mask = example(2, ties, "float32")
    given = mask if (kind == "ieee") == (mode == "xla") else None
    check(x, given, mode, nonfinite=kind, all_derivatives=True)


@by_mode
def test_masks(mode):
    """Of samples; with hidden NaN, and where all that is visible is as low as what replaces the hidden."""
    x, _ = example(2, ties, "float32")
    check(x, np.array([True, False, True]), mode, "channels_first")
    x = np.array([[NAN, 2, 3], [-INF, -INF, -INF]], "float32")[..., None]
    for kind in ("backend", "ieee"):
        check(x, np.array([[False, True, True]] * 2), mode, nonfinite=kind)


@by_mode
def test_nothing_to_pool(mode):
    for shape in [(0, 3, 4, 2), (2, 3, 4, 0)]:
        for mask in (None, np.ones(shape[:-1], bool)):
            check(np.zeros(shape, "float32"), mask, mode, nonfinite="ieee")


@by_mode
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_far_indices(mode, dtype):
    """An index is an integer, also where the dtype holds no such number."""
    x = np.zeros((1, 70001, 2), dtype)
    x[0, 69999:, 1] = x[0, 65537, 0] = 1
    indices = run(lambda x: global_max_pool(x, return_indices=True)[1], mode, x)
    assert indices.tolist() == [[65537, 69999]]


def test_bad_masks():
    x, boolean = np.zeros((2, 5, 3), "float32"), partial(np.full, fill_value=True)
    shapes = "(2, 5)", "(2, 5, 3)"
    for mask, error, *fragments in [
        (np.ones((2, 5)), TypeError, "dtype float64", "cast"),
        ([[1] * 5] * 2, TypeError, "dtype int", "cast"),
        ("yes", TypeError, "`mask` takes", "boolean"),
        ([[True], [True, False]], TypeError, "[[True], [True, False]]"),
        ({True}, TypeError, "{True}", "Write"),
        (True, ValueError, *shapes, "shape ()"),
        *((boolean(n), ValueError, *shapes, f"shape {n}") for n in [(5, 2), (2, 1), (5,)]),
        (boolean((2, 5, 3)), ValueError, "shape (2, 5, 3)", "Write"),
    ]:
        for mode in ("eager", *TRACED[:1]):
            with pytest.raises(error) as caught:
                run(lambda x: global_max_pool(x, mask=mask), mode, x)  # noqa: B023
            assert caught.type is error
            for fragment in ["`mask`", *fragments]:
                assert fragment in str(caught.value)


def test_channels_first_is_said_of_a_mask_and_of_no_elements():
    x = np.zeros((2, 5, 3), "float32")
    match = r"`mask`.*which is \(2, 3\).*channels_first.*shape \(2, 5\)"
    with pytest.raises(ValueError, match=match):
        global_max_pool(x, "channels_first", mask=np.full((2, 5), True))
    assert global_max_pool(x[..., :0]).shape == (2, 0)
    with pytest.raises(ValueError, match="channels_first"):
        global_max_pool(x[..., :0], "channels_first")


def test_image_data_format_of_keras():
    x = np.arange(24.0).reshape(2, 3, 4)
    keras.backend.set_image_data_format("channels_first")
    try:
        assert global_max_pool(x).shape == (2, 3)
    finally:
        keras.backend.set_image_data_format("channels_last")
    assert global_max_pool(x).shape == (2, 4)
