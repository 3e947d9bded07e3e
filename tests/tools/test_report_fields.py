"""Receptive fields: against what changes when one element of the input does, and against published figures."""

import functools
import itertools
from fractions import Fraction

import keras
import numpy as np
import pytest
from harness.runner import as_array
from tools.models import chain

import keras_maxpool as km
from keras_maxpool.tools.report import Field, Unknown, report

layers = keras.layers
SIZE = 96


def conv(size, **arguments):
    """With ones for weights, an output grows with every input that it sees."""
    return layers.Conv1D(1, size, kernel_initializer="ones", use_bias=False, **arguments)


def through(*steps):
    """The layers one after the other."""
    return lambda x: functools.reduce(lambda y, step: step(y), steps, x)


def residual(x):
    x = km.MaxPool1D(2)(conv(3, padding="same")(x))
    x = layers.Add()([x, conv(3, padding="same")(conv(5, padding="same")(x))])
    return km.MaxPool1D(3, strides=2, padding=1)(layers.ReLU()(x * 2.0))


def misaligned(x):
    """Branches that look to different sides, so that the whole is wider than either."""
    sides = [layers.Cropping1D((0, 4))(x), layers.Cropping1D((4, 0))(x)]
    return km.MaxPool1D(2)(layers.Concatenate()(sides))


def hourglass(x):
    down = km.MaxPool1D(4)(conv(3, padding="same")(x))
    up = layers.UpSampling1D(4)(down)
    return km.MaxPool1D(3, strides=1)(conv(3)(layers.Concatenate()([x, up])))


def unpooled(x):
    values = km.MaxPool1D(2, return_indices=True)(x)[0]
    return km.MaxPool1D(2)(conv(5, padding="same")(layers.UpSampling1D(2)(values)))


CASES = {
    "pool": through(km.MaxPool1D(3, strides=2)),
    "built-in": through(conv(3), layers.MaxPooling1D(2), conv(3), layers.AveragePooling1D(2)),
    "dilated": through(conv(3, dilation_rate=4), km.MaxPool1D(2, dilation_rate=3, strides=2)),
    "same": through(conv(4, padding="same", strides=3), km.MaxPool1D(3, padding="same_lower")),
    "causal": through(conv(4, padding="causal"), km.MaxPool1D(3, strides=2, padding="causal")),
    "pads": through(layers.ZeroPadding1D((3, 1)), layers.Cropping1D((2, 1)), km.MaxPool1D(2)),
    "separable": through(
        layers.SeparableConv1D(1, 3, depthwise_initializer="ones", pointwise_initializer="ones"),
        layers.DepthwiseConv1D(5, depthwise_initializer="ones", strides=2),
        km.MaxPool1D(2),
    ),
    "dense": through(conv(3), layers.Dense(2, kernel_initializer="ones"), km.MaxPool1D(4)),
    "adaptive": through(conv(3, padding="same"), km.AdaptiveMaxPool1D(12)),
    "uneven adaptive": through(km.AdaptiveMaxPool1D(9)),
    "upsampling": through(conv(3, strides=2), layers.UpSampling1D(3), conv(5), km.MaxPool1D(3)),
    "transposed": through(
        km.MaxPool1D(2),
        layers.Conv1DTranspose(1, 4, strides=2, padding="same", kernel_initializer="ones"),
        km.MaxPool1D(2, strides=1),
    ),
    "residual": residual,
    "misaligned": misaligned,
    "hourglass": hourglass,
    "unpooled": unpooled,
}


def last_field(inputs, outputs):
    return report(keras.Model(inputs, outputs)).rows[-1].receptive_field


def seen(model):
    """The widest stretch that an output of a growing function depends on, and the mean step; edges left out."""
    alone = np.eye(SIZE, dtype="float32").reshape(SIZE, *model.input.shape[1:]) + 1
    plain = np.ones((1, *model.input.shape[1:]), "float32")
    changed = as_array(model(alone)) != as_array(model(plain))
    changed = changed.reshape(*changed.shape[:2], -1).any(-1).T  # output, input
    ends = [(row.argmax(), SIZE - 1 - row[::-1].argmax()) for row in changed if row.any()]
    inner = [(low, high) for low, high in ends if low > 0 and high < SIZE - 1]
    assert len(inner) > 2
    widest = max(high - low + 1 for low, high in inner)
    return int(widest), (inner[-1][0] - inner[0][0]) / (len(inner) - 1)


@pytest.mark.parametrize("name", CASES)
def test_what_an_output_sees(name):
    inputs = keras.Input((SIZE, 1))
    model = keras.Model(inputs, CASES[name](inputs))
    field, (size, step) = last_field(inputs, model.output), seen(model)
    assert field.sizes == (size,)
    # Where regions are uneven, so are the steps, and a few of them tell the mean roughly.
    allowed = 0.35 if "adaptive" in name else 0.2
    assert float(field.steps[0]) == pytest.approx(step, abs=allowed)


