"""Our layers against `keras.layers.MaxPooling1D`, `2D` and `3D`, wherever those work: exact equality.

Where they do not is test_faults.py.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import reference
from harness.assertions import assert_same
from harness.cases import FLOATS, FORMATS, Config, case
from harness.keras_version import LEGACY, keras
from harness.layers import FAMILIES, RANKS, layer, layer_class
from harness.runner import BACKEND, MODES, run, with_gradient

import keras_maxpool

# Strides larger and smaller than the window, anisotropic ones, windows that leave a rest and that fill their input.
TABLE = [
    *(Config((8,)), Config((9,), 3, 2, "same"), Config((9,), 3, 1), Config((10,), 2, 3)),
    *(Config((11,), 5, 1, "same"), Config((7,), 7), Config((7,), 1, 2, "same")),
    *(Config((7, 8), 3, 2, "same"), Config((7, 8), 3, 2), Config((6, 9), 2, 3)),
    *(Config((7, 9), (2, 3), (3, 1), "same"), Config((8, 7), (3, 2), (1, 2))),
    *(Config((5, 6), 5, 1, "same"), Config((5, 6), (5, 6)), Config((9, 4), (1, 4), None, "same")),
    *(Config((4, 6, 4)), Config((5, 4, 6), 3, 2, "same"), Config((5, 6, 4), (1, 2, 3))),
    *(Config((5, 4, 7), (2, 3, 1), (3, 1, 2), "same"), Config((3, 4, 2), (3, 4, 2))),
]

# PyTorch compiles for seconds each time; the conformance tests do it.
COMPILED = MODES[0 if BACKEND == "torch" else 1]

by_config = pytest.mark.parametrize("config", TABLE, ids=str)


def builtin_takes(dtype: str, config: Config) -> bool:
    """Whether the built-in pools this dtype on a CPU at all."""
    return config.rank < 3 or dtype in ("float32", "bfloat16")


def pair(config: Config, data_format: str = "channels_last", dtype: str | None = None):
    """Our layer and the built-in, of the same arguments, by the two spellings in turn."""
    name = f"MaxPool{'ing' * (TABLE.index(config) % 2)}{config.rank}D"
    arguments = config.pool_size, config.strides, config.padding, data_format
    homes = keras_maxpool, keras.layers
    return [getattr(home, name)(*arguments, dtype=dtype) for home in homes]


def assert_equal(config: Config, mode: str, dtype: str, data_format: str) -> None:
    """Values and gradients."""
    given = case(config, dtype=dtype, data_format=data_format)
    ours, builtin = pair(config, data_format, dtype)
    if LEGACY and config.rank == 2 and data_format == "channels_first":
        # As Keras 3 does it: in 2D, the layer of Keras 2 fails there on the CPU.
        last, turn = pair(config, "channels_last", dtype)[1], keras.backend.permute_dimensions
        builtin = lambda x: turn(last(turn(x, (0, 2, 3, 1))), (0, 3, 1, 2))  # noqa: E731
    both = [run(with_gradient(pool), mode, given.x, given.upstream) for pool in (ours, builtin)]
    for got, expected in zip(*both, strict=True):
        assert_same(got, expected)
    assert both[0][1].any()


@by_config
def test_floats(config: Config) -> None:
    """All dtypes and formats eagerly; in turn in graphs, whose kernels are few, and compiled."""
    dtypes = [dtype for dtype in FLOATS if builtin_takes(dtype, config)]
    if BACKEND != "jax":  # which compiles each operation for each of them
        for dtype, data_format in product(dtypes, FORMATS):
            assert_equal(config, MODES[0], dtype, data_format)
    index = TABLE.index(config)
    assert_equal(config, COMPILED, "float32", FORMATS[index % 2])
    assert_equal(config, COMPILED, dtypes[index % len(dtypes)], FORMATS[(index + 1) % 2])


@pytest.mark.parametrize("mode", MODES)
def test_sums_of_gradients_to_rounding(mode: str) -> None:
    """Integers add up exactly, in any order; these do not."""
    for config in TABLE[1:12:5]:
        given = case(config)
        upstream = np.random.default_rng(1).normal(size=given.upstream.shape).astype("float32")
        gradient = run(with_gradient(pair(config)[0]), mode, given.x, upstream)[1]
        exact = reference.gradient(given.x.shape, given.indices, upstream)
        np.testing.assert_allclose(gradient, exact, rtol=1e-6, atol=1e-6, err_msg=str(config))


def forms(config: Config, data_format: str) -> list[tuple[int | None, ...]]:
    """The input's shape, whole and with unknowns."""
    first, *rest = config.spatial
    unknown = (None,) * (config.rank + 1)
    shapes = [(2, first, *rest), (None, first, *rest), (2, None, *rest), unknown]
    if data_format == "channels_last":
        return [(*shape, 3) for shape in shapes]
    return [(shape[0], 3, *shape[1:]) for shape in shapes]


@by_config
@pytest.mark.parametrize("data_format", FORMATS)
def test_shapes_and_configs(data_format: str, config: Config) -> None:
    ours, builtin = pair(config, data_format)
    for shape in forms(config, data_format):
        expected = builtin.compute_output_shape(shape)
        for given in (shape, list(shape)):
            assert ours.compute_output_shape(given) == expected
        assert isinstance(ours.compute_output_shape(shape), tuple)
        x = keras.Input(batch_shape=shape)
        y, expected = ours(x), builtin(x)
        assert (y.shape, y.dtype) == (expected.shape, expected.dtype)
        if not LEGACY:  # which infers it by calling
            spec = ours.compute_output_spec(x)
            assert isinstance(spec, keras.KerasTensor)
            assert (spec.shape, spec.dtype) == (expected.shape, expected.dtype)

    pools = pair(config, data_format, "float16")
    mine, theirs = (pool.get_config() | {"name": "pool"} for pool in pools)
    assert {key: mine[key] for key in theirs} == theirs
    assert [type(mine[key]) for key in theirs] == [type(value) for value in theirs.values()]
    assert type(pools[0]).from_config(theirs).get_config() == mine


@pytest.mark.parametrize(
    ("family", "rank"),
    [each for each in product(FAMILIES, RANKS) if hasattr(keras.layers, "{}{}D".format(*each))],
)
def test_as_the_builtin_by_default(family: str, rank: int) -> None:
    """`test_keras_layer_tests` has what Keras asks of any layer."""
    pools = []
    for cls in (layer_class(family, rank), getattr(keras.layers, f"{family}{rank}D")):
        keras.backend.clear_session()  # so that both begin to count their names anew
        pools.append(cls(**FAMILIES[family]))
    ours, builtin = pools
    mine, theirs = (pool.get_config() for pool in pools)
    assert {key: mine[key] for key in theirs} == theirs
    assert ours.input_spec.ndim == rank + 2
    assert ours.count_params() == 0
    names = {"pool_size", "strides", "padding", "data_format", "keepdims", "output_size"}
    for name in (*(names & theirs.keys()), "name", "trainable", "compute_dtype"):
        assert getattr(ours, name) == getattr(builtin, name)


def test_image_data_format_of_keras() -> None:
    keras.backend.set_image_data_format("channels_first")
    try:
        pools = [layer(family, rank) for family, rank in product(FAMILIES, RANKS)]
    finally:
        keras.backend.set_image_data_format("channels_last")
    assert {pool.data_format for pool in pools} == {"channels_first"}
