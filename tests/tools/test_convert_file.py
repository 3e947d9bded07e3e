"""keras-maxpool convert: files in, files out; stale masks; losses, metrics, optimizers and layers of one's own."""

import re
import shutil
import warnings

import keras
import numpy as np
import pytest
from harness.commands import check_piped, complaint
from harness.runner import as_array
from tools.models import bits, chain, example, files, tokens

import keras_maxpool
from keras_maxpool.tools.cli import main
from keras_maxpool.tools.convert import convert, to_keras_maxpool
from keras_maxpool.tools.report import report

layers, losses, optimizers = keras.layers, keras.losses, keras.optimizers
# Keras and the layers warn of masks where models are made and run; and Keras makes an optimizer's variables late.
KNOWN = (".*mask", "Skipping variable loading", "The object being serialized includes a `la")
pytestmark = [pytest.mark.filterwarnings(f"ignore:{said}") for said in KNOWN]
SHAPE = (8, 8, 2)
MSE = losses.MeanSquaredError()
X = example((2, *SHAPE))
Y = {"a": np.ones((2, 3)), "b": np.ones((2, 3))}


# From .h5, Keras does not load the optimizer's state.
LOST = re.compile("^note: The state of the optimizer of 'net' starts from zero: .*", re.M)


def cases(names, often_in_h5):
    """Each name with both forms of files; most of .h5 are slow."""
    slow = {name: () if name in often_in_h5 else pytest.mark.slow for name in names}
    h5 = [pytest.param(name, ".h5", marks=marks) for name, marks in slow.items()]
    return pytest.mark.parametrize(("name", "suffix"), [*((name, ".keras") for name in names), *h5])


OwnMetric = type("OwnMetric", (keras.metrics.Mean,), {})
OwnAdam = type("OwnAdam", (optimizers.Adam,), {})
OwnModel = type("OwnModel", (keras.Model,), {})
OwnCompile = type("OwnCompile", (keras.Model,), {"compile": lambda self: own_compile(self)})
OwnLayer = type("OwnLayer", (layers.Layer,), {"call": lambda self, x: x + 1.0})
OwnLoss = type("OwnLoss", (losses.Loss,), {"call": lambda self, *pair: own_loss(*pair)})


def own_loss(y, predicted):
    return keras.ops.mean(keras.ops.square(y - predicted))


