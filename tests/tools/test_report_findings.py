"""Findings: each rule on a model that it is for, and on its neighbours that it must leave alone."""

from typing import Any

import keras
import pytest
from tools.models import chain, tokens

import keras_maxpool as km
from keras_maxpool.tools.report import report

layers = keras.layers
Steps = tuple[Any, ...]


def found(*steps):
    done = report(chain(*steps))
    return {(finding.layer, finding.kind): finding for finding in done.findings}


def conv(filters=8, size=3, **arguments):
    return layers.Conv2D(filters, size, padding="same", name="conv", **arguments)


def pool(*sizes, home=km, **arguments):
    return home.MaxPool2D(*sizes, name="pool", **arguments)


FIRST = {"data_format": "channels_first"}
SAME = {"strides": 2, "padding": "same"}
KEEP = km.AdaptiveMaxPool2D((8, None), name="keep")

# What is found, in which layer, and a word of what to do.
FOUND = [
    ("data format", "conv", "channels_first", ((3, 32, 32), conv(), pool((1, 2)))),
    ("data format", "pool", "channels_last", ((32, 32, 3), pool(**FIRST))),
    ("data format", "pool", "channels_first", ((1, None, 64), layers.ReLU(), pool((1, 2)))),
    ("mixed data formats", "pool", "channels_last", ((16, 16, 8), conv(), pool(**FIRST))),
    ("rank", "pool", "3D layer", ((32, 32, 32), pool())),
    ("rank", "pool", "1D layer", ((1, 200, 6), pool((1, 2)))),
    ("rank", "pool", "2D layer", ((28, 28), km.MaxPool1D(2, name="pool"))),
    ("does nothing", "pool", "Leave it out", ((8, 8, 3), pool(1))),
    ("does nothing", "keep", "Leave it out", ((8, 9, 3), KEEP)),
    ("cropped edge", "pool", "ceil_mode", ((15, 16, 3), pool(2))),
    ("gaps", "pool", "pool_size", ((16, 16, 3), pool(2, strides=3))),
    ("gaps", "pool", "pool_size", ((16, 16, 3), pool(2, strides=2, dilation_rate=2))),
    ("early pooling", "pool", "Pool later", ((64, 64, 3), conv(strides=2), pool(3))),
    ("same padding", "pool", "padding=1", ((16, 16, 3), pool(3, **SAME))),
    ("same padding", "pool", "padding=2", ((15, 16, 3), pool(5, home=layers, **SAME))),
]

LEFT = [
    ("data format", ((32, 32, 3), conv(), pool())),
    ("data format", ((3, 32, 32), pool(**FIRST))),
    ("data format", ((2, 2, 512), pool())),
    ("data format", ((32, 32, 64), conv(4), pool())),
    ("mixed data formats", ((16, 16, 8), conv(), layers.Permute((3, 1, 2)), pool(**FIRST))),
    ("mixed data formats", ((3, 16, 16), pool(**FIRST))),
    ("rank", ((32, 32, 3), pool())),
    ("rank", ((32, 32, 8), conv(32), pool())),
    ("does nothing", ((8, 8, 3), pool(1, strides=2))),
    ("does nothing", ((8, 8, 3), pool(2, strides=1, padding="same"))),
    ("cropped edge", ((16, 16, 3), pool(2))),
    ("cropped edge", ((15, 15, 3), pool(2, padding="same"))),
    ("cropped edge", ((None, None, 3), pool(2))),
    ("gaps", ((15, 15, 3), pool(3, strides=3))),
    ("gaps", ((15, 15, 3), pool(3, strides=2, dilation_rate=3))),
    ("gaps", ((2, 2, 3), pool(2, strides=5))),
    # At once: counting its elements takes minutes.
    ("gaps", ((8, 8, 3), pool(2**31 - 2, strides=2**31 - 2, padding="same"))),
    ("early pooling", ((64, 64, 3), conv(strides=2), pool(2))),
    ("same padding", ((15, 15, 3), pool(3, **SAME))),
    ("same padding", ((16, 16, 3), pool(2, **SAME))),
    ("same padding", ((16, 16, 3), pool(3, strides=1, padding="same"))),
    ("same padding", ((16, 16, 3), pool(3, strides=2, padding=1))),
]


def test_found_and_left_alone():
    for kind, layer, do, steps in FOUND:
        finding = found(*steps)[layer, kind]
        assert do in finding.do
        assert finding.what
    for kind, steps in LEFT:
        assert kind not in [kind for _, kind in found(*steps)], steps


def test_cropped_says_how_much():
    finding = found((15, 17, 3), pool((2, 3)))["pool", "cropped edge"]
    assert finding.what == "no window reaches the last 1 of 15 rows and the last 2 of 17 columns"


def test_pooling_is_early_up_to_the_third_convolution():
    """A step of 2 and one of 4: 64 of the input's positions become one."""

    def kinds(convolutions):
        stem = [layers.Conv2D(4, 3, padding="same") for _ in range(convolutions)]
        return [kind for _, kind in found((64, 64, 3), *stem, layers.AveragePooling2D(2), pool(4))]

    assert [kinds(count).count("early pooling") for count in (0, 2, 3)] == [1, 1, 0]


# Keras itself warns of a mask that is lost; the finding adds where, and what to do.
@pytest.mark.filterwarnings("ignore:.*mask.*")
@pytest.mark.parametrize("kind", ["MaxPooling1D", "GlobalMaxPooling1D", "AveragePooling1D"])
def test_masks_that_stop(kind):
    def kinds(home, mask_zero):
        layer = getattr(home, kind)(**({} if "Global" in kind else {"pool_size": 2}))
        words = layers.Embedding(5, 3, mask_zero=mask_zero)
        findings = report(chain((8,), words, layer, dtype="int32")).findings
        return {finding.kind: finding.do for finding in findings}

    told = kinds(layers, True)["mask stops"]
    assert "keras_maxpool" in told
    assert "mask stops" not in kinds(layers, False)
    if "Max" in kind:
        assert kind in told
        assert "mask stops" not in kinds(km, True)


def test_masks_pass_what_honours_them():
    assert report(tokens(layers.GlobalAveragePooling1D())).findings == ()


@pytest.mark.parametrize("axis", [(4, 6, 1), (2, 6, 3), (9, 6, 4), (1, 5, 1), (5, 5, 2), (3, 8, 2)])
def test_gaps_are_counted(axis):
    size, stride, rate = axis
    read = len({step * rate % stride for step in range(size)})
    told = found((90, 90, 3), pool(size, strides=stride, dilation_rate=rate))
    gap = told.get(("pool", "gaps"))
    assert (gap is None) == (read == stride)
    assert gap is None or f"no window reads {stride - read} of {stride} rows" in gap.what
