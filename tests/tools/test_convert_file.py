"""keras-maxpool convert: files in, files out, a table on stdout, one clear line for a bad file; and stale masks."""

import re
import warnings
from contextlib import contextmanager, nullcontext

import keras
import numpy as np
import pytest
from harness.commands import after, check_piped, check_stopped, complaint
from tools.models import chain, example, files, tokens

import keras_maxpool
from keras_maxpool.tools.cli import main
from keras_maxpool.tools.convert import command, convert, to_keras_maxpool
from keras_maxpool.tools.report import report

layers = keras.layers
# Keras and the layers warn where the models are made and run.
pytestmark = pytest.mark.filterwarnings("ignore:.*mask")


def save(path, pool=None, loss=""):
    keras.utils.set_random_seed(5)
    model = chain((8, 8, 2), layers.Conv2D(3, 3), pool or layers.MaxPooling2D(2, name="pool"))
    model.compile("adam", loss or keras.losses.MeanSquaredError(), run_eagerly=True)
    model.fit(np.ones((2, 8, 8, 2)), np.ones((2, 3, 3, 3)), verbose=0)
    model.save(path)
    return model


def lost_state(name):
    """From .h5, Keras does not load the optimizer's state."""
    if name.endswith(".keras"):
        return nullcontext()
    return pytest.warns(UserWarning, match="it starts from zero")


@pytest.mark.parametrize(
    ("source", "target"),
    [("in.keras", "out.keras"), ("in.keras", "out.h5"), ("in.h5", "out.keras")],
)
def test_there_and_back(source, target, tmp_path, capsys):
    given, there, back = tmp_path / source, tmp_path / target, tmp_path / f"back_{source}"
    model = save(given)
    there.write_bytes(b"is replaced")
    with lost_state(source):
        assert main(["convert", str(given), str(there)]) == 0
    out, err = capsys.readouterr()
    check_piped(out + err)
    assert re.search(r"pool .* MaxPooling2D .* keras_maxpool", out)
    assert out.endswith("layers swapped: 1\n")
    assert "reading" in err
    assert "writing" in err
    with lost_state(target):
        assert main(["convert", str(there), str(back), "--to", "builtin"]) == 0
    x = example((2, 8, 8, 2))
    for path, home in ((there, keras_maxpool), (back, layers)):
        loaded = keras.saving.load_model(path)
        assert type(loaded.get_layer("pool")) is home.MaxPooling2D
        np.testing.assert_array_equal(loaded(x), model(x), strict=True)
        assert loaded.compiled
        if given.suffix == there.suffix:
            assert int(loaded.optimizer.iterations.numpy()) == 1
    assert files(tmp_path) == sorted([source, target, f"back_{source}"])


def test_layers_that_cannot_go_back(tmp_path, capsys):
    given = tmp_path / "in.keras"
    save(given, keras_maxpool.MaxPooling2D(3, strides=2, padding=1, name="wide"))
    assert main(["convert", str(given), str(tmp_path / "out.keras"), "--to", "builtin"]) == 1
    out, err = capsys.readouterr()
    assert "wide" in out
    assert "padding=((1, 1), (1, 1))" in out
    assert err.endswith("out.keras is not written\n")
    assert files(tmp_path) == ["in.keras"]


def test_a_mask_and_a_subclass_are_shown(capsys):
    done = command.Conversion(
        keras.Sequential(), {"a/[b]": "MaxPooling1D"}, {"own": "Louder is your own"}, ("a/[b]",)
    )
    command.render(done, "keras_maxpool", command.Console(markup=False, width=120))
    out, _ = capsys.readouterr()
    assert re.search(r"a/\[b\].*a mask reaches it: predictions change", out)
    assert re.search(r"own.*stays as it is: Louder is your own", out)


def test_compile_settings_that_do_not_load(tmp_path, capsys):
    """Keras cannot read from .h5 the short names that it writes there."""
    given, target = tmp_path / "in.h5", tmp_path / "out.keras"
    save(given, loss="mse")
    assert main(["convert", str(given), str(target)]) == 0
    assert "compile settings do not load and are left out" in capsys.readouterr().err
    assert not keras.saving.load_model(target).compiled