def test_bilinear_upsampling():
    for factor, pool in itertools.product((2, 3), (1, 2, 3)):
        up = layers.UpSampling2D((factor, 1), interpolation="bilinear")
        model = chain((SIZE, 1, 1), up, km.MaxPool2D((pool, 1), strides=1))
        field = last_field(model.input, model.output)
        assert (field.sizes[0], field.steps[0]) == (seen(model)[0], Fraction(1, factor))


def test_fractional_field_is_never_too_small():
    pool = km.FractionalMaxPool1D(1.4, overlapping=True, seed=3)
    model = chain((SIZE, 1), conv(3, padding="same"), pool)
    field, (size, _) = last_field(model.input, model.output), seen(model)
    assert size <= field.sizes[0] <= size + 1
    assert field.steps == (Fraction(96, 68),)


def test_published_networks():
    """As Araujo, Norris and Sim (2019) have them in their table of networks."""
    for network, layer, size in (("VGG16", "block5_pool", 212), ("MobileNet", "conv_pw_13", 315)):
        whole = getattr(keras.applications, network)(weights=None, include_top=False)
        out = km.MaxPool2D(1, name="last")(whole.get_layer(layer).output)
        rows = report(keras.Model(whole.input, out)).rows
        assert rows[-1].receptive_field == Field((size, size), (32, 32))
        if network == "VGG16":
            fields = [Field((r, r), (j, j)) for r, j in ((6, 2), (16, 4), (44, 8), (100, 16))]
            assert [row.receptive_field for row in rows[:4]] == fields


def test_axes_apart():
    first = km.MaxPool2D((2, 3), data_format="channels_first")
    pictures = [layers.Conv2D(4, (3, 5), strides=(1, 2)), km.MaxPool2D((2, 3))]
    turned = [first, layers.Permute((3, 2, 1)), km.MaxPool2D((1, 2))]
    frames = [layers.TimeDistributed(km.MaxPool2D((2, 3))), km.MaxPool3D((3, 2, 1))]
    small = Field((2, 3), (2, 3))
    for shape, steps, fields in (
        ((30, 40, 3), pictures, [Field((4, 9), (2, 6))]),
        ((3, 30, 40), turned, [small, Field((3, 4), (3, 4))]),
        ((9, 30, 40, 3), frames, [small, Field((3, 4, 3), (3, 4, 3))]),
    ):
        assert [row.receptive_field for row in report(chain(shape, *steps)).rows] == fields


def test_unknown_and_whole_axes():
    inputs = keras.Input((None, None, 4))
    x = km.MaxPool2D(3, strides=2, padding="same")(layers.Conv2D(4, 3, padding="same")(inputs))
    gate = layers.Reshape((1, 1, 4))(layers.GlobalAveragePooling2D()(x))
    gated = layers.Multiply()([x, layers.Activation("sigmoid")(gate)])
    assert last_field(inputs, x) == Field((5, 5), (2, 2))
    whole = Field((None, None), (None, None))
    for output in (layers.GlobalMaxPool2D()(x), km.MaxPool2D()(gated)):
        assert last_field(inputs, output) == whole
    unknown = last_field(inputs, km.AdaptiveMaxPool2D(7)(x))
    assert isinstance(unknown, Unknown)
    assert "size" in unknown.reason
    for axis, size in ((-1, 2), ([1, 2], None)):
        model = chain((32, 2), layers.LayerNormalization(axis=axis), km.MaxPool1D(2))
        assert last_field(model.input, model.output).sizes == (size,)


class Own(layers.Layer):
    def call(self, inputs):
        return inputs[:, ::2]

    def compute_output_shape(self, shape):
        return (shape[0], shape[1] // 2, *shape[2:])


UNEVEN = layers.Conv1DTranspose(2, 3, strides=2, output_padding=1, name="up")


def test_what_cannot_be_followed():
    for layer, reason in (
        (Own(name="mine"), "Own 'mine' is a class of your own"),
        (layers.Lambda(lambda x: x, name="any"), "Lambda 'any' cannot be followed"),
        (layers.Reshape((8, 4), name="turn"), "Reshape 'turn' moves positions to other axes"),
        (layers.LSTM(2, return_sequences=True, name="rnn"), "LSTM 'rnn' cannot be followed"),
        (UNEVEN, "Conv1DTranspose 'up' has an output_padding"),
    ):
        before, after = report(chain((32, 2), km.MaxPool1D(2), layer, km.MaxPool1D(2))).rows
        assert before.receptive_field == Field((2,), (2,))
        assert after.receptive_field == Unknown(reason)


def test_branches_that_cannot_be_followed():
    inputs = keras.Input((32, 2))
    slow = layers.Cropping1D((0, 8))(km.MaxPool1D(2)(inputs))
    added = layers.Add()([km.MaxPool1D(4)(inputs), slow])
    for joined, reason in (
        (added, "branches with different steps meet before it"),
        (layers.Concatenate(1)([inputs, inputs]), "joins tensors"),
    ):
        field = last_field(inputs, km.MaxPool1D(2)(joined))
        assert isinstance(field, Unknown)
        assert reason in field.reason
