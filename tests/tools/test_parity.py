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
from keras_maxpool.tools.parity import reproduce as parity_reproduce
from keras_maxpool.tools.parity.compare import difference, make_input

BUILTIN = keras.layers.MaxPool2D
SHAPE = (2, 7, 8, 3)

# What is equal.


@pytest.mark.parametrize(
    ("rank", "shape", "options", "given"),
    [
        (1, (2, 9, 3), {"pool_size": 3, "strides": 2}, {}),
        (2, (None, 7, 8, 3), {"pool_size": 3, "strides": 2, "padding": "same"}, {}),
        (3, (1, 4, 5, 6, 2), {"padding": "same"}, {}),
        (2, (2, 3, 7, 8), {"strides": 1, "data_format": "channels_first"}, {"modes": ["graph"]}),
        (2, SHAPE, {"dtype": "float16"}, {"dtype": "float16", "modes": ["eager"]}),
        (2, SHAPE, {"dtype": "bfloat16", "pool_size": 3, "strides": 1}, {"dtype": "bfloat16", "modes": ["graph"]}),
        (2, SHAPE, {"dtype": "float64"}, {"dtype": "float64", "modes": ["eager"]}),
        (2, SHAPE, {}, {"dtype": "uint8", "modes": ["eager", "graph"]}),
        (1, (2, 9, 3), {}, {"dtype": "int64", "modes": ["eager"]}),
        (3, (1, 4, 5, 6, 2), {"pool_size": 3, "strides": 1}, {"modes": ["graph"], "ties": True}),
        (2, (None, None, None, 3), {}, {"modes": ()}),
    ],
)  # fmt: skip
def test_equal_layers_pass(rank, shape, options, given):
    ours, builtin = (
        getattr(package, f"MaxPool{rank}D")(**options) for package in (keras_maxpool, keras.layers)
    )
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
    pool = wrong_layers.Secretive(keras_maxpool.MaxPool2D())
    assert_parity(pool, BUILTIN(), SHAPE, modes=["eager"])
    assert_parity(BUILTIN(), pool, SHAPE, modes=["eager"])
    with pytest.raises(AssertionError, match=r"symbolic call differs: float32\(2, 3, 4, 3\) in"):
        assert_parity(pool, BUILTIN(padding="same"), SHAPE, modes=["eager"])


# What is not.


@pytest.mark.parametrize(
    ("wrong", "mode", "ties", "text"),
    [
        ("LastMaximum", "eager", True, r"gradient .*: \d+ of 336 elements differ, first at \[0, "),
        ("LastMaximum", "graph", True, r"gradient .*: \d+ of 336 elements differ"),
        ("LastMaximum", "xla", True, r"gradient .*: \d+ of 336 elements differ"),
        ("ZeroPadding", "eager", False, r"output .* elements differ, first at \[.*\]: 0\.0 instead of -1\.0\d+"),
        ("ZeroPadding", "graph", False, r"output .*: 0\.0 instead of -1\.0\d+"),
        ("StrideOffByOne", "graph", False, r"output .*: float32\(2, 3, 3, 3\) instead of float32\(2, 4, 4, 3\)"),
        ("StrideOffByOne", "eager", False, r"output .*: float32\(2, 3, 3, 3\) instead of float32\(2, 4, 4, 3\)"),
        ("WrongDtype", "eager", False, r"output .*: float64\(2, 4, 4, 3\) instead of float32\(2, 4, 4, 3\)"),
        ("WrongDtype", "xla", False, r"output .*: float64\(2, 4, 4, 3\) instead of float32"),
        ("FewerDigits", "eager", False, r"output .* elements differ, .*: -?1\.\d{0,7} instead of -?1\.\d{9,}"),
        ("TwiceTheGradient", "graph", False, r"gradient .* elements differ"),
        ("NoGradient", "eager", False, "gradient .*: there is none"),
        ("Failing", "graph", False, "output .*: raised RuntimeError: not in a graph"),
    ],
)  # fmt: skip
def test_wrong_layers_are_found(wrong, mode, ties, text):
    layer = getattr(wrong_layers, wrong)(3, strides=2, padding="same")
    reference = BUILTIN(3, strides=2, padding="same")
    # XLA's built-in gradient has no rule for ties with "same".
    reference = keras_maxpool.MaxPool2D(3, strides=2, padding="same") if ties else reference
    with pytest.raises(AssertionError) as caught:
        assert_parity(layer, reference, SHAPE, modes=[mode], ties=ties)
    message = str(caught.value)
    assert re.search(text, message)
    assert f"in mode {mode!r}" in message
    line = message.partition("To see it again: ")[2]
    assert line.startswith("import ")
    with pytest.raises(AssertionError) as again:
        exec(line, {})
    assert str(again.value) == message


def test_ties_alone_show_the_last_maximum():
    wrong = wrong_layers.LastMaximum(3, strides=2, padding="same")
    assert_parity(wrong, BUILTIN(3, strides=2, padding="same"), SHAPE, modes=["eager"])


def test_a_wrong_shape_is_found_before_anything_runs():
    with pytest.raises(AssertionError) as caught:
        assert_parity(wrong_layers.WrongShape(2), BUILTIN(2), (None, 8, 8, 3))
    message = str(caught.value)
    assert message.startswith(
        "compute_output_shape differs: (None, 5, 4, 3) instead of (None, 4, 4, 3)\n"
    )
    with pytest.raises(AssertionError, match="compute_output_shape differs"):
        exec(message.partition("To see it again: ")[2], {})


