"""Poolings of every family, drawn by hypothesis, against the references and PyTorch, and by laws of max pooling.

By default a few hundred are drawn. `pytest -m fuzz --dist load` draws 20,000 against the reference and thousands
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
from harness.cases import FLOATS
from harness.install import needs
from harness.processes import in_child
from hypothesis import strategies as st
from reference import regions as reference_regions
from robustness.fuzzing import FINITE, KERNELS, PADDINGS, Example, Outcome, drawn, examples, outcome

from keras_maxpool import ops

FEW = (14, 5, 3)
OF_LAWS = (12, 5, 3)


def fits(example: Example) -> bool:
    """Whether the reference finds windows, and pads are shorter than those."""
    try:
        reference.pool(np.zeros((1, *example.config.spatial, 1)), **example.config.arguments)
    except ValueError:
        return False
    explicit = [axis for axis in example.config.axes if not isinstance(axis[3], str)]
    return all(max(pads) <= (pool - 1) * gap for _, pool, _, pads, gap, _ in explicit)


def check(
    example: Example,
    ours: Outcome,
    x: np.ndarray,
    upstream: np.ndarray,
    values: np.ndarray,
    indices: np.ndarray,
) -> None:
    """Values, indices, and of windows whose maxima are there the gradient, and its own gradient."""
    assert_same(ours.values, values)
    assert_same(ours.indices, indices)
    if not example.is_float:
        return
    layout = {"data_format": example.data_format}
    wanted = reference.gradient(x.shape, indices, upstream, dtype=x.dtype, **layout)
    assert_same(ours.gradient, wanted)
    if ours.second is not None:
        further = example.integers(x.shape, "further")
        assert_same(ours.second, reference.gather(further, indices, **layout))


@drawn(partial(examples, misfits=True), quick=(220, 48, 32), kernels=KERNELS)
def test_against_the_reference(example: Example) -> None:
    """Values, indices, the gradient and its own gradient."""
    x = example.input()
    if not fits(example):
        with pytest.raises(ValueError, match=r"window|padding"):
            example.run(lambda x: ops.max_pool(x, **example.options), x)
        return
    wanted, indices = example.wanted(x)
    upstream = example.integers(indices.shape, "upstream")
    ours = outcome(example, x, upstream)
    # A window of padding alone: -inf by IEEE, TensorFlow's lowest number otherwise.
    alone = (indices < 0) & (example.nonfinite == "backend")
    values = np.where(alone, wanted, ours.values).astype(wanted.dtype)
    check(example, ours._replace(values=values), x, upstream, wanted, indices)


PYTORCH = partial(
    examples,
    empties=False,
    short_pads=True,
    paddings=("valid", "int", "ints"),
    dtypes=(*FLOATS * 2, "int8", "uint8", "int16", "int32", "int64"),
)


@drawn(PYTORCH, quick=(80, 20, 12), kernels=KERNELS)
def test_against_pytorch(example: Example) -> None:
    """Values, indices, the gradient and its own gradient."""
    torch = needs("torch")
    config = example.config

    def theirs(x: np.ndarray) -> Any:
        """As a tensor, channels first; NumPy has no bfloat16 to hand over, but float32 holds its numbers."""
        x = reference.channels_first(example.last(x))
        x = x.astype("float32") if example.dtype == "bfloat16" else np.array(x)
        return torch.from_numpy(np.ascontiguousarray(x)).to(getattr(torch, example.dtype))

    def back(tensor: Any) -> np.ndarray:
        x = tensor.detach()
        x = (x.float() if x.dtype == torch.bfloat16 else x).numpy()
        return example.laid_out(reference.channels_last(x))[0]

    x = example.input()
    tensor = theirs(x).requires_grad_(example.is_float)
    values, indices = getattr(torch.nn.functional, f"max_pool{example.rank}d")(
        tensor,
        config.pool_size,
        config.strides,
        0 if config.padding == "valid" else config.padding,
        config.dilation_rate,
        ceil_mode=config.ceil_mode,
        return_indices=True,
    )
    upstream = example.integers(back(values).shape, "upstream")
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
    (second,) = torch.autograd.grad(gradient, given, theirs(example.integers(x.shape, "further")))
    assert_same(ours.gradient, back(gradient).astype(x.dtype))
    assert_same(ours.second, back(second).astype(x.dtype))


# The other families


def hidden(x: np.ndarray, mask: np.ndarray, **arguments: Any) -> reference.Pooled:
    """The reference's pooling, channels last, of what the mask shows: by ranks, below which there is always room."""
    numbers = x if x.dtype.kind in "iuf" else x.astype("float32")
    ranks = np.unique(numbers, return_inverse=True)[1].reshape(x.shape)
    best, indices = reference.pool(np.where(mask[..., None], ranks, -1), **arguments)
    indices = np.where(best < 0, -1, indices)
    return reference.Pooled(reference.gather(x, indices), indices)


