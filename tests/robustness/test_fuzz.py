"""Poolings of every family, drawn by hypothesis, against the references, PyTorch and the built-in layers.

The default run draws a few hundred. `pytest -m fuzz --dist load` draws 20,000 against the reference and thousands
against each of the others, each part in a process of its own, since compiled programs stay in memory.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import reference
import tensorflow as tf
from conformance.regions_running import fractional_cuts
from harness.assertions import assert_same
from harness.cases import FLOATS, INTEGERS
from harness.install import needs
from harness.keras_version import layers
from harness.runner import in_mode, with_gradient
from hypothesis import strategies as st
from reference import regions as reference_regions
from robustness.fuzzing import (
    EXACT,
    FINITE,
    KERNELS,
    NATIVE_3D,
    Example,
    at_length,
    derived,
    drawn,
    each,
    examples,
    flushed,
    outcome,
)

from keras_maxpool.ops import (
    adaptive_max_pool,
    fractional_max_pool,
    global_max_pool,
    max_pool,
    max_unpool,
)

FEW = (14, 5, 3)


# Windows


def fits(example: Example) -> bool:
    """Whether the reference finds windows; ours must raise a ValueError if not."""
    try:
        reference.pool(np.zeros((1, *example.spatial, 1)), **example.arguments)
    except ValueError:
        return False
    return all(_pads_are_short(example))


def _pads_are_short(example: Example) -> list[bool]:
    """The op refuses explicit pads of the dilated window's length, axis by axis."""

    named = example.arguments
    if isinstance(named["padding"], str):
        return [True]
    lengths = [
        (pool - 1) * rate + 1
        for pool, rate in zip(
            each(named["pool_size"], example.rank),
            each(named["dilation_rate"], example.rank),
            strict=True,
        )
    ]
    return [
        np.max(pads) < length
        for pads, length in zip(each(named["padding"], example.rank), lengths, strict=True)
    ]


@drawn(partial(examples, misfits=True), quick=(220, 48, 32), kernels=KERNELS)
def test_against_the_reference(example: Example) -> None:
    """Values, indices, the gradient and its own gradient."""
    x = example.input()
    if not fits(example):
        pool = in_mode(lambda x: max_pool(x, **example.options), example.mode)
        with pytest.raises(ValueError, match=r"window|padding"):
            pool(tf.constant(x))
        return
    wanted, places = example.wanted(x)
    upstream = example.whole_numbers(places.shape, "upstream")
    ours = outcome(example, x, upstream)
    # A window of padding alone: -inf by IEEE, TensorFlow's lowest number otherwise.
    alone = (places < 0) & (example.nonfinite == "backend")
    values = np.where(alone, wanted, ours.values).astype(wanted.dtype)
    # What only moves a denormal number keeps it.
    assert_same(flushed(values) if example.layout == "denormal" else values, wanted)
    assert_same(ours.indices, places)
    check_gradients(example, ours, x, upstream, places)


def check_gradients(
    example: Example, ours: Any, x: np.ndarray, upstream: np.ndarray, places: np.ndarray
) -> None:
    """Of windows whose maxima are at `places`."""
    if not example.is_float:
        return
    layout = {"data_format": example.data_format}
    wanted = reference.gradient(x.shape, places, upstream, dtype=x.dtype, **layout)
    assert_same(ours.gradient, wanted)
    further = example.whole_numbers(x.shape, "further")
    assert_same(ours.second, reference.gather(further, places, **layout))


# Peers


def of_builtin(rank: int, mode: str) -> list[str]:
    """What the built-in layers take."""
    if rank == 3:
        return [*NATIVE_3D, "float16"] if mode == "xla" else [*NATIVE_3D]
    return [*FLOATS * 3, *(dtype for dtype in INTEGERS if dtype not in ("uint32", "uint64"))]


BUILTIN = partial(
    examples,
    empties=False,
    dilates=False,
    ceils=False,
    paddings=("valid", "same"),
    layouts=(*FINITE, "distinct", "distinct"),
    dtypes=of_builtin,
)


