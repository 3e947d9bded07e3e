"""assert_parity: what is equal passes, and each planted fault is found, named, and shown again by its line."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from harness import wrong_layers

import keras_maxpool
from keras_maxpool.tools.errors import one_line
from keras_maxpool.tools.parity import assert_parity
from keras_maxpool.tools.parity.compare import difference, make_input
from keras_maxpool.tools.parity.reproduce import expression

OURS, BUILTIN = keras_maxpool.MaxPool2D, keras.layers.MaxPool2D
SHAPE = (2, 7, 8, 3)
VOLUME = (1, 4, 5, 6, 2)
SAME = {"pool_size": 3, "strides": 2, "padding": "same"}


def eagerly(dtype):
    return {"dtype": dtype, "modes": ["eager"]}


@pytest.mark.parametrize(
    ("shape", "options", "given"),
    [
        ((2, 9, 3), {"pool_size": 3, "strides": 2}, {"modes": ["eager"]}),
        ((None, *SHAPE[1:]), SAME, {}),
        (VOLUME, {"padding": "same"}, {"modes": ["graph"]}),
        ((2, 3, 7, 8), {"strides": 1, "data_format": "channels_first"}, {"modes": ["graph"]}),
        (SHAPE, {"dtype": "float16"}, eagerly("float16")),
        (SHAPE, {"dtype": "bfloat16", "pool_size": 3, "strides": 1}, eagerly("bfloat16")),
        (SHAPE, {"dtype": "float64"}, eagerly("float64")),
        (SHAPE, {}, {"dtype": "uint8", "modes": ["eager", "graph"]}),
        ((2, 9, 3), {}, eagerly("int64")),
        (VOLUME, {"pool_size": 3, "strides": 1}, {"modes": ["graph"], "ties": True}),
        ((None, None, None, 3), {}, {"modes": ()}),
    ],
)
def test_equal_layers_pass(shape, options, given):
    name = f"MaxPool{len(shape) - 2}D"
    ours, builtin = (getattr(home, name)(**options) for home in (keras_maxpool, keras.layers))
    assert_parity(ours, builtin, shape, **given)


def test_a_model_is_a_layer():
    ours, builtin = (
        keras.Sequential([keras.Input(SHAPE[1:]), package.MaxPool2D(), package.MaxPool2D(3, 1)])
        for package in (keras_maxpool, keras.layers)
    )
    assert_parity(ours, builtin, SHAPE, modes=["eager"])
    average = keras.Sequential([*builtin.layers[:1], keras.layers.AveragePooling2D(3, 1)])
    with pytest.raises(AssertionError, match="output differs in mode 'eager'"):
        assert_parity(ours, average, SHAPE, modes=["eager"])


def test_a_layer_need_not_compute_its_shape():
    pool = wrong_layers.Secretive(OURS())
    assert_parity(pool, BUILTIN(), SHAPE, modes=["eager"])
    assert_parity(BUILTIN(), pool, SHAPE, modes=["eager"])
    with pytest.raises(AssertionError, match=r"symbolic call differs: float32\(2, 3, 4, 3\) in"):
        assert_parity(pool, BUILTIN(padding="same"), SHAPE, modes=["eager"])


ELEMENTS = r"\d+ of 336 elements differ, first at \[0, "
ANOTHER_SHAPE = r"float32\(2, 3, 3, 3\) instead of float32\(2, 4, 4, 3\)"
COMPUTED = re.escape("compute_output_shape differs: (None, 5, 4, 3) instead of (None, 4, 4, 3)\n")


@pytest.mark.parametrize(
    ("wrong", "mode", "text"),
    [
        ("LastMaximum", "eager", f"gradient .*: {ELEMENTS}"),
        ("LastMaximum", "graph", f"gradient .*: {ELEMENTS}"),
        ("ZeroPadding", "eager", r"output .* first at \[.*\]: 0\.0 instead of -1\.0\d+"),
        ("ZeroPadding", "graph", r"output .*: 0\.0 instead of -1\.0\d+"),
        ("StrideOffByOne", "graph", f"output .*: {ANOTHER_SHAPE}"),
        ("StrideOffByOne", "eager", f"output .*: {ANOTHER_SHAPE}"),
        ("WrongDtype", "eager", r"output .*: float64\(2, 4, 4, 3\) instead of float32\(2, 4, 4, "),
        ("FewerDigits", "eager", r"output .*: -?1\.\d{0,7} instead of -?1\.\d{9,}"),
        ("TwiceTheGradient", "graph", r"gradient .* elements differ"),
        ("NoGradient", "eager", "gradient .*: there is none"),
        ("Failing", "graph", "output .*: raised RuntimeError: not in a graph"),
        ("WrongInXla", "xla", "output .* elements differ"),
        ("WrongForAnyBatch", "graph", "output .* elements differ"),
        ("WrongShape", "", COMPUTED),
    ],
)
def test_wrong_layers_are_found(wrong, mode, text):
    """In this mode alone, and again by the line of Python that it ends with."""
    layer, ties = getattr(wrong_layers, wrong)(**SAME), wrong == "LastMaximum"
    shape = (None if wrong in ("WrongForAnyBatch", "WrongShape") else 2, *SHAPE[1:])
    with pytest.raises(AssertionError) as caught:
        assert_parity(layer, BUILTIN(**SAME), shape, modes=[mode] * bool(mode), ties=ties)
    message = str(caught.value)
    assert re.search(text, message)
    assert f"in mode {mode!r}" in message or not mode
    line = message.partition("To see it again: ")[2]
    assert line.startswith("import ")
    with pytest.raises(AssertionError) as again:
        exec(line, {})
    assert str(again.value) == message


def test_what_shows_in_one_mode_or_input_alone():
    """The default is every mode, and no ties."""
    assert_parity(wrong_layers.LastMaximum(**SAME), BUILTIN(**SAME), SHAPE, modes=["eager"])
    assert_parity(wrong_layers.Failing(2), BUILTIN(2), SHAPE, modes=["eager"])
    assert_parity(wrong_layers.WrongForAnyBatch(2), BUILTIN(2), SHAPE, modes=["graph"])
    assert_parity(wrong_layers.WrongInXla(2), BUILTIN(2), SHAPE, modes=["eager", "graph"])
    for wrong, mode in ((wrong_layers.Failing(2), "graph"), (wrong_layers.WrongInXla(2), "xla")):
        with pytest.raises(AssertionError, match=f"in mode '{mode}'"):
            assert_parity(wrong, BUILTIN(2), SHAPE)


TOO_MANY = {"dtype": "float16", "input_shape": (1, 256, 256, 1)}


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"layer": "MaxPool2D"}, TypeError, "`layer` takes a Keras layer; received layer='MaxPo"),
        ({"reference_layer": BUILTIN}, TypeError, "`reference_layer` takes a Keras layer"),
        (
            {"reference_layer": keras.layers.MaxPool3D()},
            ValueError,
            "`reference_layer` cannot do this itself",
        ),
        ({"reference_layer": BUILTIN(2, padding="SAME")}, ValueError, "padding=SAME"),
        ({"input_shape": 8}, TypeError, "`input_shape` takes a tuple; received input_shape=8"),
        ({"input_shape": (2, 0, 8, 3)}, ValueError, "`input_shape` must be positive"),
        ({"input_shape": (2, None, 8, 3)}, TypeError, "`input_shape` takes integers, not NoneType"),
        ({"modes": "eager"}, TypeError, "Write modes=['eager']"),
        ({"modes": ["fast"]}, ValueError, "`modes` is unknown; received modes='fast'"),
        ({"dtype": "complex64"}, ValueError, "`dtype` is unknown; received dtype='complex64'"),
        ({"ties": 1}, TypeError, "`ties` takes True or False"),
        (TOO_MANY, ValueError, "holds 65536 elements, more than float16"),
    ],
)
def test_wrong_arguments(change, kind, words):
    given = {"layer": OURS(), "reference_layer": BUILTIN(), "input_shape": SHAPE}
    with pytest.raises(kind) as caught:
        assert_parity(**(given | change))
    assert words in str(caught.value)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_no_float_comes_twice(dtype):
    x = make_input((2, 7, 9, 3), dtype, False, np.random.default_rng(0))
    assert (x.shape, x.dtype.name) == ((2, 7, 9, 3), dtype)
    wide = np.sort(x.astype("float64").ravel())
    assert np.diff(wide).min() > 1e-5, "the built-in takes closer ones for equal in eager 3D"
    assert (wide[0] < -1, (wide > 0).sum()) == (True, 189)
    assert np.abs(wide).min() == 1
    if dtype in ("float32", "float64"):
        assert (wide != wide.astype("float16")).mean() > 0.9


def test_integers_reach_over_the_whole_range_and_ties_are_three_numbers():
    for dtype in ("int8", "uint8", "int64", "uint64"):
        x = make_input((1, 30, 30, 3), dtype, False, np.random.default_rng(0))
        ends = np.iinfo(dtype)
        assert x.dtype == dtype
        assert int(x.max()) > ends.max - (ends.max - ends.min) // 50
        assert int(x.min()) < ends.min + (ends.max - ends.min) // 50
    x = make_input((1, 8, 8, 3), "float32", True, np.random.default_rng(0))
    assert np.unique(x).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("got", "expected", "text"),
    [
        ([1, np.nan, -0.0], [1, np.nan, 0.0], ""),
        (
            [1, 2, 3],
            [1, 2, 3 + 2**-22],
            "1 of 3 elements differ, first at [2]: 3.0 instead of 3.000000238418579",
        ),
        ([1, np.nan, 3], [1, 2, 4], "2 of 3 elements differ, first at [1]: nan instead of 2.0"),
        ([1, 2], [1, 2, 3], "float32(2,) instead of float32(3,)"),
        (np.zeros(1), [0], "float64(1,) instead of float32(1,)"),
        (None, [1], "there is none"),
    ],
)
def test_difference(got, expected, text):
    got = np.array(got, "float32") if isinstance(got, list) else got
    assert difference(got, np.array(expected, "float32")) == text


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("first\nsecond", "ValueError: first"),
        ("Exception encountered when calling X.call().\n\n\x1b[1mwhy\x1b[0m\n", "ValueError: why"),
        ("in user code:\n\n    File x\n    ValueError: why\n\nArguments", "ValueError: why"),
        ("", "ValueError"),
    ],
)
def test_one_line_of_an_error(text, line):
    assert one_line(ValueError(text)) == line


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (OURS(), "keras_maxpool.MaxPooling2D()"),
        (
            OURS(3, dtype="float16"),
            "keras_maxpool.MaxPooling2D(pool_size=(3, 3), dtype='float16')",
        ),
        (OURS(3, 2), "keras_maxpool.MaxPooling2D(pool_size=(3, 3), strides=(2, 2))"),
        (keras.layers.MaxPool1D(2, name="here"), "keras.layers.MaxPooling1D()"),
        (
            wrong_layers.ZeroPadding(padding="same"),
            "harness.wrong_layers.ZeroPadding(padding='same')",
        ),
        (wrong_layers.Secretive(OURS()), "harness.wrong_layers.Secretive(...)"),
    ],
)
def test_expression(layer, text):
    assert expression(layer) == text


def test_expression_of_a_wrapper_makes_it_again():
    wrapper = keras.layers.TimeDistributed(OURS(3))
    assert eval(expression(wrapper), {"keras": keras}).get_config() == wrapper.get_config()


def test_tensorflow_does_not_warn(caplog):
    """It warns of functions that are traced again and again, which these are on purpose."""
    tf.get_logger().addHandler(caplog.handler)
    try:
        for _ in range(6):
            assert_parity(OURS(), BUILTIN(), (1, 4, 4, 1), modes=["graph"])
    finally:
        tf.get_logger().removeHandler(caplog.handler)
    assert caplog.text == ""