def drawn_mask(example: Example) -> np.ndarray:
    """Of elements, from nothing hidden to everything."""
    rng = example.rng("mask")
    return rng.random((example.batch, *example.config.spatial)) < rng.choice([0, 0.2, 0.6, 1])


@drawn(examples, quick=FEW)
def test_masks(example: Example) -> None:
    """What is hidden never wins, and a window that sees nothing else has 0 and -1."""
    x, mask = example.input(), drawn_mask(example)
    pooled = hidden(example.last(x), mask, **example.config.arguments)
    values, indices = example.laid_out(*pooled)
    upstream = example.integers(values.shape, "upstream")
    ours = outcome(example, x, upstream, mask=mask)
    check(example, ours, x, upstream, values, indices)


@drawn(
    partial(examples, dilates=False, ceils=False, kernels=("auto",), layouts=("ties",)),
    st.booleans(),
    st.sampled_from(["int32", "int64"]),
    quick=FEW,
)
def test_unpooling(example: Example, scattered: bool, indices_dtype: str) -> None:
    """Of pooling's indices, or of any: the reference's gradient, and its gather as the gradient."""
    x = example.input()
    _, indices = example.wanted(x)
    if scattered:
        most = math.prod(example.config.spatial)
        indices = example.rng("indices").integers(-1, most, indices.shape)
    values = example.integers(indices.shape, "values")
    layout = {"data_format": example.data_format}
    options = layout | {name: example.options[name] for name in ("pool_size", "strides", "padding")}

    def unpool(values: tf.Tensor, indices: tf.Tensor, like: tf.Tensor) -> tuple[tf.Tensor, ...]:
        pool = lambda values: ops.max_unpool(values, indices, **options, like=like)  # noqa: E731
        return example.with_gradient(pool)(values, like)

    y, *gradient = example.run(unpool, values, indices.astype(indices_dtype), x)
    wanted = reference.gradient(x.shape, indices, values, dtype=np.int64, **layout)
    assert_same(y, wanted.astype(x.dtype))
    if gradient:
        assert_same(gradient[0], reference.gather(x, indices, **layout))


REGIONS = partial(examples, empties=False, kernels=("auto",))


@drawn(REGIONS, st.booleans(), st.booleans(), quick=FEW)
def test_global_pooling(example: Example, masked: bool, keepdims: bool) -> None:
    """One window as large as the input, whose gradient is shared by the maxima."""
    x = example.input()
    mask = drawn_mask(example) if masked else None
    values, indices, shares = reference.global_pool(example.last(x), mask)
    upstream = example.integers(values.shape, "upstream")
    (gradient,) = example.laid_out(reference.global_gradient(shares, upstream))
    if keepdims:
        kept = (example.batch, *[1] * example.rank, example.channels)
        several = (array.reshape(kept) for array in (values, indices, upstream))
        values, indices, upstream = example.laid_out(*several)
    options = {"mask": mask, "return_indices": True, "nonfinite": example.nonfinite}
    pool = lambda x: ops.global_max_pool(x, example.data_format, keepdims, **options)  # noqa: E731
    ours = Outcome(*example.run(example.with_gradient(pool), x, upstream))
    assert_same(ours.values, values)
    assert_same(ours.indices, indices)
    if example.is_float:
        # A rounding or two of the dtype.
        eps = float(ml_dtypes.finfo(x.dtype).eps)
        np.testing.assert_allclose(ours.gradient.astype("float64"), gradient, rtol=2 * eps)


def check_regions(
    example: Example, op: Any, cuts: list[reference_regions.Cut], **options: Any
) -> None:
    """Values, indices and gradient of a pooling over regions."""
    x = example.input()
    values, indices = example.laid_out(*reference_regions.pool(example.last(x), cuts))
    upstream = example.integers(values.shape, "upstream")
    options |= {"data_format": example.data_format, "return_indices": True}
    pool = example.with_gradient(lambda x: op(x, **options))
    ours = Outcome(*example.run(pool, x, upstream))
    check(example, ours, x, upstream, values, indices)


@drawn(REGIONS, st.data(), quick=FEW)
def test_adaptive_pooling(example: Example, data: st.DataObject) -> None:
    most, spatial = {1: 40, 2: 9, 3: 4}[example.rank], example.config.spatial
    outputs = tuple(data.draw(st.integers(1, most)) for _ in spatial)
    cuts = [reference_regions.adaptive(*axis) for axis in zip(spatial, outputs, strict=True)]
    check_regions(example, ops.adaptive_max_pool, cuts, output_size=outputs)


