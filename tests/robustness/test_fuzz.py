"""Drawn examples: every family against the reference.

By default a few hundred are drawn. `pytest -m fuzz --dist load` draws 20,000 of pooling and a thousand of each other
test, other ones each time, each part in a process of its own, since compiled programs stay in memory.
"""

import math
from functools import partial
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import reference
import tensorflow as tf
from conformance.test_regions import fractional_cuts
from harness.assertions import assert_same
from harness.processes import run_code
from harness.runner import with_gradient
from hypothesis import strategies as st
from reference import regions
from robustness.fuzzing import KERNELS, Example, drawn, examples, outcome

from keras_maxpool import ops

FEW = 24


def check(
    example: Example,
    op: Any,
    x: np.ndarray,
    pooled: tuple[np.ndarray, np.ndarray],
    told: Any = True,
    **options: Any,
) -> None:
    """Values, indices, the gradient, and its own gradient, of the reference's with channels last.

    Values count where they are `told`.
    """
    layout = {"data_format": example.data_format}
    values, indices = example.laid_out(*pooled)
    upstream, further = example.integers(values.shape, "upstream"), example.integers(x.shape, "f")
    arrays = [upstream, further] if example.is_float else []
    ours = outcome(example, op, x, *arrays, **options | layout)
    assert_same(ours.indices, indices)
    assert_same(np.where(told, ours.values, values).astype(x.dtype), values)
    if example.is_float:
        wanted = reference.gradient(x.shape, indices, upstream, dtype=x.dtype, **layout)
        assert_same(ours.gradient, wanted)
        assert_same(ours.second, reference.gather(further, indices, **layout))


@drawn(examples, quick=300, kernels=KERNELS)
def test_pooling(example: Example) -> None:
    x = example.input()
    pooled = reference.pool(example.last(x), **example.config.arguments)
    # A window of padding alone: -inf by IEEE, TensorFlow's lowest number otherwise.
    (seen,) = example.laid_out(pooled.indices >= 0)
    told = seen | (example.nonfinite == "ieee")
    check(example, ops.max_pool, x, pooled, told, **example.options)


@drawn(examples, quick=FEW)
def test_masks(example: Example) -> None:
    """What is hidden never wins, and a window that sees nothing else has 0 and -1."""
    x, mask = example.last(example.input()), example.mask()
    # Numbers as ranks, below which there is always room.
    numbers = x if x.dtype.kind in "iuf" else x.astype("float32")
    ranks = np.unique(numbers, return_inverse=True)[1].reshape(x.shape)
    shown = np.where(mask[..., None], ranks, -1)
    best, indices = reference.pool(shown, **example.config.arguments)
    indices = np.where(best < 0, -1, indices)
    pooled = reference.gather(x, indices), indices
    check(example, ops.max_pool, *example.laid_out(x), pooled, mask=mask, **example.options)


@drawn(partial(examples, plain=True), st.booleans(), st.sampled_from(["int32", "int64"]), quick=FEW)
def test_unpooling(example: Example, scattered: bool, indices_dtype: str) -> None:
    """Of pooling's indices, or of any: the reference's gradient, and its gather as the gradient."""
    x, layout = example.input(), {"data_format": example.data_format}
    _, indices = reference.pool(x, **example.config.arguments, **layout)
    if scattered:
        most = math.prod(example.config.spatial)
        indices = example.rng("indices").integers(-1, most, indices.shape)
    values, upstream = example.integers(indices.shape, "v"), example.integers(x.shape, "upstream")
    options = layout | {name: example.options[name] for name in ("pool_size", "strides", "padding")}

    def unpool(values: tf.Tensor, indices: tf.Tensor, like: tf.Tensor) -> Any:
        pool = lambda values: ops.max_unpool(values, indices, **options, like=like)  # noqa: E731
        return with_gradient(pool)(values, like) if example.is_float else pool(values)

    y, *gradient = example.run(unpool, values, indices.astype(indices_dtype), upstream)
    wanted = reference.gradient(x.shape, indices, values, dtype=np.int64, **layout)
    assert_same(y, wanted.astype(x.dtype))
    for got in gradient:
        assert_same(got, reference.gather(upstream, indices, **layout))


REGIONS = partial(examples, empties=False)


@drawn(REGIONS, st.booleans(), st.booleans(), quick=FEW)
def test_global_pooling(example: Example, masked: bool, keepdims: bool) -> None:
    """One window as large as the input, whose gradient is shared by the maxima."""
    x, mask = example.input(), example.mask() if masked else None
    values, indices, shares = reference.global_pool(example.last(x), mask)
    upstream = example.integers(values.shape, "upstream")
    (gradient,) = example.laid_out(reference.global_gradient(shares, upstream))
    if keepdims:
        kept = (example.batch, *[1] * example.config.rank, example.channels)
        several = (array.reshape(kept) for array in (values, indices, upstream))
        values, indices, upstream = example.laid_out(*several)
    options = {"mask": mask, "nonfinite": example.nonfinite, "data_format": example.data_format}
    arrays = [upstream, example.integers(x.shape, "f")] if example.is_float else []
    ours = outcome(example, ops.global_max_pool, x, *arrays, keepdims=keepdims, **options)
    assert_same(ours.values, values)
    assert_same(ours.indices, indices)
    if example.is_float:
        # A rounding or two of the dtype.
        eps = float(ml_dtypes.finfo(x.dtype).eps)
        np.testing.assert_allclose(ours.gradient.astype("float64"), gradient, rtol=2 * eps)


@drawn(REGIONS, st.data(), quick=FEW)
def test_adaptive_pooling(example: Example, data: st.DataObject) -> None:
    x, spatial = example.input(), example.config.spatial
    most = {1: 40, 2: 9, 3: 4}[example.config.rank]
    outputs = tuple(data.draw(st.integers(1, most)) for _ in spatial)
    cuts = [regions.adaptive(*axis) for axis in zip(spatial, outputs, strict=True)]
    pooled = regions.pool(example.last(x), cuts)
    check(example, ops.adaptive_max_pool, x, pooled, output_size=outputs)


@drawn(REGIONS, st.data(), st.booleans(), st.booleans(), quick=FEW)
def test_fractional_pooling(
    example: Example, data: st.DataObject, pseudo_random: bool, overlapping: bool
) -> None:
    """Over the regions of the seed."""
    x, spatial = example.input(), example.config.spatial
    outputs = [data.draw(st.integers(1, min(n, 8))) for n in spatial]
    ratios = tuple(n / m for n, m in zip(spatial, outputs, strict=True))
    kinds = {"pseudo_random": pseudo_random, "overlapping": overlapping}
    seed = data.draw(st.integers(0, 1000))
    cuts = fractional_cuts(spatial, outputs, seed, **kinds)
    pooled = regions.pool(example.last(x), cuts)
    check(example, ops.fractional_max_pool, x, pooled, pooling_ratio=ratios, seed=seed, **kinds)


PARTS = [name for name in globals() if name.startswith("test_")] + ["test_pooling"] * 19


@pytest.mark.fuzz
@pytest.mark.parametrize("test", PARTS)
def test_at_length(test: str) -> None:
    code = f"import pytest; raise SystemExit(pytest.main(['-n', '0', {f'{__file__}::{test}'!r}]))"
    # A little more than 1,000 in each part, as modes and kernels share them out.
    child = run_code(code, 3600, KERAS_MAXPOOL_FUZZ_EXAMPLES="1080")
    assert child.returncode == 0, child.stdout[-4000:]