def test_out_that_would_not_load(tmp_path, capsys):
    """The mask's operation can be written to .h5 and not read, as Keras has it: found before OUT is there."""
    model = tokens(layers.LSTM(2, return_sequences=True), layers.MaxPooling1D(2))
    model.save(tmp_path / "in.keras")
    given = str(tmp_path / "in.keras")
    line = complaint(["convert", given, str(tmp_path / "out.h5")], capsys)
    assert "out.h5 cannot be written" in line
    assert main(["convert", given, str(tmp_path / "out.keras")]) == 0
    assert files(tmp_path) == ["in.keras", "out.keras"]


def test_a_mask_that_ends_at_a_pooling_goes_to_h5(tmp_path):
    """No operation of it is part of the functional model."""
    given, target = tmp_path / "in.keras", tmp_path / "out.h5"
    model = chain((4,), layers.Embedding(9, 1, mask_zero=True), layers.MaxPooling1D(4))
    model.set_weights([-np.arange(9.0)[:, None]])
    model.save(given)
    assert main(["convert", str(given), str(target)]) == 0
    assert keras.saving.load_model(target)(np.array([[3, 5, 0, 0]])).numpy().item() == -3


def test_stopped_while_out_is_written(tmp_path, capsys, monkeypatch):
    """Leaves what was there, and no other file."""
    given, target = tmp_path / "in.keras", tmp_path / "out.keras"
    save(given)
    target.write_bytes(b"stays")
    save_model = keras.Model.save
    monkeypatch.setattr(
        keras.Model,
        "save",
        lambda self, path: (after(save_model) if path.name == "out.keras" else save_model)(
            self, path
        ),
    )
    check_stopped(["convert", str(given), str(target)], capsys)
    assert target.read_bytes() == b"stays"
    assert files(tmp_path) == ["in.keras", "out.keras"]


# Masks that reach a pooling layer and do not fit it: they change nothing.

BATCH = 2
"""Keras 3.7's TimeDistributed takes no mask in a graph where the batch size is unknown."""


def words():
    """`TimeDistributed` propagates the letters' mask of rank 3, where words are pooled."""
    stack = [
        layers.Embedding(50, 2, mask_zero=True),
        layers.TimeDistributed(layers.GRU(3)),
        layers.GlobalMaxPooling1D(name="pool"),
    ]
    return keras.Sequential([keras.Input((4, 7), BATCH, "int32"), *stack])


def frames():
    """The first pooling gets a mask that fits, and the second the same."""
    pools = [
        layers.TimeDistributed(layers.MaxPool2D(2, name=name), name=f"each_{name}")
        for name in ("first", "second")
    ]
    return keras.Sequential([keras.Input((5, 12, 16, 1), BATCH), layers.Masking(), *pools])


@contextmanager
def masks_named(times):
    """So many warnings that speak of masks, Keras's and ours."""
    found = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield found
    found += [str(w.message) for w in caught if "mask" in str(w.message)]
    assert len(found) == times, found


def test_stale_masks(tmp_path, capsys):
    model, pictures = words(), frames()
    x = np.random.default_rng(0).integers(0, 50, (2, 4, 7))
    with masks_named(0):
        there = convert(model)
        back = convert(there.model, "builtin")
        both = convert(pictures)
    assert (there.masked, there.stale) == (back.masked, back.stale) == ((), ("pool",))
    np.testing.assert_array_equal(there.model(x), model(x))
    assert (both.masked, both.stale) == (("each_first/first",), ("each_second/second",))
    with masks_named(1) as said:
        to_keras_maxpool(model)
    assert said[0].startswith("A mask reaches 'pool' that does not fit")
    assert said[0].endswith("predictions stay.")
    # For the built-in layer: ours would not honour such a mask either.
    assert "mask stops" not in {finding.kind for finding in report(model).findings}
    given, target = str(tmp_path / "in.h5"), str(tmp_path / "out.keras")
    model.save(given)
    with masks_named(0):
        assert main(["convert", given, target]) == 0
    out, err = capsys.readouterr()
    assert "Warning" not in err
    assert "predictions change" not in out
    told = re.sub(r"[\s│]+", " ", out)
    assert all(part in told for part in ("does not fit", "is ignored", "predictions stay"))
    np.testing.assert_array_equal(keras.saving.load_model(target)(x), model(x))