@drawn(REGIONS, st.data(), st.booleans(), st.booleans(), quick=FEW)
def test_fractional_pooling(
    example: Example, data: st.DataObject, pseudo_random: bool, overlapping: bool
) -> None:
    """Over the regions of the seed."""
    spatial = example.config.spatial
    outputs = [data.draw(st.integers(1, min(n, 8))) for n in spatial]
    ratios = tuple(n / m for n, m in zip(spatial, outputs, strict=True))
    seed = data.draw(st.integers(0, 1000))
    kinds = {"pseudo_random": pseudo_random, "overlapping": overlapping}
    cuts = fractional_cuts(spatial, outputs, seed, **kinds)
    options = {"pooling_ratio": ratios, "seed": seed, **kinds}
    check_regions(example, ops.fractional_max_pool, cuts, **options)


# Laws, which hold without a reference of the values


@drawn(examples, st.randoms(use_true_random=False), quick=OF_LAWS)
def test_axis_by_axis_is_all_at_once(example: Example, random: Any) -> None:
    """In any order, with every padding."""
    x = example.input()
    wanted = outcome(example, x, nonfinite="ieee").values
    order = list(range(example.rank))
    random.shuffle(order)
    for place in order:
        _, pool, stride, padding, gap, _ = example.config.axes[place]

        def alone(value: Any, other: Any, place: int = place) -> tuple:
            return tuple(value if i == place else other for i in range(example.rank))

        padding = padding if isinstance(padding, str) else alone(padding, (0, 0))
        step = (alone(pool, 1), alone(stride, 1), padding, alone(gap, 1))
        names = ("pool_size", "strides", "padding", "dilation_rate")
        x = outcome(example, x, nonfinite="ieee", **dict(zip(names, step, strict=True))).values
    assert_same(x, wanted)


PADDED = partial(examples, empties=False, ceils=False, layouts=FINITE, paddings=PADDINGS[-3:])


@drawn(PADDED, quick=OF_LAWS)
def test_negation_gives_the_minima(example: Example) -> None:
    """Of NumPy's windows, with padding that never wins; of integers each bit is turned, so that none overflows."""
    x = example.input()
    turned = np.invert if x.dtype.kind in "iu" else np.negative
    highest = np.iinfo(x.dtype).max if x.dtype.kind in "iu" else np.inf
    _, pools, strides, pads, gaps, _ = zip(*example.config.axes, strict=True)
    padded = np.pad(example.last(x), [(0, 0), *pads, (0, 0)], constant_values=highest)
    lengths = [(pool - 1) * gap + 1 for pool, gap in zip(pools, gaps, strict=True)]
    spatial = tuple(range(1, x.ndim - 1))
    seen = np.lib.stride_tricks.sliding_window_view(padded, lengths, spatial)
    seen = seen[(slice(None), *(slice(None, None, stride) for stride in strides))]
    seen = seen[(..., *(slice(None, None, gap) for gap in gaps))]
    (minima,) = example.laid_out(seen.min(tuple(range(x.ndim, seen.ndim))))
    ours = outcome(example, turned(x), nonfinite="ieee")
    assert_same(turned(ours.values), minima)


@drawn(partial(examples, dilates=False, ceils=False, layouts=FINITE), quick=OF_LAWS)
def test_unpooling_is_the_adjoint(example: Example) -> None:
    """The sum of unpool(v) * w is the sum of v * w's elements at the indices, for any v and w."""
    x = example.input()
    indices = outcome(example, x).indices
    v, w = example.integers(indices.shape, "v"), example.integers(x.shape, "w")
    names = ("pool_size", "strides", "padding", "data_format")
    options = {name: example.options[name] for name in names}
    unpool = lambda v, i, x: ops.max_unpool(v, i, **options, like=x)  # noqa: E731
    (spread,) = example.run(unpool, v, indices, x)
    row = (example.batch, example.channels)
    rows, v, indices = (
        np.moveaxis(example.last(array), -1, 1).reshape(*row, array.size // max(math.prod(row), 1))
        for array in (w.astype("float64"), v.astype("float64"), indices)
    )
    taken = np.take_along_axis(rows, np.maximum(indices, 0), 2) if rows.size else 0 * v
    assert np.sum(spread * w.astype("float64")) == np.sum(v * taken * (indices >= 0))


# At length

MORE = {"test_against_the_reference": 20, "test_against_pytorch": 2}
LAWS = (
    test_axis_by_axis_is_all_at_once,
    test_negation_gives_the_minima,
    test_unpooling_is_the_adjoint,
)
PARTS = [
    # A little more than 1,000 in each, as modes and kernels share them out, and fewer of a law.
    (name, part, 300 if test in LAWS else 1080)
    for name, test in list(globals().items())
    if hasattr(test, "run")
    for part in range(MORE.get(name, 1))
]


@pytest.mark.fuzz
@pytest.mark.parametrize(("test", "part", "count"), PARTS)
def test_at_length(test: str, part: int, count: int) -> None:
    """One part, in a process of its own: compiled programs stay in memory."""
    own = {"KERAS_MAXPOOL_FUZZ_PART": str(part), "KERAS_MAXPOOL_FUZZ_EXAMPLES": str(count)}
    in_child(__file__, f"{test}.run", 3600, **own)
