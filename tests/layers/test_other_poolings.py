"""Global and adaptive layers beside the built-in ones, and the shapes of all layers over regions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest
import reference
from harness.assertions import assert_same
from harness.cases import FLOATS, FORMATS, distinct, ties
from harness.keras_version import keras
from harness.runner import BACKEND, MODES, run, with_gradient

import keras_maxpool

SPATIAL = {1: (7,), 2: (5, 4), 3: (4, 3, 5)}
# PyTorch compiles for a minute; the conformance tests do it.
by_mode = pytest.mark.parametrize("mode", MODES[:1] if BACKEND == "torch" else MODES)


def pair(family: str, rank: int, *args: Any, **options: Any) -> list[Any]:
    """Our layer and the built-in."""
    name = f"{family}{rank}D"
    return [getattr(home, name)(*args, **options) for home in (keras_maxpool, keras.layers)]


def example(rank: int, fill: Any = ties, dtype: str = "float32") -> np.ndarray:
    return fill((3, *SPATIAL[rank], 4), dtype, np.random.default_rng(rank)).astype(dtype)


def assert_as_the_builtin(layers: list[Any], mode: str, x: np.ndarray) -> None:
    """Bit for bit."""
    shape = layers[0].compute_output_shape(x.shape)
    # Of integers, whose sums are exact.
    upstream = np.random.default_rng(0).integers(1, 9, shape).astype(x.dtype)
    ours, builtin = (run(with_gradient(layer), mode, x, upstream) for layer in layers)
    for got, wanted in zip(ours, builtin, strict=True):
        assert_same(got, wanted)


@by_mode
def test_global_values_and_gradients(mode: str) -> None:
    """The split of gradients between ties included."""
    for rank, data_format, keepdims in product(SPATIAL, FORMATS, (False, True)):
        if mode == "eager" or keepdims == (rank % 2 == 0):
            layers = pair("GlobalMaxPool", rank, data_format=data_format, keepdims=keepdims)
            assert_as_the_builtin(layers, mode, example(rank))
    for dtype in FLOATS:
        assert_as_the_builtin(pair("GlobalMaxPool", 2, dtype=dtype), mode, example(2, dtype=dtype))
    if mode != "eager":  # where the built-in refuses what it takes in a graph
        for shape in [(0, 5, 2), (3, 5, 0)]:
            x = np.zeros(shape, "float32")
            assert_as_the_builtin(pair("GlobalMaxPool", 1), mode, x)


@pytest.mark.skipif(
    not hasattr(keras.layers, "AdaptiveMaxPooling2D"),
    reason="adaptive pooling needs a newer Keras: pip install -U keras",
)
@by_mode
@pytest.mark.parametrize("rank", SPATIAL, ids="{}d".format)
def test_adaptive_values_and_gradients(rank: int, mode: str) -> None:
    """Without ties, and with at least two regions per axis."""
    x, size = example(rank, distinct), (9, (3, 4), 2)[rank - 1]
    first = rank == 1
    layers = pair("AdaptiveMaxPooling", rank, size, FORMATS[first])
    assert_as_the_builtin(layers, mode, reference.channels_first(x) if first else x)


def over_regions() -> Iterator[tuple[Any, Any, tuple, tuple]]:
    """Layers without and with indices, the shape of an input, and that of the output."""
    families: dict[str, tuple[dict[str, Any], dict[int | None, int | None]]] = {
        "GlobalMaxPool": ({"keepdims": True}, dict.fromkeys((10, 7, None), 1)),
        "AdaptiveMaxPool": ({"output_size": 3}, dict.fromkeys((10, 7, None), 3)),
        "FractionalMaxPool": ({"pooling_ratio": 1.44}, {10: 6, 7: 4, None: None}),
    }
    for name, (options, outputs) in families.items():
        for rank, data_format in [(1, FORMATS[0]), (2, FORMATS[1]), (3, FORMATS[0])]:
            cls, spatial = getattr(keras_maxpool, f"{name}{rank}D"), (10, None, 7)[:rank]
            shape, wanted = (None, *spatial, 3), (None, *(outputs[size] for size in spatial), 3)
            if data_format == "channels_first":
                shape, wanted = (None, 3, *shape[1:-1]), (None, 3, *wanted[1:-1])
            alone, both = (
                cls(**options, data_format=data_format, return_indices=i) for i in (False, True)
            )
            yield alone, both, shape, wanted


def test_shapes() -> None:
    """Computed and symbolic."""
    for alone, both, shape, wanted in over_regions():
        assert alone.compute_output_shape(shape) == wanted
        assert alone.compute_output_shape(list(shape)) == wanted
        assert both.compute_output_shape(shape) == (wanted, wanted)
        symbol = keras.Input(batch_shape=shape)
        values, indices = both(symbol)
        assert values.shape == indices.shape == alone(symbol).shape == wanted
        assert (values.dtype, indices.dtype) == ("float32", "int64")
    flat = keras_maxpool.GlobalMaxPool2D(return_indices=True)
    assert flat.compute_output_shape((None, None, 7, 3)) == ((None, 3), (None, 3))


def test_static_shapes_of_graphs(tf: Any) -> None:
    for _, both, shape, wanted in over_regions():
        graph = tf.function(both).get_concrete_function(tf.TensorSpec(shape))
        assert [output.as_list() for output in graph.output_shapes] == [list(wanted)] * 2


@pytest.mark.parametrize(
    ("family", "mode"),
    [("GlobalMaxPooling", "eager"), ("AdaptiveMaxPooling", "graph")]
    + [("GlobalMaxPooling", "xla")] * (BACKEND != "torch"),
)
def test_trains(family: str, mode: str) -> None:
    """From a model without an `Input`; global pooling as the built-in, bit for bit."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(16, 9, 7, 2)).astype("float32"), rng.integers(0, 3, 16)
    is_global = family == "GlobalMaxPooling"
    found = []
    for home in (keras_maxpool, keras.layers)[: 2 if is_global else 1]:
        keras.utils.set_random_seed(2)
        pool = getattr(home, f"{family}2D")(*([] if is_global else [3]))
        flat, head = keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")
        conv = keras.layers.Conv2D(4, 2, activation="relu")
        model = keras.Sequential([conv, pool, flat, head])
        loss = "sparse_categorical_crossentropy"
        model.compile("sgd", loss, jit_compile=mode == "xla", run_eagerly=mode == "eager")
        history = model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0).history["loss"]
        assert history == sorted(history, reverse=True)
        found.append((history, [w.tolist() for w in model.get_weights()]))
    assert found[0] == found[-1]
