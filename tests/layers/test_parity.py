"""Our layers against `keras.layers.MaxPooling1D`, `2D` and `3D`, wherever those work: exact equality.

Where they do not is test_faults.py.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.assertions import assert_same
from harness.cases import FLOATS, FORMATS, INTEGERS, Config, case
from harness.keras_version import LEGACY, keras, keras_3_alone
from harness.runner import MODES, in_mode, run, with_gradient

import keras_maxpool

# Strides larger and smaller than the window, anisotropic ones, windows that leave a rest and that
# fill their input.
TABLE = [
    Config((8,)),
    Config((9,), 3, 2, "same"),
    Config((9,), 3, 1),
    Config((10,), 2, 3),
    Config((10,), 2, 3, "same"),
    Config((11,), 5, 1, "same"),
    Config((7,), 7),
    Config((7,), 1, 2, "same"),
    Config((8, 6)),
    Config((7, 8), 3, 2, "same"),
    Config((7, 8), 3, 2),
    Config((6, 7), 3, 1),
    Config((6, 9), 2, 3),
    Config((7, 9), (2, 3), (3, 1), "same"),
    Config((8, 7), (3, 2), (1, 2)),
    Config((5, 6), 5, 1, "same"),
    Config((5, 6), (5, 6)),
    Config((9, 4), (1, 4), None, "same"),
    Config((4, 6, 4)),
    Config((5, 4, 6), 3, 2, "same"),
    Config((4, 5, 3), 2, 1),
    Config((5, 6, 4), (1, 2, 3)),
    Config((5, 4, 7), (2, 3, 1), (3, 1, 2), "same"),
    Config((5, 6, 5), 2, 3),
    Config((3, 4, 2), (3, 4, 2), None, "same"),
]
OVERLAPPING = [config for config in TABLE if any(axis[1] > axis[2] for axis in config.axes)]
RANKS = (1, 2, 3)
SPELLINGS = ("MaxPooling", "MaxPool")

by_config = pytest.mark.parametrize("config", TABLE, ids=str)
by_format = pytest.mark.parametrize("data_format", FORMATS)
by_rank = pytest.mark.parametrize("rank", RANKS, ids="{}d".format)
by_spelling = pytest.mark.parametrize("spelling", SPELLINGS)


def builtin_takes(dtype: str, config: Config, mode: str) -> bool:
    """Whether the built-in pools this dtype on a CPU at all."""
    if config.rank < 3:
        return dtype not in ("uint32", "uint64")
    return dtype in ("float32", "bfloat16") or (dtype == "float16" and mode == "xla")


def pair(config: Config, data_format: str = "channels_last", dtype: str | None = None):
    """Our layer and the built-in, of the same arguments."""
    # The spellings by turns: each is one class in Keras, and must be one here.
    name = f"{SPELLINGS[TABLE.index(config) % 2]}{config.rank}D"
    arguments = {
        "pool_size": config.pool_size,
        "strides": config.strides,
        "padding": config.padding,
        "data_format": data_format,
        "dtype": dtype,
    }
    return getattr(keras_maxpool, name)(**arguments), getattr(keras.layers, name)(**arguments)


def both(config: Config, mode: str, dtype: str, data_format: str) -> tuple:
    """(ours, the built-in's), each the values and the gradient."""
    given = case(config, dtype=dtype, data_format=data_format)
    ours, builtin = pair(config, data_format, dtype)
    if LEGACY and config.rank == 2 and data_format == "channels_first":
        builtin = between_transposes(pair(config, "channels_last", dtype)[1])
    return tuple(
        run(with_gradient(layer), mode, given.x, given.upstream) for layer in (ours, builtin)
    )


def between_transposes(layer: keras.layers.Layer) -> Callable[[tf.Tensor], tf.Tensor]:
    """Channels first as Keras 3 does it: in 2D, the layer of Keras 2 fails there on the CPU."""
    return lambda x: tf.transpose(layer(tf.transpose(x, (0, 2, 3, 1))), (0, 3, 1, 2))


# Values and gradients


WITH_DTYPES = [
    (dtype, config) for dtype in FLOATS for config in TABLE if builtin_takes(dtype, config, "graph")
]


@pytest.mark.parametrize(("dtype", "config"), WITH_DTYPES, ids=str)
@by_format
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_floats(mode: str, data_format: str, dtype: str, config: Config) -> None:
    (values, gradient), (builtin_values, builtin_gradient) = both(config, mode, dtype, data_format)
    assert_same(values, builtin_values)
    assert_same(gradient, builtin_gradient)
    assert gradient.any()


def in_xla() -> list[tuple[str, str, Config]]:
    """Half the configurations, the formats in turn, and a few in other dtypes: compiling is slow."""
    of_float32 = [("float32", FORMATS[i % 2], config) for i, config in enumerate(TABLE[1::2])]
    return of_float32 + [
        (dtype, FORMATS[0], config)
        for dtype in ("float16", "bfloat16", "float64")
        for config in (TABLE[1], TABLE[13], TABLE[19])
        if builtin_takes(dtype, config, "xla")
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "data_format", "config"), in_xla(), ids=str)
def test_floats_in_xla(dtype: str, data_format: str, config: Config) -> None:
    (values, gradient), (builtin_values, builtin_gradient) = both(config, "xla", dtype, data_format)
    assert_same(values, builtin_values)
    assert_same(gradient, builtin_gradient)
    assert gradient.any()