def builtin_finds_the_first(example: Example) -> bool:
    """Of ties. In 3D it passes the gradient to all of them outside graphs; in XLA to another one, too."""
    if example.layout == "distinct" or example.rank == 1:
        return True
    return example.mode == "graph" or (example.mode == "eager" and example.rank == 2)


def builtin_has_second_order(example: Example, keeps_shape: bool) -> bool:
    """In XLA of float32 alone; and where the shape stays MaxPoolGradGrad writes over its argument."""
    return example.dtype == "float32" if example.mode == "xla" else not keeps_shape


@drawn(BUILTIN, quick=(80, 20, 12), kernels=KERNELS)
def test_against_the_builtin(example: Example) -> None:
    """Bit for bit, wherever it is right."""
    x, named = example.input(), example.arguments
    layer = getattr(layers, f"MaxPooling{example.rank}D")(
        named["pool_size"], named["strides"], named["padding"], example.data_format
    )
    values = in_mode(layer.call, example.mode)(tf.constant(x)).numpy()
    upstream = example.whole_numbers(values.shape, "upstream")
    ours = outcome(example, x, upstream)
    assert_same(ours.values, values)
    if not example.is_float or not builtin_finds_the_first(example):
        return
    if not builtin_has_second_order(example, values.shape == x.shape):
        theirs = in_mode(with_gradient(layer.call), example.mode)
        _, gradient = theirs(tf.constant(x), tf.constant(upstream))
        assert_same(ours.gradient, gradient.numpy())
        return
    theirs = in_mode(lambda *tensors: derived(layer.call, *tensors), example.mode)
    further = example.whole_numbers(x.shape, "further")
    _, gradient, second = theirs(*map(tf.constant, (x, upstream, further)))
    assert_same(ours.gradient, gradient.numpy())
    assert_same(ours.second, second.numpy())


def of_pytorch(rank: int, mode: str) -> list[str]:
    """What PyTorch takes."""
    return [*FLOATS * 2, "int8", "uint8", "int16", "int32", "int64"]


PYTORCH = partial(
    examples,
    empties=False,
    short_pads=True,
    paddings=("valid", "number", "numbers"),
    layouts=EXACT,
    dtypes=of_pytorch,
)


@drawn(PYTORCH, quick=(80, 20, 12), kernels=KERNELS)
def test_against_pytorch(example: Example) -> None:
    """Values, indices, the gradient and its own gradient."""
    torch = needs("torch")
    named = example.arguments
    first = example.data_format == "channels_first"

    def theirs(x: np.ndarray) -> Any:
        """As a tensor, channels first; NumPy has no bfloat16 to hand over, but float32 holds its numbers."""
        x = x if first else np.moveaxis(x, -1, 1)
        x = x.astype("float32") if example.dtype == "bfloat16" else np.array(x)
        return torch.from_numpy(np.ascontiguousarray(x)).to(getattr(torch, example.dtype))

    def back(tensor: Any) -> np.ndarray:
        x = tensor.detach()
        x = (x.float() if x.dtype == torch.bfloat16 else x).numpy()
        return x if first else np.moveaxis(x, 1, -1)

    x = example.input()
    tensor = theirs(x).requires_grad_(example.is_float)
    values, indices = getattr(torch.nn.functional, f"max_pool{example.rank}d")(
        tensor,
        *(named["pool_size"], named["strides"]),
        *(0 if named["padding"] == "valid" else named["padding"], named["dilation_rate"]),
        ceil_mode=named["ceil_mode"],
        return_indices=True,
    )
    upstream = example.whole_numbers(back(values).shape, "upstream")
    ours = outcome(example, x, upstream, nonfinite="ieee")
    seen = ours.indices >= 0
    assert_same(ours.values[seen], back(values).astype(x.dtype)[seen])
    # Of several NaN it takes the last one, and in 3D it forgets the depth of a -inf that wins.
    told = seen & ~np.isnan(ours.values) & ((example.rank < 3) | (ours.values != -np.inf))
    assert_same(ours.indices[told], back(indices)[told])
    if not (example.is_float and told.all()):
        return
    given = theirs(upstream).requires_grad_(True)
    (gradient,) = torch.autograd.grad(values, tensor, given, create_graph=True)
    (second,) = torch.autograd.grad(
        gradient, given, theirs(example.whole_numbers(x.shape, "further"))
    )
    assert_same(ours.gradient, back(gradient).astype(x.dtype))
    assert_same(ours.second, back(second).astype(x.dtype))


