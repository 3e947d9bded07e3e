import io
import math

import keras
import numpy as np
import pytest
from rich.console import Console

import keras_maxpool
from keras_maxpool.tools import demo


def ignore(stage, done, total):
    pass


def rendered(result):
    console = Console(file=io.StringIO(), width=80)
    demo.render(result, console)
    return console.file.getvalue()


@pytest.fixture(scope="module")
def digits():
    data = demo.load_data()
    return demo.Digits(
        data.train_images[:320],
        data.train_labels[:320],
        data.test_images[:50],
        data.test_labels[:50],
    )


@pytest.fixture(scope="module")
def result(digits):
    return demo.run(digits, 4, 0, ignore)


def test_load_data():
    data = demo.load_data()
    assert data.train_images.shape == (1437, 8, 8, 1)
    assert data.test_images.shape == (360, 8, 8, 1)
    assert data.train_images.dtype == data.test_images.dtype == np.float32
    assert (data.train_images.min(), data.train_images.max()) == (0, 1)
    assert set(data.train_labels) == set(data.test_labels) == set(range(10))


@pytest.mark.parametrize(
    ("layers", "cls"),
    [(demo.OURS, keras_maxpool.MaxPooling2D), (demo.BUILTIN, keras.layers.MaxPooling2D)],
)
def test_each_twin_has_its_own_pooling(layers, cls):
    pooling = [layer for layer in demo.build(layers).layers if "Pooling" in type(layer).__name__]
    assert [type(layer) for layer in pooling] == [cls, cls]
    assert [layer.padding for layer in pooling] == ["valid", "same"]


def test_both_spellings_are_used():
    asked = []

    def spelling(name):
        def layer(*args, **kwargs):
            asked.append(name)
            return getattr(keras_maxpool, name)(*args, **kwargs)

        return layer

    demo.build(demo.Spellings("spied", spelling("MaxPool2D"), spelling("MaxPooling2D")))
    assert asked == ["MaxPool2D", "MaxPooling2D"]


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


def test_twins_are_equal(result):
    assert result.losses == demo.Comparison("loss of every training step", 40, 40)
    assert result.predictions == demo.Comparison("predictions for the test digits", 500, 500)
    assert (result.reload.equal, result.reload.total) == (500, 500)
    assert result.reload_error == ""
    assert result.ok
    np.testing.assert_array_equal(result.ours.losses, result.builtin.losses)
    np.testing.assert_array_equal(result.ours.predictions, result.builtin.predictions)
    np.testing.assert_array_equal(result.ours.predictions, result.reloaded)


def test_it_learns(result):
    assert result.ours.losses[0] == pytest.approx(math.log(10), abs=0.5), "ten guesses at first"
    assert result.ours.losses[-1] < result.ours.losses[0]
    assert result.ours.accuracy == result.builtin.accuracy > 0.5


def test_another_pooling_is_found(digits, monkeypatch):
    def predict_here(model, images):
        return model.predict(images, verbose=0), ""

    calls = []
    planted = demo.Spellings("planted", keras.layers.AveragePooling2D, keras_maxpool.MaxPooling2D)
    monkeypatch.setattr(demo, "OURS", planted)
    monkeypatch.setattr(demo, "predict_in_fresh_process", predict_here)
    result = demo.run(digits, 1, 0, lambda *call: calls.append(call))
    assert not result.losses.ok
    assert not result.predictions.ok
    assert result.reload.ok, "what was saved is what came back, wrong as it is"
    assert not result.ok
    assert rendered(result).count("DIFFERENT") == 2
    steps = range(1, 11)
    assert calls == [
        *(("planted", step, 10) for step in steps),
        *(("keras.layers", step, 10) for step in steps),
        ("save and reload", 0, 1),
        ("save and reload", 1, 1),
    ]


def test_a_wrong_gradient_and_a_failing_reload_are_found(digits, monkeypatch):
    class WrongGradient(keras_maxpool.MaxPooling2D):
        """Pools right and passes on three times the gradient; no fresh process can find it."""

        def call(self, inputs):
            y = super().call(inputs)
            return y + 2 * (y - keras.ops.stop_gradient(y))

    planted = demo.Spellings("planted", WrongGradient, keras_maxpool.MaxPooling2D)
    monkeypatch.setattr(demo, "OURS", planted)
    result = demo.run(digits, 1, 0, ignore)
    assert result.ours.losses[0] == result.builtin.losses[0], "no gradient has been used yet"
    assert 0 < result.losses.equal < result.losses.total
    assert result.reloaded is None
    assert "WrongGradient" in result.reload_error
    assert (result.reload.equal, result.reload.total) == (0, 500)
    assert not result.ok
    assert rendered(result).count("DIFFERENT") == 3


@pytest.mark.parametrize(
    ("right", "equal"),
    [
        ([0.0, 1.0, np.nan], 3),
        ([-0.0, 1.0, np.nan], 2),
        ([0.0, np.nextafter(np.float32(1), np.float32(2)), np.nan], 2),
        ([0.0, 1.0], 0),
        (None, 0),
    ],
)
def test_compare(right, equal):
    left = np.array([0.0, 1.0, np.nan], "float32")
    got = demo.compare("x", left, None if right is None else np.array(right, "float32"))
    assert (got.equal, got.total, got.ok) == (equal, 3, equal == 3)


def test_compare_of_another_dtype():
    assert demo.compare("x", np.zeros(2, "float32"), np.zeros(2, "float64")).equal == 0


def test_nothing_compared_is_not_ok():
    assert not demo.compare("x", np.zeros(0, "float32"), np.zeros(0, "float32")).ok


def test_render(result):
    text = rendered(result)
    assert text.count("│ equal ") == 3
    assert "DIFFERENT" not in text
    assert f"test accuracy {result.ours.accuracy:.1%}" in text
    assert max(map(len, text.splitlines())) <= 80
