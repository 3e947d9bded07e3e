"""Adaptive max pooling: the reference, PyTorch, the built-in where it works, and each fault of the built-in by name."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
import tensorflow as tf
from conformance.regions_running import copied_by, rename, upstream_for, with_both
from golden import make_adaptive_golden as golden
from harness.assertions import assert_same
from harness.cases import FLOATS, FORMATS, INTEGERS, distinct, ties
from harness.faults import attempt, refuses, state
from harness.install import needs
from harness.keras_version import LEGACY, keras
from harness.runner import MODES, run, with_gradient
from reference import regions as reference_regions

import keras_maxpool

# Sizes that divide, that leave a rest, that grow, that stay; the whole axis at once.
TABLE: list[tuple[tuple[int, ...], Any]] = [
    ((9,), 3),
    ((10,), 4),
    ((4,), 7),
    ((7,), 1),
    ((8, 6), 2),
    ((7, 5), (3, 4)),
    ((3, 8), (5, None)),
    ((6, 5), (1, 5)),
    ((4, 6, 5), 2),
    ((5, 3, 4), (2, 4, None)),
    ((3, 4, 5), 1),
]

by_case = pytest.mark.parametrize(("spatial", "output_size"), TABLE, ids=str)
by_mode = pytest.mark.parametrize("mode", MODES)
by_rank = pytest.mark.parametrize("rank", [1, 2, 3], ids="{}d".format)


def ours(rank: int, *args: Any, **options: Any) -> keras.Layer:
    return getattr(keras_maxpool, f"AdaptiveMaxPool{rank}D")(*args, **options)


def cuts(spatial: tuple[int, ...], output_size: Any) -> list[reference_regions.Cut]:
    sizes = output_size if isinstance(output_size, tuple) else (output_size,) * len(spatial)
    return [reference_regions.adaptive(*axis) for axis in zip(spatial, sizes, strict=True)]


def example(
    spatial: tuple[int, ...],
    output_size: Any,
    dtype: str = "float32",
    fill: Callable[..., np.ndarray] = ties,
) -> tuple[np.ndarray, np.ndarray, reference.Pooled, np.ndarray]:
    """An input, an upstream gradient, and the reference's values, places and gradient."""
    rng = np.random.default_rng(sum(spatial))
    to = tf.as_dtype(dtype).as_numpy_dtype
    x = fill((2, *spatial, 3), dtype, rng).astype(to)
    pooled = reference_regions.pool(x, cuts(spatial, output_size))
    upstream = upstream_for(pooled.values)
    gradient = reference.gradient(x.shape, pooled.indices, upstream, dtype=to)
    return x, upstream, pooled, gradient


# The reference


@by_mode
@by_case
def test_values_indices_and_gradient(spatial: tuple[int, ...], output_size: Any, mode: str) -> None:
    data_format = FORMATS[TABLE.index((spatial, output_size)) % 2]
    x, upstream, pooled, gradient = example(spatial, output_size)
    expected = (*pooled, gradient)
    if data_format == "channels_first":
        x, upstream = reference.channels_first(x), reference.channels_first(upstream)
        expected = tuple(map(reference.channels_first, expected))
    layer = ours(len(spatial), output_size, data_format, return_indices=True)
    for got, wanted in zip(run(with_both(layer), mode, x, upstream), expected, strict=True):
        assert_same(got, wanted)
    assert_same(layer(x)[0].numpy(), expected[0])  # with no tape to watch
    assert_same(ours(len(spatial), output_size, data_format)(x).numpy(), expected[0])


