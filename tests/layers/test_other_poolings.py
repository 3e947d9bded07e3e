"""Global layers beside the built-in ones, and the shapes of all layers over regions."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from harness.assertions import assert_all_same
from harness.cases import FLOATS, FORMATS, ties
from harness.keras_version import keras
from harness.runner import BACKEND, MODES, run, with_gradient

import keras_maxpool

SPATIAL = {1: (7,), 2: (5, 4), 3: (4, 3, 5)}


# PyTorch compiles for a minute; the conformance tests do it.
@pytest.mark.parametrize("mode", MODES[:1] if BACKEND == "torch" else MODES)
def test_global_values_and_gradients(mode: str) -> None:
    """Bit for bit the built-in's, the split of gradients between ties included."""
    rows = product(SPATIAL, ["float32"], FORMATS, (False, True))
    for rank, dtype, data_format, keepdims in (*rows, *product([2], FLOATS, FORMATS[:1], [True])):
        if mode != "eager" and keepdims != (rank == 2):
            continue
        options = {"dtype": dtype, "data_format": data_format, "keepdims": keepdims}
        homes = keras_maxpool, keras.layers
        layers = [getattr(home, f"GlobalMaxPool{rank}D")(**options) for home in homes]
        x = ties((3, *SPATIAL[rank], 4), dtype, np.random.default_rng(rank)).astype(dtype)
        # Of integers, whose sums are exact.
        shape = layers[0].compute_output_shape(x.shape)
        upstream = np.random.default_rng(0).integers(1, 9, shape).astype(dtype)
        ours, builtin = (run(with_gradient(layer), mode, x, upstream) for layer in layers)
        assert_all_same(ours, *builtin)


def test_ieee_reaches_global_pooling() -> None:
    """Without it, TensorFlow gives both elements a gradient of NaN."""
    x, upstream = np.array([[[np.nan], [1.0]]], "float32"), np.ones((1, 1), "float32")
    pool = keras_maxpool.GlobalMaxPool1D(nonfinite="ieee")
    y, gradient = run(with_gradient(pool), MODES[0], x, upstream)
    assert np.isnan(y).all()
    assert gradient.tolist() == [[[1.0], [0.0]]]


FAMILIES: dict[str, tuple[dict[str, Any], dict[int | None, int | None]]] = {
    "GlobalMaxPool": ({"keepdims": True}, dict.fromkeys((10, 7, None), 1)),
    "AdaptiveMaxPool": ({"output_size": 3}, dict.fromkeys((10, 7, None), 3)),
    "FractionalMaxPool": ({"pooling_ratio": 1.44}, {10: 6, 7: 4, None: None}),
}
"""Arguments, and the output's size by that of the input."""


@pytest.mark.parametrize("family", FAMILIES)
def test_shapes(family: str) -> None:
    """Computed and symbolic."""
    options, outputs = FAMILIES[family]
    for rank in SPATIAL:
        spatial, data_format = (10, None, 7)[:rank], FORMATS[rank % 2]
        shape, wanted = (None, *spatial, 3), (None, *(outputs[size] for size in spatial), 3)
        if data_format == "channels_first":
            shape, wanted = (None, 3, *shape[1:-1]), (None, 3, *wanted[1:-1])
        cls = getattr(keras_maxpool, f"{family}{rank}D")
        alone, both = (
            cls(**options, data_format=data_format, return_indices=i) for i in (False, True)
        )
        assert alone.compute_output_shape(list(shape)) == wanted
        assert both.compute_output_shape(shape) == (wanted, wanted)
        symbol = keras.Input(batch_shape=shape)
        values, indices = both(symbol)
        assert values.shape == indices.shape == alone(symbol).shape == wanted
        assert (values.dtype, indices.dtype) == ("float32", "int64")
    flat = keras_maxpool.GlobalMaxPool2D(return_indices=True)
    assert flat.compute_output_shape((None, None, 7, 3)) == ((None, 3), (None, 3))
