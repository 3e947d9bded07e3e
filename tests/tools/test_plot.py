"""The pictures: what is drawn is what the layer computes."""

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from harness.runner import as_arrays
from matplotlib.patches import Circle, Rectangle
from tools.models import chain

import keras_maxpool
from keras_maxpool.tools import plot

IMAGE = np.random.default_rng(0).permutation(56).reshape(7, 8)


@pytest.fixture(autouse=True)
def no_windows(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: None)
    yield
    plt.close("all")


def drawn(ax, kind):
    return [patch for patch in ax.patches if isinstance(patch, kind)]


def test_winners_and_windows():
    for arguments in (
        {},
        {"pool_size": 3, "strides": 2, "padding": 1},
        {"pool_size": (2, 3), "strides": (1, 2), "padding": "same"},
        {"pool_size": 2, "strides": 3, "dilation_rate": 2},
        {"pool_size": 2, "ceil_mode": True},
    ):
        ax = plot.plot_windows(IMAGE, **arguments)
        layer = keras_maxpool.MaxPool2D(**arguments, return_indices=True)
        values, _ = as_arrays(layer(IMAGE[None, :, :, None].astype("float32")))
        centres = [circle.get_center() for circle in drawn(ax, Circle)]
        assert len(set(centres)) == len(centres)
        won = {IMAGE[round(row), round(column)] for column, row in centres}
        assert won == set(values.ravel()), arguments
        assert len(drawn(ax, Rectangle)) == values.size
        assert f"{len(won)} of 56 pixels win" in ax.get_title()


def test_the_first_and_the_last_window_are_in_the_picture_and_padding_is_hatched():
    ax = plot.plot_windows(IMAGE, 3, 2, 1)
    assert ax.patch.get_hatch()
    assert ax.patch.get_facecolor() != (1, 1, 1, 1)
    corners = [frame.get_xy() for frame in drawn(ax, Rectangle)]
    assert min(corners) == pytest.approx((-1.42, -1.42))
    assert (ax.get_xlim(), ax.get_ylim()) == ((-1.5, 7.5), (7.5, -1.5))


def test_a_pixel_that_wins_more_often_is_larger():
    image = np.zeros((5, 5))
    image[2, 2], image[0, 0] = 2, 1
    (often,) = drawn(plot.plot_windows(image, 3, 1), Circle)
    assert often.get_center() == (2, 2)
    assert often.radius > drawn(plot.plot_windows(image, 3, 3), Circle)[0].radius


def test_before_and_after_and_alternatives_on_new_and_given_axes():
    blocks = IMAGE[:6].reshape(3, 2, 4, 2)
    halves, thirds = blocks.max((1, 3)), IMAGE[:6, :6].reshape(2, 3, 2, 3).max((1, 3))
    axes = plot.plot_before_after(IMAGE, (2, 3)) + plot.plot_alternatives(IMAGE, 2)
    shown = [ax.images[0].get_array() for ax in axes]
    wanted = [IMAGE, halves, thirds, IMAGE, halves, IMAGE[::2, ::2], blocks.mean((1, 3))]
    for got, picture in zip(shown, wanted, strict=True):
        np.testing.assert_array_equal(got, picture)
    for ax in (*axes, plot.plot_windows(IMAGE)):
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("column, pixels", "row, pixels")
    _, axes = plt.subplots(1, 4)
    assert plot.plot_windows(IMAGE, ax=axes[0]) is axes[0]
    for given in (
        plot.plot_alternatives(IMAGE, axes=axes),
        plot.plot_before_after(IMAGE, (2, 3, 4), axes),
    ):
        assert given == list(axes)


def test_kept_positions():
    pools = keras.layers.MaxPooling2D(3, name="a"), keras_maxpool.MaxPool2D(2, 1, name="b")
    ax = plot.plot_kept_positions(chain((9, 8, 3), pools[0], keras.layers.Conv2D(2, 1), pools[1]))
    # 9 x 8 to 3 x 2, to 2 x 1.
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([100 * 6 / 72, 100 * 2 / 6])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert "percent" in ax.get_xlabel()
    unknown = chain((None, None, 3), keras_maxpool.MaxPool2D(2))
    assert [text.get_text() for text in plot.plot_kept_positions(unknown).texts] == ["unknown"]


def test_refused():
    for draw in (plot.plot_windows, plot.plot_before_after, plot.plot_alternatives):
        for shape in ((4,), (4, 4, 3), (0, 4)):
            with pytest.raises(ValueError, match=r"`image` must be .* shape \(.*Take one channel"):
                draw(np.zeros(shape))
    with pytest.raises(ValueError, match="`axes` must be 4 Axes, one per picture; received 1"):
        plot.plot_alternatives(IMAGE, axes=[plt.subplots()[1]])
    with pytest.raises(ValueError, match="`strides`"):
        plot.plot_windows(IMAGE, 2, 0)