@pytest.mark.parametrize(
    ("dtype", "mode"), zip([*FLOATS, *INTEGERS], MODES * 4, strict=True), ids=str
)
def test_dtypes(dtype: str, mode: str) -> None:
    """The modes in turn: the regions' own tests have all of them."""
    x, upstream, pooled, gradient = example((5, 7), (3, 4), dtype)

    def function(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return keras_maxpool.ops.adaptive_max_pool(x, (3, 4), return_indices=True)

    if dtype in INTEGERS:
        values, indices = run(function, mode, x)
    else:
        values, indices, got = run(with_both(function), mode, x, upstream)
        assert_same(got, gradient)
    assert_same(values, pooled.values)
    assert_same(indices, pooled.indices)


@pytest.mark.parametrize("mode", ["graph", "xla"])
@pytest.mark.parametrize(("spatial", "output_size"), TABLE[1::2], ids=str)
def test_unknown_sizes(spatial: tuple[int, ...], output_size: Any, mode: str) -> None:
    """One graph for all sizes, which computes the regions when it runs."""
    layer = ours(len(spatial), output_size, return_indices=True)
    unknown = tf.TensorSpec([None] * (len(spatial) + 2))
    function = tf.function(with_both(layer), (unknown, unknown), jit_compile=mode == "xla")
    sizes = output_size if isinstance(output_size, tuple) else (output_size,) * len(spatial)
    static = function.get_concrete_function().output_shapes[0].as_list()
    assert static == [None, *sizes, None]
    for given in (spatial, tuple(n + 3 for n in spatial)):
        x, upstream, pooled, gradient = example(given, output_size)
        got = function(tf.constant(x), tf.constant(upstream))
        for result, wanted in zip(got, (*pooled, gradient), strict=True):
            assert_same(result.numpy(), wanted)


def test_far_bounds_are_exact() -> None:
    """Both products of the bounds are past what 32 bits hold, and past float32's whole numbers."""
    size, outputs = 200_003, 100_001
    x = np.arange(size, dtype="float32").reshape(1, size, 1)
    last = (np.arange(1, outputs + 1) * size + outputs - 1) // outputs - 1
    np.testing.assert_array_equal(ours(1, outputs)(x)[0, :, 0], last)
    unknown = tf.function(ours(1, outputs), [tf.TensorSpec([None, None, None])])
    np.testing.assert_array_equal(unknown(tf.constant(x))[0, :, 0], last)


@by_mode
@pytest.mark.parametrize("shape", [(0, 5, 4, 3), (2, 5, 4, 0)], ids=["no-samples", "no-channels"])
def test_empty(shape: tuple[int, ...], mode: str) -> None:
    layer = ours(2, 3, return_indices=True)
    upstream = np.zeros((shape[0], 3, 3, shape[3]), "float32")
    values, indices, gradient = run(with_both(layer), mode, np.zeros(shape, "float32"), upstream)
    assert values.shape == indices.shape == upstream.shape
    assert_same(gradient, np.zeros(shape, "float32"))


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_an_unknown_size_of_none_is_an_error(jit_compile: bool) -> None:
    """And no end of the process; XLA's is its own."""
    unknown = tf.TensorSpec([None] * 4)
    function = tf.function(with_gradient(ours(2, 2)), [unknown] * 2, jit_compile=jit_compile)
    match = None if jit_compile else "Spatial axis 0 has no elements"
    with pytest.raises(tf.errors.InvalidArgumentError, match=match):
        function(tf.zeros([1, 0, 4, 1]), tf.zeros([1, 2, 2, 1]))


# PyTorch


@pytest.mark.parametrize("case", golden.load(), ids=str)
def test_golden_pytorch(case: golden.Case) -> None:
    layer = ours(case.rank, case.output_size, "channels_first", return_indices=True)
    values, indices, gradient = run(with_both(layer), "eager", case.x, case.upstream)
    assert_same(values, case.values)
    np.testing.assert_array_equal(indices, case.indices)
    assert_same(gradient, case.gradient)


@pytest.mark.parametrize("case", golden.load()[::9], ids=str)
@pytest.mark.parametrize("mode", ["graph", "xla"])
def test_golden_pytorch_in_other_modes(mode: str, case: golden.Case) -> None:
    layer = ours(case.rank, case.output_size, "channels_first", return_indices=True)
    values, indices, gradient = run(with_both(layer), mode, case.x, case.upstream)
    assert_same(values, case.values)
    np.testing.assert_array_equal(indices, case.indices)
    assert_same(gradient, case.gradient)


def test_live_pytorch() -> None:
    """Other inputs than the golden ones, made on the spot."""
    needs("torch")
    for case in golden.make(golden.SEED + 1, 36):
        layer = ours(case.rank, case.output_size, "channels_first", return_indices=True)
        values, indices, gradient = run(with_both(layer), "eager", case.x, case.upstream)
        assert_same(values, case.values)
        np.testing.assert_array_equal(indices, case.indices)
        assert_same(gradient, case.gradient)


# Models


def model_of(rank: int, name: str = "AdaptiveMaxPooling") -> keras.Model:
    """A layer with weights, then ours in both forms."""
    layer = getattr(keras_maxpool, f"{name}{rank}D")
    inputs = keras.Input((*[None] * rank, 2))
    x = keras.layers.Dense(3)(inputs)
    values, indices = layer(4, return_indices=True, name="pair")(x)
    one = layer((2,) * (rank - 1) + (None,), name="one")(values)
    return keras.Model(inputs, [values, indices, one])


def arrays(outputs: Any) -> list[np.ndarray]:
    return [np.asarray(output) for output in outputs]


def assert_predicts(got: keras.Model, wanted: keras.Model, rank: int) -> None:
    x = np.random.default_rng(3).normal(size=(2, *(9, 7, 5)[:rank], 2)).astype("float32")
    for result, expected in zip(arrays(got(x)), arrays(wanted(x)), strict=True):
        assert_same(result, expected)
    for result, expected in zip(got.predict(x, verbose=0), arrays(wanted(x)), strict=True):
        assert_same(result, expected)


@by_rank
def test_symbolic_shapes_and_dtypes(rank: int) -> None:
    model = model_of(rank)
    values, indices, one = model.outputs
    assert values.shape == indices.shape == (None, *[4] * rank, 3)
    assert one.shape == (None, *[2] * (rank - 1), 4, 3)
    assert (values.dtype, indices.dtype, one.dtype) == ("float32", "int64", "float32")
    assert_predicts(model, model, rank)


def test_compute_output_shape() -> None:
    layer = ours(2, (3, None))
    assert layer.compute_output_shape((None, 8, None, 5)) == (None, 3, None, 5)
    first = ours(2, (3, None), "channels_first", return_indices=True)
    assert first.compute_output_shape((2, 5, 8, 9)) == ((2, 5, 3, 9),) * 2
    if not LEGACY:  # which infers them by calling
        spec = layer.compute_output_spec(keras.KerasTensor((None, 8, 9, 5), "float16"))
        assert (spec.shape, spec.dtype) == ((None, 3, 9, 5), "float16")


@by_rank
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("alias", [False, True], ids=["name", "alias"])
def test_saved_models_load(alias: bool, suffix: str, rank: int, tmp_path: Path) -> None:
    model = model_of(rank, "AdaptiveMaxPool")
    path = tmp_path / f"model{suffix}"
    model.save(path)
    if alias:
        rename(path, "AdaptiveMaxPooling", "AdaptiveMaxPool")
    loaded = keras.models.load_model(path)
    assert loaded.get_layer("pair").get_config() == model.get_layer("pair").get_config()
    assert type(loaded.get_layer("one")) is type(ours(rank, 1))
    assert_predicts(loaded, model, rank)


@pytest.mark.parametrize("way", ["clone", "deepcopy", "from_config", "json"])
def test_copies(way: str) -> None:
    model = model_of(2)
    copied = copied_by(way, model)
    copied.set_weights(model.get_weights())
    assert_predicts(copied, model, 2)


def test_exported_model_keeps_the_gradient(tmp_path: Path) -> None:
    """Its gradient goes to the first of the tied elements, for sizes that the graph does not know."""
    model = keras.Sequential([keras.Input((None, None, 3)), ours(2, (3, 4))])
    model.export(str(tmp_path / "model"))
    serve = tf.saved_model.load(str(tmp_path / "model")).serve
    x, upstream, pooled, gradient = example((7, 5), (3, 4))
    values, got = run(with_gradient(serve), "eager", x, upstream)
    assert_same(values, pooled.values)
    assert_same(got, gradient)


def test_config_is_that_of_the_builtin() -> None:
    config = ours(2, [3, np.int64(4)], return_indices=True, name="pool").get_config()
    assert config["output_size"] == (3, 4)
    assert type(config["output_size"][1]) is int
    assert config["return_indices"] is True
    assert json.loads(json.dumps(config))["output_size"] == [3, 4]
    again = keras_maxpool.AdaptiveMaxPooling2D.from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
def test_fit(jit_compile: bool) -> None:
    """Images of the size that the head needs, whatever theirs was; the loss falls."""
    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [
            keras.Input((11, 9, 2)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras_maxpool.AdaptiveMaxPool2D(3),
            keras.layers.Flatten(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", jit_compile=jit_compile)
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(24, 11, 9, 2)).astype("float32"), rng.integers(0, 3, 24)
    losses = model.fit(x, y, batch_size=8, epochs=4, shuffle=False, verbose=0).history["loss"]
    assert losses == sorted(losses, reverse=True)


def test_mixed_precision() -> None:
    x, _, pooled, _ = example((5, 4), 3)
    values, indices = ours(2, 3, return_indices=True, dtype="mixed_float16")(x)
    assert_same(values.numpy(), pooled.values.astype("float16"))
    assert_same(indices.numpy(), pooled.indices)


# Bad arguments and inputs

BAD_ARGUMENTS: list[tuple[dict[str, Any], type[Exception], tuple[str, ...]]] = [
    ({"output_size": 0}, ValueError, ("`output_size` must be positive", "output_size=0")),
    ({"output_size": (3, -1)}, ValueError, ("must be positive", "output_size=(3, -1)")),
    ({"output_size": 2**31}, ValueError, ("must be below 2**31",)),
    ({"output_size": (3,)}, ValueError, ("takes 1 or 2 integers", "which has 1")),
    ({"output_size": (3, 3, 3)}, ValueError, ("takes 1 or 2 integers", "which has 3")),
    ({"output_size": 2.0}, TypeError, ("not float", "output_size=2.0")),
    ({"output_size": (2, "2")}, TypeError, ("not str", "(2, '2')")),
    ({"output_size": True}, TypeError, ("not booleans", "output_size=True")),
    ({"output_size": None}, TypeError, ("not NoneType", "output_size=(7, None)")),
    ({"output_size": 2, "data_format": "NHWC"}, ValueError, ("`data_format`", "'NHWC'")),
    ({"output_size": 2, "return_indices": 1}, TypeError, ("`return_indices`", "True or False")),
]


@pytest.mark.parametrize(("options", "error", "fragments"), BAD_ARGUMENTS, ids=str)
def test_bad_argument(
    options: dict[str, Any], error: type[Exception], fragments: tuple[str, ...]
) -> None:
    with pytest.raises(error) as of_layer:
        keras_maxpool.AdaptiveMaxPool2D(**options)
    with pytest.raises(error) as of_op:
        keras_maxpool.ops.adaptive_max_pool(tf.zeros([1, 4, 4, 1]), **options)
    assert str(of_op.value) == str(of_layer.value)
    for fragment in fragments:
        assert fragment in str(of_layer.value)


def test_unknown_argument() -> None:
    with pytest.raises(ValueError, match=r"'strides'.*output_size, data_format, return_indices"):
        keras_maxpool.AdaptiveMaxPool2D(2, strides=1)


BAD_INPUTS: list[tuple[tuple[int, ...], str, type[Exception], tuple[str, ...]]] = [
    ((5, 4, 3), "float32", ValueError, ("rank 4", "expand_dims", "AdaptiveMaxPool1D fits")),
    ((2, 5, 4, 3, 2), "float32", ValueError, ("rank 4", "AdaptiveMaxPool3D fits")),
    ((2, 0, 4, 3), "float32", ValueError, ("axis 0 has no elements", "(0, 4)", "None")),
    ((2, 5, 4, 3), "bool", TypeError, ("dtype bool", "Cast")),
]


@pytest.mark.parametrize(("shape", "dtype", "error", "fragments"), BAD_INPUTS, ids=str)
def test_bad_input(
    shape: tuple[int, ...], dtype: str, error: type[Exception], fragments: tuple[str, ...]
) -> None:
    """One text, however the input gets there."""
    layer = ours(2, 2)
    texts = []
    for given in (np.zeros(shape, dtype), keras.Input(batch_shape=shape, dtype=dtype)):
        with pytest.raises(error) as info:
            layer(given)
        texts.append(str(info.value))
    if dtype == "float32":
        with pytest.raises(error) as info:
            layer.compute_output_shape(shape)
        texts.append(str(info.value))
    assert len(set(texts)) == 1
    for fragment in fragments:
        assert fragment in texts[0]


# The built-in: parity where it works

HAS_BUILTIN = hasattr(keras.layers, "AdaptiveMaxPooling2D")
needs_builtin = pytest.mark.skipif(
    not HAS_BUILTIN,
    reason="adaptive pooling needs a newer Keras: pip install -U keras",
)


def builtin(rank: int, *args: Any, **options: Any) -> keras.Layer:
    return getattr(keras.layers, f"AdaptiveMaxPooling{rank}D")(*args, **options)


@needs_builtin
@by_mode
@pytest.mark.parametrize(
    ("spatial", "output_size", "data_format"),
    [
        ((9,), 3, "channels_first"),
        ((4,), 7, "channels_last"),
        ((7, 5), (3, 4), "channels_last"),
        ((8, 6), 2, "channels_first"),
        ((5, 4, 6), 2, "channels_last"),
    ],
    ids=str,
)
def test_as_the_builtin(
    spatial: tuple[int, ...], output_size: Any, data_format: str, mode: str
) -> None:
    """Without ties, and with at least two regions an axis."""
    x, upstream, *_ = example(spatial, output_size, fill=distinct)
    if data_format == "channels_first":
        x, upstream = reference.channels_first(x), reference.channels_first(upstream)
    rank = len(spatial)
    layers = ours(rank, output_size, data_format), builtin(rank, output_size, data_format)
    got, wanted = (run(with_gradient(layer), mode, x, upstream) for layer in layers)
    for result, expected in zip(got, wanted, strict=True):
        assert_same(result, expected)


@needs_builtin
@by_rank
def test_signature_and_config_begin_as_the_builtins(rank: int) -> None:
    theirs, mine = (type(layer(rank, 2)) for layer in (builtin, ours))
    names = list(inspect.signature(theirs.__init__).parameters)[:3]
    assert list(inspect.signature(mine.__init__).parameters)[:3] == names
    config, expected = (layer(rank, 2, name="pool").get_config() for layer in (ours, builtin))
    assert {key: config[key] for key in expected} == expected
    assert config.keys() - expected.keys() == {"return_indices"}


# The built-in: its faults


@needs_builtin
@by_mode
@pytest.mark.parametrize("rank", [2, 3], ids="{}d".format)
def test_ties_go_to_the_first(rank: int, mode: str) -> None:
    """The built-in pools the first axis first: its first is not row-major's. Eagerly in 3D, all get the whole."""
    x, upstream, _, expected = example((6, 5, 4)[:rank], 2)
    _, gradient = run(with_gradient(ours(rank, 2)), mode, x, upstream)
    assert_same(gradient, expected)
    _, got = run(with_gradient(builtin(rank, 2)), mode, x, upstream)
    right = np.array_equal(got, expected)
    state(present=not right, mended=right, got=got.sum())


@needs_builtin
@pytest.mark.parametrize("mode", ["graph", "xla"])
@by_rank
def test_one_region_on_an_axis(rank: int, mode: str) -> None:
    """The built-in asks for a window that is longer than the axis; in eager mode it ends the process."""
    x, _, pooled, _ = example((4, 3, 5)[:rank], 1)
    assert_same(run(ours(rank, 1), mode, x), pooled.values)
    got = attempt(lambda: run(builtin(rank, 1), mode, x))
    state(present=refuses(got), mended=np.array_equal(got, pooled.values), got=got)


DEADLY = {
    "one-region-eager": """
import keras, tensorflow as tf
keras.layers.AdaptiveMaxPooling2D(1)(tf.ones([1, 3, 3, 1]))
""",
    "no-samples-graph": """
import keras, tensorflow as tf
@tf.function
def gradient(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = keras.layers.AdaptiveMaxPooling2D(2)(x)
    return tape.gradient(y, x)
gradient(tf.zeros([0, 4, 4, 1]))
""",
}


@needs_builtin
@pytest.mark.parametrize("case", DEADLY)
def test_the_builtin_ends_the_process(case: str) -> None:
    """With a floating-point exception, or a failed check. Other tests call ours like that, in this process."""
    child = subprocess.run([sys.executable, "-c", DEADLY[case]], capture_output=True)
    state(present=child.returncode < 0, mended=child.returncode == 0, got=child.returncode)


@needs_builtin
@pytest.mark.parametrize("mode", ["graph", "xla"])
def test_unknown_sizes_unlike_the_builtin(mode: str) -> None:
    """The built-in's layer takes them symbolically, and refuses them in a graph."""
    unknown = tf.TensorSpec([None, None, None, 1])
    got = attempt(
        lambda: (
            tf.function(builtin(2, 2), [unknown], jit_compile=mode == "xla")
            .get_concrete_function()
            .output_shapes.as_list()
        )
    )
    state(present=refuses(got), mended=got == [None, 2, 2, 1], got=got)


@needs_builtin
@by_mode
def test_nan_and_infinity(mode: str) -> None:
    """The built-in skips NaN, and gives the lowest finite float for -inf outside XLA."""
    x = np.array([np.nan, 1, 2, 3, -np.inf, -np.inf], "float32").reshape(1, 6, 1)
    values = run(ours(1, 3), mode, x).ravel()
    np.testing.assert_array_equal(values, np.float32([np.nan, 3, -np.inf]))
    got = run(builtin(1, 3), mode, x).ravel()
    lowest = np.float32(-np.inf) if mode == "xla" else np.finfo("float32").min
    state(
        present=got.tolist() == [1, 3, lowest],
        mended=np.array_equal(got, values, equal_nan=True),
        got=got,
    )


@needs_builtin
@pytest.mark.parametrize(
    ("rank", "dtype"),
    [*((rank, dtype) for rank in (1, 2) for dtype in ("uint32", "uint64"))]
    + [(3, dtype) for dtype in ("float16", "float64", *INTEGERS)],
)
def test_dtypes_unlike_the_builtin(rank: int, dtype: str) -> None:
    """The built-in takes none of them eagerly."""
    x, _, pooled, _ = example((5, 4, 3)[:rank], 2, dtype)
    dtypes = {"dtype": dtype} if dtype in FLOATS else {}
    # Whole numbers keep their dtype in a layer of any other, but only as tensors.
    assert_same(ours(rank, 2, **dtypes)(tf.constant(x)).numpy(), pooled.values)
    got = attempt(lambda: builtin(rank, 2, **dtypes)(tf.constant(x)).numpy())
    state(
        present=refuses(got),
        mended=not refuses(got) and np.array_equal(got, pooled.values),
        got=got,
    )


@needs_builtin
def test_large_axes_unlike_the_builtin() -> None:
    """The built-in computes the bounds in float32, which does not hold every product from 2**24 on."""
    size, outputs = 20_003, 10_001
    x = np.arange(size, dtype="int32").reshape(1, size, 1)
    expected = (np.arange(1, outputs + 1) * size + outputs - 1) // outputs - 1
    np.testing.assert_array_equal(ours(1, outputs)(tf.constant(x))[0, :, 0], expected)
    got = builtin(1, outputs)(tf.constant(x))[0, :, 0].numpy()
    wrong = int((got != expected).sum())
    state(present=wrong > 0, mended=wrong == 0, got=wrong)


@needs_builtin
def test_a_symbolic_whole_number_stays_one() -> None:
    """The built-in says float32 of it, and then gives whole numbers."""
    x = keras.Input((4, 4, 1), dtype="int32")
    assert ours(2, 2)(x).dtype == "int32"
    got = builtin(2, 2)(x).dtype
    state(present=got == "float32", mended=got == "int32", got=got)


@needs_builtin
def test_another_rank_is_refused() -> None:
    """The built-in's 2D layer takes (batch, steps, channels), and says that it gives what it does not."""
    with pytest.raises(ValueError, match="AdaptiveMaxPool1D fits"):
        ours(2, 2)(tf.zeros([4, 6, 3]))
    got = attempt(lambda: tuple(builtin(2, 2)(tf.zeros([4, 6, 3])).shape))
    state(present=got == (4, 2, 3), mended=refuses(got), got=got)


@needs_builtin
@pytest.mark.parametrize("value", [-1, True, (2, 2.0)], ids=str)
def test_bad_sizes_unlike_the_builtin(value: Any) -> None:
    """The built-in takes each of them at construction, and some also later."""
    with pytest.raises((TypeError, ValueError), match="`output_size`"):
        ours(2, value)
    got = attempt(lambda: builtin(2, value))
    state(present=not refuses(got), mended=refuses(got), got=got)