# The other families


def hidden(x: np.ndarray, mask: np.ndarray, **arguments: Any) -> reference.Pooled:
    """The reference's pooling, channels last, of what the mask shows: by ranks, below which there is always room."""
    numbers = x if x.dtype.kind in "iuf" else x.astype("float32")
    ranks = np.unique(numbers, return_inverse=True)[1].reshape(x.shape)
    best, places = reference.pool(np.where(mask[..., None], ranks, -1), **arguments)
    places = np.where(best < 0, -1, places)
    return reference.Pooled(reference.gather(x, places), places)


def drawn_mask(example: Example) -> np.ndarray:
    """Of places, from nothing hidden to everything."""
    rng = example.rng("mask")
    return rng.random((example.batch, *example.spatial)) < rng.choice([0, 0.2, 0.6, 1])


def laid_out(example: Example, *arrays: np.ndarray) -> list[np.ndarray]:
    """Channels-last arrays in the example's data format."""
    first = example.data_format == "channels_first"
    return [reference.channels_first(array) if first else array for array in arrays]


def last(example: Example, x: np.ndarray) -> np.ndarray:
    return reference.channels_last(x) if example.data_format == "channels_first" else x


@drawn(partial(examples, layouts=EXACT), quick=FEW)
def test_masks(example: Example) -> None:
    """What is hidden never wins, and a window that sees nothing else gives 0 and -1."""
    x, mask = example.input(), drawn_mask(example)
    pooled = hidden(last(example, x), mask, **example.arguments)
    values, places = laid_out(example, *pooled)
    upstream = example.whole_numbers(values.shape, "upstream")
    ours = outcome(example, x, upstream, mask=mask)
    assert_same(ours.values, values)
    assert_same(ours.indices, places)
    check_gradients(example, ours, x, upstream, places)