@pytest.mark.parametrize(
    ("mode", "config"),
    [(mode, config) for mode in MODES for config in OVERLAPPING[:: 3 if mode == "xla" else 1]],
    ids=str,
)
def test_sums_of_gradients_to_rounding(mode: str, config: Config) -> None:
    """Whole numbers add up exactly, in any order; these do not."""
    given = case(config)
    upstream = np.random.default_rng(1).normal(size=given.upstream.shape).astype("float32")
    ours, builtin = (in_mode(with_gradient(layer), mode) for layer in pair(config))
    x = tf.constant(given.x)
    (_, gradient), (_, builtin_gradient) = ours(x, upstream), builtin(x, upstream)
    exact = reference.gradient(x.shape, given.indices, upstream)
    terms = reference.gradient(x.shape, given.indices, np.abs(upstream))
    unit = np.finfo("float32").eps * terms
    assert np.all(np.abs(gradient - exact) <= unit)
    # So does the built-in, on the other side of the exact sum at worst.
    assert np.all(np.abs(gradient - builtin_gradient) <= 2 * unit)


@pytest.mark.parametrize(
    ("mode", "config"),
    [
        *(("eager", config) for config in TABLE if config.rank < 3),
        *(("graph", TABLE[i]) for i in (1, 3, 9, 13, 14)),
        *(("xla", TABLE[i]) for i in (1, 13)),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [d for d in INTEGERS if builtin_takes(d, TABLE[0], "eager")])
def test_integers(dtype: str, mode: str, config: Config) -> None:
    given = case(config, dtype=dtype)
    # Keras casts no tensor of whole numbers to a layer's dtype.
    ours, builtin = (run(layer, mode, given.x) for layer in pair(config))
    assert_same(ours, builtin)


# Shapes


def forms(config: Config, data_format: str) -> list[tuple[int | None, ...]]:
    """The input's shape, whole and with unknowns."""
    shapes = [
        (2, *config.spatial),
        (None, *config.spatial),
        (2, None, *config.spatial[1:]),
        (None,) * (config.rank + 1),
    ]
    if data_format == "channels_last":
        return [(*shape, 3) for shape in shapes]
    return [(shape[0], 3, *shape[1:]) for shape in shapes]


@by_config
@by_format
def test_compute_output_shape(data_format: str, config: Config) -> None:
    ours, builtin = pair(config, data_format)
    for shape in forms(config, data_format):
        expected = builtin.compute_output_shape(shape)
        assert ours.compute_output_shape(shape) == expected
        assert ours.compute_output_shape(list(shape)) == expected
        assert isinstance(ours.compute_output_shape(shape), tuple)


@by_config
@by_format
def test_symbolic_call(data_format: str, config: Config) -> None:
    ours, builtin = pair(config, data_format)
    for shape in forms(config, data_format):
        x = keras.Input(batch_shape=shape)
        y, expected = ours(x), builtin(x)
        assert y.shape == expected.shape
        assert y.dtype == expected.dtype == "float32"
        if not LEGACY:  # which infers it by calling
            spec = ours.compute_output_spec(x)
            assert isinstance(spec, keras.KerasTensor)
            assert (spec.shape, spec.dtype) == (expected.shape, expected.dtype)


@by_config
@by_format
def test_static_shapes_of_graphs(data_format: str, config: Config) -> None:
    ours, builtin = pair(config, data_format)
    for shape in forms(config, data_format):
        actual, expected = (
            tf.function(lambda x, layer=layer: layer(x))
            .get_concrete_function(tf.TensorSpec(shape))
            .output_shapes
            for layer in (ours, builtin)
        )
        assert actual.as_list() == expected.as_list()


@pytest.mark.parametrize("config", [TABLE[1], TABLE[13], TABLE[19]], ids=str)
@by_format
def test_static_shapes_of_graphs_under_a_tape(data_format: str, config: Config) -> None:
    """Where ours guards against empty inputs."""
    ours, builtin = pair(config, data_format)

    def inside_a_tape(layer: keras.Layer, shape: tuple) -> list:
        def function(x: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = layer(x)
            tape.gradient(y, x)
            return y

        concrete = tf.function(function).get_concrete_function(tf.TensorSpec(shape))
        return concrete.output_shapes.as_list()

    for shape in forms(config, data_format):
        assert inside_a_tape(ours, shape) == inside_a_tape(builtin, shape)


@pytest.mark.parametrize("config", [TABLE[3], TABLE[13], TABLE[19]], ids=str)
def test_a_model_of_unknown_size_takes_any(config: Config) -> None:
    x = keras.Input((*[None] * config.rank, 3))
    ours, builtin = (keras.Model(x, layer(x)) for layer in pair(config))
    rng = np.random.default_rng(0)
    for batch, grown in ((2, 0), (1, 1), (3, 3)):
        given = rng.normal(size=(batch, *(n + grown for n in config.spatial), 3))
        given = given.astype("float32")
        assert_same(ours.predict_on_batch(given), builtin.predict_on_batch(given))


# What the layers say of themselves


@by_config
@by_format
def test_config(data_format: str, config: Config) -> None:
    ours, builtin = (layer.get_config() for layer in pair(config, data_format, "float16"))
    del ours["name"], builtin["name"]
    assert {key: ours[key] for key in builtin} == builtin
    assert {key: type(ours[key]) for key in builtin} == {key: type(builtin[key]) for key in builtin}


@by_rank
def test_default_config(rank: int) -> None:
    ours = getattr(keras_maxpool, f"MaxPooling{rank}D")().get_config()
    builtin = getattr(keras.layers, f"MaxPooling{rank}D")().get_config()
    del ours["name"], builtin["name"]
    assert {key: ours[key] for key in builtin} == builtin
    assert ours.keys() - builtin.keys() >= {"dilation_rate", "ceil_mode", "nonfinite"}


@by_rank
def test_default_name(rank: int) -> None:
    keras.backend.clear_session()
    ours = getattr(keras_maxpool, f"MaxPool{rank}D")().name
    keras.backend.clear_session()
    assert ours == getattr(keras.layers, f"MaxPool{rank}D")().name == f"max_pooling{rank}d"


@by_config
def test_takes_the_builtins_config(config: Config) -> None:
    ours, builtin = pair(config, "channels_first", "bfloat16")
    copy = type(ours).from_config(builtin.get_config())
    assert copy.name == builtin.name
    assert copy.get_config() | {"name": ""} == ours.get_config() | {"name": ""}


@keras_3_alone  # in 1D, Keras 2 has another default of data_format
@by_rank
@by_spelling
def test_signature(spelling: str, rank: int) -> None:
    """Position by position: code that passes arguments by place need not change."""
    ours, builtin = (
        list(inspect.signature(getattr(package, f"{spelling}{rank}D")).parameters.values())
        for package in (keras_maxpool, keras.layers)
    )
    by_place = [p for p in builtin if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert [p.name for p in ours[: len(by_place)]] == [p.name for p in by_place]
    assert [p.kind for p in ours[: len(by_place)]] == [p.kind for p in by_place]
    assert {p.kind for p in ours[len(by_place) : -1]} == {inspect.Parameter.KEYWORD_ONLY}
    assert (ours[-1].name, ours[-1].kind) == (builtin[-1].name, builtin[-1].kind)
    # pool_size is 2 here and (2, 2) there, which test_default_config shows to be the same.
    assert [p.default for p in ours[1 : len(by_place)]] == [p.default for p in by_place[1:]]


@keras_3_alone  # Keras 2 takes no name by place
@by_rank
def test_arguments_by_place(rank: int) -> None:
    arguments = (3, 1, "same", "channels_first", "pool")
    ours = getattr(keras_maxpool, f"MaxPool{rank}D")(*arguments).get_config()
    builtin = getattr(keras.layers, f"MaxPool{rank}D")(*arguments).get_config()
    assert {key: ours[key] for key in builtin} == builtin


@by_rank
def test_two_spellings_of_one_class(rank: int) -> None:
    for package in (keras_maxpool, keras.layers):
        assert getattr(package, f"MaxPool{rank}D") is getattr(package, f"MaxPooling{rank}D")


def test_all() -> None:
    names = keras_maxpool.__all__
    assert len(names) == len(set(names))
    assert {f"{spelling}{rank}D" for spelling in SPELLINGS for rank in RANKS} <= set(names)
    everything: dict = {}
    exec("from keras_maxpool import *", everything)
    assert everything.keys() - {"__builtins__"} == set(names)


@by_rank
def test_layer_properties(rank: int) -> None:
    ours = getattr(keras_maxpool, f"MaxPooling{rank}D")()
    builtin = getattr(keras.layers, f"MaxPooling{rank}D")()
    assert ours.input_spec.ndim == builtin.input_spec.ndim == rank + 2
    assert isinstance(ours, keras.layers.Layer)
    assert ours.built
    assert ours.weights == builtin.weights == []
    assert ours.count_params() == 0
    for name in ("pool_size", "strides", "padding", "data_format", "trainable", "compute_dtype"):
        assert getattr(ours, name) == getattr(builtin, name)


@pytest.mark.parametrize("rank", RANKS[LEGACY:])  # Keras 2 does not look at it in 1D
def test_image_data_format_of_keras(rank: int) -> None:
    before = keras.backend.image_data_format()
    keras.backend.set_image_data_format("channels_first")
    try:
        ours = getattr(keras_maxpool, f"MaxPooling{rank}D")()
        builtin = getattr(keras.layers, f"MaxPooling{rank}D")()
    finally:
        keras.backend.set_image_data_format(before)
    assert ours.data_format == builtin.data_format == "channels_first"


@by_rank
def test_casts_as_the_builtin_does(rank: int) -> None:
    """A float input becomes the layer's dtype; whole numbers stay what they are."""
    x = np.arange(4.0**rank).reshape(1, *[4] * rank, 1)
    ours = getattr(keras_maxpool, f"MaxPooling{rank}D")()
    builtin = getattr(keras.layers, f"MaxPooling{rank}D")()
    assert_same(ours(x).numpy(), builtin(x).numpy())
    assert ours(x).dtype == "float32"
    assert_same(ours(tf.constant(x)).numpy(), builtin(tf.constant(x)).numpy())
    if rank < 3:
        whole = tf.constant(x, "int32")
        assert_same(ours(whole).numpy(), builtin(whole).numpy())
        assert ours(whole).dtype == "int32"


@by_rank
def test_keras_switches(rank: int) -> None:
    """trainable, name and dtype reach Keras, as the built-in passes them on."""
    ours = getattr(keras_maxpool, f"MaxPooling{rank}D")(
        name="here", trainable=False, dtype="mixed_bfloat16"
    )
    assert (ours.name, ours.trainable) == ("here", False)
    assert (ours.compute_dtype, ours.variable_dtype) == ("bfloat16", "float32")
