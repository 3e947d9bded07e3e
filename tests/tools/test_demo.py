"""keras-maxpool demo: twins that are equal, faults that it finds, and what it says."""

import math
import tempfile

import keras
import numpy as np
import pytest
import tensorflow as tf
from harness.commands import check_piped
from harness.install import needs
from tools.models import TripleGradient

import keras_maxpool
from keras_maxpool.tools.cli import main
from keras_maxpool.tools.commands import NEEDED

for module in NEEDED["demo"]:
    needs(module)

from keras_maxpool.tools import demo  # noqa: E402

STEPS = 10
DIGITS = demo.load_data()
TRAIN = DIGITS.train_images[: 32 * STEPS], DIGITS.train_labels[: 32 * STEPS]
FEW = demo.Digits(*TRAIN, DIGITS.test_images[:50], DIGITS.test_labels[:50])


@pytest.fixture(autouse=True)
def asked(monkeypatch, tmp_path):
    """Runs on few digits, with temporary files here, and without determinism, which would stay for other tests."""
    asked = []
    experimental = tf.config.experimental
    monkeypatch.setattr(experimental, "enable_op_determinism", lambda: asked.append("determinism"))
    monkeypatch.setattr(demo, "load_data", lambda: FEW)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return asked


@pytest.fixture
def results(monkeypatch):
    """Those of the commands."""
    results, run = [], demo.run
    monkeypatch.setattr(demo, "run", lambda *given: results.append(run(*given)) or results[-1])
    return results


def test_load_data():
    train, test = DIGITS.train_images, DIGITS.test_images
    assert (train.shape, test.shape) == ((1437, 8, 8, 1), (360, 8, 8, 1))
    assert (train.dtype, test.dtype, train.min(), train.max()) == ("float32", "float32", 0, 1)
    assert set(DIGITS.train_labels) == set(DIGITS.test_labels) == set(range(10))


def test_each_twin_has_its_own_pooling():
    for layers, home in ((demo.OURS, keras_maxpool), (demo.BUILTIN, keras.layers)):
        assert (layers.max_pool, layers.max_pooling) == (home.MaxPool2D, home.MaxPooling2D)
        pooling = [layer for layer in demo.build(layers).layers if hasattr(layer, "pool_size")]
        assert [type(layer) for layer in pooling] == [home.MaxPooling2D] * 2
        assert [layer.padding for layer in pooling] == ["valid", "same"]


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
def test_each_loss_is_of_its_own_step():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Flatten()])
    model.compile("sgd", "mean_absolute_error")
    losses, counts = [], []
    record = demo.record_losses(losses, counts.append)
    x = np.array([[4.0], [1.0], [2.0]], "float32")
    model.fit(x, 0 * x, batch_size=1, epochs=2, shuffle=False, verbose=0, callbacks=[record])
    assert losses == [4.0, 1.0, 2.0] * 2
    assert counts == [1, 2, 3, 4, 5, 6]


def test_command(results, capsys, asked, tmp_path):
    """With a real process for the saved model."""
    assert main(["demo", "--epochs", "4"]) == 0
    assert asked == ["determinism"]
    assert list(tmp_path.iterdir()) == []
    (result,) = results
    assert result.losses == demo.Comparison("loss of every training step", 4 * STEPS, 4 * STEPS)
    assert result.predictions == demo.Comparison("predictions for the test digits", 500, 500)
    assert (result.reload.equal, result.reload.total) == (500, 500)
    assert (result.ok, result.reload_error) == (True, "")
    assert [(each.equal, each.total) for each in result.beyond] == [(16, 16), (49, 49), (2, 2)]
    losses = result.ours.losses
    assert losses[0] == pytest.approx(math.log(10), abs=0.5), "ten guesses at first"
    assert losses[-1] < losses[0]
    assert result.ours.accuracy == result.builtin.accuracy > 0.5
    out, err = capsys.readouterr()
    check_piped(out + err)
    assert (out.count("│ equal "), out.count("DIFFERENT")) == (6, 0)
    assert f"on TensorFlow {tf.__version__}\n" in out
    assert f"test accuracy {result.ours.accuracy:.1%}" in out
    assert max(map(len, out.splitlines())) <= 80
    assert "keras.layers" in err, "the progress belongs here"


def test_a_wrong_gradient_and_a_failing_reload_are_found(monkeypatch, capsys, results):
    planted = demo.Spellings("planted", TripleGradient, keras_maxpool.MaxPooling2D)
    monkeypatch.setattr(demo, "OURS", planted)
    monkeypatch.setattr(demo, "RELOAD", "import sys; sys.exit('[not] loaded')")
    assert main(["demo", "--epochs", "1"]) == 1
    (result,) = results
    assert result.ours.losses[0] == result.builtin.losses[0], "no gradient has been used yet"
    assert 0 < result.losses.equal < result.losses.total
    assert (result.reload.equal, result.reload.total) == (0, 500)
    assert (result.ok, result.reloaded) == (False, None)
    out, err = capsys.readouterr()
    assert out.count("DIFFERENT") == 3
    assert err.endswith("[not] loaded\n")


def test_compare():
    left, up = np.array([0.0, 1.0, np.nan], "float32"), np.nextafter(np.float32(1), np.float32(2))
    same, negative, next_up = [0.0, 1.0, np.nan], [-0.0, 1.0, np.nan], [0.0, up, np.nan]
    for right, equal in ((same, 3), (negative, 2), (next_up, 2), ([0.0, 1.0], 0), (None, 0)):
        got = demo.compare("x", left, None if right is None else np.array(right, "float32"))
        assert (got.equal, got.total, got.ok) == (equal, 3, equal == 3)
    assert demo.compare("x", np.zeros(2, "float32"), np.zeros(2, "float64")).equal == 0
    assert not demo.compare("x", np.zeros(0, "float32"), np.zeros(0, "float32")).ok