@drawn(
    partial(examples, dilates=False, ceils=False, kernels=("auto",), layouts=("ties",)),
    st.booleans(),
    st.sampled_from(["int32", "int64"]),
    quick=FEW,
)
def test_unpooling(example: Example, scattered: bool, indices_dtype: str) -> None:
    """Of indices that pooling gave, or of any: the reference's gradient, and its gather as the gradient."""
    x = example.input()
    _, places = example.wanted(x)
    if scattered:
        places = example.rng("indices").integers(-1, math.prod(example.spatial), places.shape)
    values = example.whole_numbers(places.shape, "values")
    names = ("pool_size", "strides", "padding")
    options = {name: example.arguments[name] for name in names}

    def unpool(values: tf.Tensor, indices: tf.Tensor, like: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape() as tape:
            tape.watch(values)
            y = max_unpool(values, indices, **options, data_format=example.data_format, like=like)
        return y, *([tape.gradient(y, values, output_gradients=like)] if example.is_float else [])

    given = map(tf.constant, (values, places.astype(indices_dtype), x))
    y, *gradient = in_mode(unpool, example.mode)(*given)
    layout = {"data_format": example.data_format}
    wanted = reference.gradient(x.shape, places, values, dtype=np.int64, **layout)
    assert_same(y.numpy(), wanted.astype(x.dtype))
    if gradient:
        assert_same(gradient[0].numpy(), reference.gather(x, places, **layout))


@drawn(
    partial(examples, empties=False, kernels=("auto",), layouts=EXACT),
    st.booleans(),
    st.booleans(),
    quick=FEW,
)
def test_global_pooling(example: Example, masked: bool, keepdims: bool) -> None:
    """One window as large as the input, whose gradient is shared by the maxima."""
    x = last(example, example.input())
    mask = drawn_mask(example) if masked else None
    values, places, shares = reference.global_pool(x, mask)
    upstream = example.whole_numbers(values.shape, "upstream")
    gradient = reference.global_gradient(shares, upstream)

    def pool(x: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            values, places = global_max_pool(
                x,
                example.data_format,
                keepdims,
                mask=mask,
                return_indices=True,
                nonfinite=example.nonfinite,
            )
        if not example.is_float:
            return values, places
        return values, places, tape.gradient(values, x, output_gradients=upstream)

    x, gradient = laid_out(example, x, gradient)
    if keepdims:
        kept = (example.batch, *[1] * example.rank, example.channels)
        values, places, upstream = laid_out(
            example, *(a.reshape(kept) for a in (values, places, upstream))
        )
    ours = [y.numpy() for y in in_mode(pool, example.mode)(tf.constant(x), tf.constant(upstream))]
    assert_same(ours[0], values)
    assert_same(ours[1], places)
    if example.is_float:
        # A rounding or two of the dtype.
        eps = float(ml_dtypes.finfo(x.dtype).eps)
        np.testing.assert_allclose(ours[2].astype("float64"), gradient, rtol=2 * eps)


def check_regions(
    example: Example, pool: Any, cuts: list[reference_regions.Cut], **options: Any
) -> None:
    """Values, places and gradient of a pooling over regions."""
    x = example.input()
    values, places = laid_out(example, *reference_regions.pool(last(example, x), cuts))
    upstream = example.whole_numbers(values.shape, "upstream")
    options |= {"data_format": example.data_format, "return_indices": True}

    def function(x: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            values, places = pool(x, **options)
        if not example.is_float:
            return values, places
        return values, places, tape.gradient(values, x, output_gradients=upstream)

    ours = in_mode(function, example.mode)(tf.constant(x), tf.constant(upstream))
    assert_same(ours[0].numpy(), values)
    assert_same(ours[1].numpy(), places)
    if example.is_float:
        wanted = reference.gradient(
            x.shape, places, upstream, dtype=x.dtype, data_format=example.data_format
        )
        assert_same(ours[2].numpy(), wanted)


REGIONS = partial(examples, empties=False, kernels=("auto",), layouts=EXACT)


@drawn(REGIONS, st.data(), quick=FEW)
def test_adaptive_pooling(example: Example, data: st.DataObject) -> None:
    most = {1: 40, 2: 9, 3: 4}[example.rank]
    outputs = tuple(data.draw(st.integers(1, most)) for _ in example.spatial)
    cuts = [
        reference_regions.adaptive(*axis) for axis in zip(example.spatial, outputs, strict=True)
    ]
    check_regions(example, adaptive_max_pool, cuts, output_size=outputs)


@drawn(REGIONS, st.data(), st.booleans(), st.booleans(), quick=FEW)
def test_fractional_pooling(
    example: Example, data: st.DataObject, pseudo_random: bool, overlapping: bool
) -> None:
    """Over the regions of the seed."""
    outputs = [data.draw(st.integers(1, min(n, 8))) for n in example.spatial]
    ratios = tuple(n / m for n, m in zip(example.spatial, outputs, strict=True))
    seed = data.draw(st.integers(0, 1000))
    kinds = {"pseudo_random": pseudo_random, "overlapping": overlapping}
    cuts = fractional_cuts(example.spatial, outputs, seed, **kinds)
    check_regions(example, fractional_max_pool, cuts, pooling_ratio=ratios, seed=seed, **kinds)


# At length

PARTS = {
    "test_against_the_reference": 20,
    "test_against_the_builtin": 2,
    "test_against_pytorch": 2,
    "test_masks": 1,
    "test_unpooling": 1,
    "test_global_pooling": 1,
    "test_adaptive_pooling": 1,
    "test_fractional_pooling": 1,
}


@pytest.mark.fuzz
@pytest.mark.parametrize(
    ("test", "part"), [(test, part) for test, parts in PARTS.items() for part in range(parts)]
)
def test_at_length(test: str, part: int) -> None:
    # A little more than 1,000 in each: they are shared out to modes and kernels in whole numbers.
    at_length(__file__, test, part, 1080)