def test_every_mode_is_compared():
    """A layer that fails in graphs alone passes eagerly."""
    assert_parity(wrong_layers.Failing(2), BUILTIN(2), SHAPE, modes=["eager"])
    with pytest.raises(AssertionError, match="in mode 'graph'"):
        assert_parity(wrong_layers.Failing(2), BUILTIN(2), SHAPE)


def test_xla_is_xla():
    wrong = wrong_layers.WrongInXla(2)
    assert_parity(wrong, BUILTIN(2), SHAPE, modes=["eager", "graph"])
    with pytest.raises(AssertionError, match="output differs in mode 'xla'"):
        assert_parity(wrong, BUILTIN(2), SHAPE)


def test_none_is_any_batch():
    wrong = wrong_layers.WrongForAnyBatch(2)
    assert_parity(wrong, BUILTIN(2), SHAPE, modes=["graph"])
    with pytest.raises(AssertionError, match="output differs in mode 'graph'"):
        assert_parity(wrong, BUILTIN(2), (None, *SHAPE[1:]), modes=["eager", "graph"])


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        ({"layer": "MaxPool2D"}, TypeError, "`layer` takes a Keras layer; received layer='MaxPool2D'"),
        ({"reference_layer": BUILTIN}, TypeError, "`reference_layer` takes a Keras layer"),
        ({"reference_layer": keras.layers.MaxPool3D()}, ValueError, "`reference_layer` cannot do this itself"),
        ({"reference_layer": BUILTIN(2, padding="SAME")}, ValueError, "padding=SAME"),
        ({"input_shape": 8}, TypeError, "`input_shape` takes a tuple; received input_shape=8"),
        ({"input_shape": (2, 0, 8, 3)}, ValueError, "`input_shape` must be positive"),
        ({"input_shape": (2, None, 8, 3)}, TypeError, "`input_shape` takes integers, not NoneType"),
        ({"modes": "eager"}, TypeError, "Write modes=['eager']"),
        ({"modes": ["fast"]}, ValueError, "`modes` is unknown; received modes='fast'"),
        ({"dtype": "complex64"}, ValueError, "`dtype` is unknown; received dtype='complex64'"),
        ({"ties": 1}, TypeError, "`ties` takes True or False"),
        ({"dtype": "float16", "input_shape": (1, 256, 256, 1)}, ValueError, "holds 65536 elements, more than float16"),
    ],
)  # fmt: skip
def test_wrong_arguments(change, kind, words):
    given = {"layer": keras_maxpool.MaxPool2D(), "reference_layer": BUILTIN(), "input_shape": SHAPE}
    with pytest.raises(kind) as caught:
        assert_parity(**(given | change))
    assert words in str(caught.value)


# The pieces.


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


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "uint64"])
def test_whole_numbers_reach_over_the_whole_range(dtype):
    x = make_input((1, 30, 30, 3), dtype, False, np.random.default_rng(0))
    ends = np.iinfo(dtype)
    assert x.dtype == dtype
    assert int(x.max()) > ends.max - (ends.max - ends.min) // 50
    assert int(x.min()) < ends.min + (ends.max - ends.min) // 50


def test_ties_are_three_numbers():
    x = make_input((1, 8, 8, 3), "float32", True, np.random.default_rng(0))
    assert np.unique(x).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("got", "expected", "text"),
    [
        ([1, np.nan, -0.0], [1, np.nan, 0.0], ""),
        ([1, 2, 3], [1, 2, 3 + 2**-22], "1 of 3 elements differ, first at [2]: 3.0 instead of 3.000000238418579"),
        ([1, np.nan, 3], [1, 2, 4], "2 of 3 elements differ, first at [1]: nan instead of 2.0"),
        ([1, 2], [1, 2, 3], "float32(2,) instead of float32(3,)"),
        (None, [1], "there is none"),
    ],
)  # fmt: skip
def test_difference(got, expected, text):
    got = None if got is None else np.array(got, "float32")
    assert difference(got, np.array(expected, "float32")) == text


def test_difference_of_dtypes():
    assert difference(np.zeros(2), np.zeros(2, "float32")) == "float64(2,) instead of float32(2,)"


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
        (keras_maxpool.MaxPool2D(), "keras_maxpool.MaxPooling2D()"),
        (keras_maxpool.MaxPool2D(3, dtype="float16"), "keras_maxpool.MaxPooling2D(pool_size=(3, 3), dtype='float16')"),
        (keras_maxpool.MaxPool2D(3, 2), "keras_maxpool.MaxPooling2D(pool_size=(3, 3), strides=(2, 2))"),
        (keras.layers.MaxPool1D(2, name="here"), "keras.layers.MaxPooling1D()"),
        (wrong_layers.ZeroPadding(padding="same"), "wrong_layers.ZeroPadding(padding='same')"),
        (wrong_layers.Secretive(keras_maxpool.MaxPool2D()), "wrong_layers.Secretive(...)"),
    ],
)  # fmt: skip
def test_expression(layer, text):
    assert parity_reproduce.expression(layer) == text


def test_expression_of_a_wrapper_makes_it_again():
    wrapper = keras.layers.TimeDistributed(keras_maxpool.MaxPool2D(3))
    text = parity_reproduce.expression(wrapper)
    again = eval(text, {"keras": keras})
    assert again.get_config() == wrapper.get_config()


def test_tensorflow_does_not_warn(caplog):
    """It warns of functions that are traced again and again, which these are on purpose."""
    tf.get_logger().addHandler(caplog.handler)
    try:
        for _ in range(6):
            assert_parity(keras_maxpool.MaxPool2D(), BUILTIN(), (1, 4, 4, 1), modes=["graph"])
    finally:
        tf.get_logger().removeHandler(caplog.handler)
    assert caplog.text == ""