class OwnSchedule(optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.01

    def get_config(self):
        return {}


class OwnInitializer(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None, **kwargs):
        return keras.ops.ones(shape, dtype)


def own_compile(model):
    keras.Model.compile(model, "sgd", MSE)


def own_activation(x):
    return 2.0 * x


def registered(base):
    """A subclass, which `register_keras_serializable` knows while the model is made and saved."""
    return keras.saving.register_keras_serializable("own")(type("Inner", (base,), {}))


def forget():
    """As in a process that has not registered it."""
    keras.saving.get_custom_objects().pop("own>Inner", None)


@pytest.fixture(autouse=True)
def no_new_names():
    yield
    forget()


def net(**settings):
    """A model with two outputs."""
    keras.utils.set_random_seed(5)
    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(3, 3)(inputs)
    pooled = layers.MaxPooling2D(6, name="pool")(x)
    outputs = {"a": layers.GlobalAveragePooling2D(name="a")(x)}
    outputs["b"] = layers.Flatten(name="b")(pooled)
    model = keras.Model(inputs, outputs, name="net")
    if settings:
        model.compile(**({"optimizer": "sgd", "loss": MSE} | settings))
    return model


def around(inner):
    return chain(SHAPE, layers.Activation("relu"), inner, name="gan")


def check_equal(new, old):
    assert bits(new.get_weights()) == bits(old.get_weights())
    assert bits(list(new(X).values())) == bits(list(old(X).values()))


def check_converted(path, model):
    """It loads by Keras alone, which takes suffixes in lower case alone."""
    named = path.parent / f"again{path.suffix.lower()}"
    shutil.copyfile(path, named)
    loaded = keras.saving.load_model(named)
    check_equal(loaded, model)
    return loaded


@pytest.mark.parametrize(
    ("source", "target"),
    [("in.keras", "out.keras"), ("in.KERAS", "out.h5"), ("a.hdf5", "b.HDF5")],
)
def test_there_and_back(source, target, tmp_path, capsys):
    """Suffixes may be in any case; Keras's own compile settings stay, and with .keras the optimizer's state."""
    error = keras.metrics.MeanMetricWrapper(keras.metrics.mean_absolute_error)
    settings = {"loss": {"a": MSE, "b": MSE}, "metrics": {"a": ["acc", error]}}
    model = net(optimizer=optimizers.Adam(0.25), run_eagerly=True, **settings)
    model.fit(X, Y, verbose=0)
    given, there, back = tmp_path / source, tmp_path / target, tmp_path / f"back_{source}"
    saved = tmp_path / f"saved{given.suffix.lower()}"
    model.save(saved)
    saved.rename(given)
    there.write_bytes(b"is replaced")
    assert main(["report", str(given)]) == 0
    capsys.readouterr()
    assert main(["convert", str(given), str(there)]) == 0
    out, err = capsys.readouterr()
    check_piped(out + err)
    assert re.search(r"now of keras_maxpool .*\n.*\n. pool +. MaxPooling2D ", out)
    assert out.endswith("layers swapped: 1\n")
    assert err.startswith(f"reading {given}\n")
    assert f"writing {there}\n" in err
    assert ("to train on, compile the model again" in err) == (there.suffix.lower() != ".keras")
    assert bool(LOST.search(err)) == (given.suffix.lower() != ".keras")
    assert main(["convert", str(there), str(back), "--to", "builtin"]) == 0
    assert bool(LOST.search(capsys.readouterr().err)) == (there.suffix.lower() != ".keras")
    assert set(files(tmp_path)) == {source, target, f"back_{source}"}
    for path, home in ((there, keras_maxpool), (back, layers)):
        loaded = check_converted(path, model)
        assert type(loaded.get_layer("pool")) is home.MaxPooling2D
        assert isinstance(loaded.optimizer, optimizers.Adam)
        assert as_array(loaded.optimizer.learning_rate) == 0.25
        assert source != "in.keras" or as_array(loaded.optimizer.iterations) == 1


def test_what_cannot_go_back(tmp_path, capsys):
    given, out = tmp_path / "in.keras", tmp_path / "out.keras"
    chain(SHAPE, keras_maxpool.MaxPooling2D(3, strides=2, padding=1, name="wide")).save(given)
    assert main(["convert", str(given), str(out), "--to", "builtin"]) == 1
    shown, err = capsys.readouterr()
    assert re.search(r"wide.*padding=\(\(1, 1\), \(1, 1\)\)", shown)
    assert err.endswith("out.keras is not written\n")
    assert files(tmp_path) == ["in.keras"]


def test_what_h5_cannot_hold(tmp_path, capsys):
    """The mask's operation can be written to .h5 and not read, as Keras has it: found before OUT is there."""
    given, out = str(tmp_path / "in.keras"), str(tmp_path / "out.h5")
    tokens(layers.LSTM(2, return_sequences=True), layers.MaxPooling1D(2)).save(given)
    assert "out.h5 cannot be written" in complaint(["convert", given, out], capsys)
    assert main(["convert", given, str(tmp_path / "out.keras")]) == 0
    assert files(tmp_path) == ["in.keras", "out.keras"]


def test_stale_masks():
    # Keras 3.7's TimeDistributed takes no mask in a graph where the batch size is unknown.
    words, frames = keras.Input((4, 7), 2, "int32"), keras.Input((5, 12, 16, 1), 2)
    # It propagates the letters' mask of rank 3, where words are pooled.
    each = layers.TimeDistributed(layers.GlobalAveragePooling1D())
    steps = layers.Embedding(50, 2, mask_zero=True), each, layers.GlobalMaxPooling1D(name="pool")
    model = keras.Sequential([words, *steps])
    # The first pooling gets a mask that fits, and the second the same.
    first, second = (layers.TimeDistributed(layers.MaxPool2D(2), name=name) for name in "ab")
    pictures = keras.Sequential([frames, layers.Masking(), first, second])
    x = np.random.default_rng(0).integers(0, 50, (2, 4, 7))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        there = convert(model)
        back = convert(there.model, "builtin")
        both = convert(pictures)
    assert (there.masked, there.stale) == (back.masked, back.stale) == ((), ("pool",))
    assert bits(there.model(x)) == bits(model(x))
    inner = [f"{each.name}/{each.layer.name}" for each in (first, second)]
    assert [*both.masked, *both.stale] == inner
    said = "A mask reaches 'pool' that does not fit.*predictions stay."
    with pytest.warns(UserWarning, match=said) as told:
        to_keras_maxpool(model)
    assert sum("mask" in str(warning.message) for warning in told) == 1
    # For the built-in layer: ours would not honour such a mask either.
    assert "mask stops" not in {finding.kind for finding in report(model).findings}


# What is said of compile settings, and what makes them.
SETTINGS = {
    "a function": ("own_loss", lambda: {"loss": own_loss}),
    "a registered Loss": ("Inner", lambda: {"loss": registered(OwnLoss)()}),
    "a list": ("own_loss", lambda: {"loss": [own_loss, MSE]}),
    "a dict": ("OwnLoss", lambda: {"loss": {"a": MSE, "b": OwnLoss()}}),
    "a metric": ("own_loss", lambda: {"metrics": {"a": own_loss}}),
    "a Metric": ("OwnMetric", lambda: {"metrics": {"a": [OwnMetric()]}}),
    "a weighted metric": ("own_loss", lambda: {"weighted_metrics": {"a": own_loss}}),
    "an optimizer": ("OwnAdam", lambda: {"optimizer": OwnAdam()}),
    "a registered optimizer": ("Inner", lambda: {"optimizer": registered(OwnAdam)()}),
    "a schedule": ("OwnSchedule", lambda: {"optimizer": optimizers.Adam(OwnSchedule())}),
}


@cases(SETTINGS, ("a function", "a dict", "a Metric", "an optimizer", "a schedule"))
def test_compile_settings_of_ones_own(name, suffix, tmp_path, capsys):
    said, settings = SETTINGS[name]
    given, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    model = net(**settings())
    model.save(given)
    forget()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert main(["report", str(given)]) == 0
        out, err = capsys.readouterr()
        assert "pool" in out
        assert err.splitlines() == [f"reading {given}", "following net"]
        assert main(["convert", str(given), str(target)]) == 0
    _, note, *_ = capsys.readouterr().err.splitlines()
    assert note.startswith(f"{given}: its compile settings do not load and are left out")
    assert said in note
    assert note.endswith("Before training goes on, compile the new model again")
    loaded = check_converted(target, model)
    assert type(loaded.get_layer("pool")) is keras_maxpool.MaxPooling2D
    assert not loaded.compiled


@cases(("not compiled", "Keras's loss", "own loss"), ())
def test_an_inner_model_with_a_loss_of_ones_own(name, suffix, tmp_path):
    """As a GAN's discriminator, which is compiled by itself."""
    given, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    model = around(net(loss=own_loss))
    if name != "not compiled":
        model.compile("sgd", own_loss if name == "own loss" else MSE)
    model.save(given)
    assert main(["report", str(given)]) == main(["convert", str(given), str(target)]) == 0
    check_converted(target, model)


OWN_LAYERS = {
    "OwnLayer": lambda: OwnLayer(),
    "Inner": lambda: registered(OwnLayer)(),
    "own_activation": lambda: layers.Activation(own_activation),
    "OwnInitializer": lambda: layers.Dense(2, kernel_initializer=OwnInitializer()),
    "OwnModel": lambda: layers.ReLU(),
}


@cases(OWN_LAYERS, ("OwnLayer",))
def test_layers_of_ones_own(name, suffix, tmp_path, capsys):
    """They are not in the file: the error names them, and says where to go on."""
    given, target = tmp_path / f"in{suffix}", tmp_path / "out.keras"
    model = chain(SHAPE, OWN_LAYERS[name](), layers.MaxPooling2D(2, name="pool"))
    if name == "OwnModel":
        model = OwnModel(model.inputs, model.outputs)
    model.compile("sgd", MSE)
    model.save(given)
    forget()
    for arguments in (["report", str(given)], ["convert", str(given), str(target)]):
        line = complaint(arguments, capsys)
        assert name in line
        assert "load the model in Python, where it is defined, and use keras_maxpool" in line
        assert "as Keras writes it" not in line
    assert not target.exists()


def test_in_python():
    """What a custom_object_scope holds is found, and what is left out otherwise is said."""
    model = net(loss=own_loss, optimizer=OwnAdam(), run_eagerly=True)
    said = "'net' is not compiled in the new model.*custom_object_scope"
    with pytest.warns(UserWarning, match=said):
        converted = to_keras_maxpool(model)
    assert not converted.compiled
    check_equal(converted, model)
    with keras.saving.custom_object_scope({"own_loss": own_loss, "OwnAdam": OwnAdam}):
        converted = to_keras_maxpool(model)
    assert type(converted.optimizer) is OwnAdam
    assert converted.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
    model = OwnCompile(model.inputs, model.outputs)
    model.compile()
    model.optimizer.build([])
    with pytest.warns(UserWarning, match="method is custom"):
        assert not to_keras_maxpool(model).compiled


def test_an_inner_model_in_python():
    """Each model is compiled as its twin was, with its own optimizer's state."""
    inner = net(optimizer=optimizers.SGD(0.1, momentum=0.9), run_eagerly=True)
    inner.fit(X, Y, verbose=0)
    converted = to_keras_maxpool(around(inner))
    assert not converted.compiled
    state = bits([inner.optimizer.variables])
    assert bits([converted.get_layer("net").optimizer.variables]) == state
