"""What the tools say of masks that reach a pooling layer and do not fit it: they change nothing."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_maxpool.tools.cli import main
from keras_maxpool.tools.convert import convert, to_keras_maxpool
from keras_maxpool.tools.report import report

layers = keras.layers

# Keras and the layers warn where the models here are made and run.
pytestmark = pytest.mark.filterwarnings("ignore:.*mask")


BATCH = 2
"""Keras 3.7's TimeDistributed takes no mask in a graph where the batch size is unknown."""


def words() -> keras.Model:
    """`TimeDistributed` propagates the letters' mask of rank 3, where words are pooled."""
    stack = [
        layers.Embedding(50, 2, mask_zero=True),
        layers.TimeDistributed(layers.GRU(3)),
        layers.GlobalMaxPooling1D(name="pool"),
    ]
    return keras.Sequential([keras.Input((4, 7), BATCH, "int32"), *stack])


def frames() -> keras.Model:
    """The first pooling gets a mask that fits, and the second the same."""
    pools = [
        layers.TimeDistributed(layers.MaxPool2D(2, name=name), name=f"each_{name}")
        for name in ("first", "second")
    ]
    return keras.Sequential([keras.Input((5, 12, 16, 1), BATCH), layers.Masking(), *pools])


@contextmanager
def masks_named(times: int) -> Iterator[list[str]]:
    """So many warnings that speak of masks, Keras's and ours."""
    found: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield found
    found += [str(w.message) for w in caught if "mask" in str(w.message)]
    assert len(found) == times, found


def test_stale_masks_are_told_apart() -> None:
    model, pictures = words(), frames()
    x = np.random.default_rng(0).integers(0, 50, (2, 4, 7))
    with masks_named(0):
        there = convert(model)
        back = convert(there.model, "builtin")
        both = convert(pictures)
    assert (there.masked, there.stale) == (back.masked, back.stale) == ((), ("pool",))
    np.testing.assert_array_equal(there.model(x), model(x))
    assert (both.masked, both.stale) == (("each_first/first",), ("each_second/second",))


def test_the_warning_says_that_predictions_stay() -> None:
    model = words()
    with masks_named(1) as said:
        to_keras_maxpool(model)
    assert said[0].startswith("A mask reaches 'pool' that does not fit")
    assert said[0].endswith("predictions stay.")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_files(suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    given, there, back = (tmp_path / f"{name}{suffix}" for name in ("given", "there", "back"))
    words().save(given)
    with masks_named(0):
        assert main(["convert", str(given), str(there)]) == 0
        assert main(["convert", str(there), str(back), "--to", "builtin"]) == 0
    out, err = capsys.readouterr()
    assert "predictions change" not in out
    told = re.sub(r"[\s│]+", " ", out)
    for part in ("does not fit", "is ignored", "predictions stay"):
        assert part in told
    assert "Warning" not in err
    x = np.random.default_rng(0).integers(0, 50, (2, 4, 7))
    old, new = (keras.models.load_model(path) for path in (given, there))
    np.testing.assert_array_equal(new(x), old(x))


def test_report_has_no_finding_of_them() -> None:
    """For the built-in layer: ours would not honour such a mask either."""
    assert "mask stops" not in {finding.kind for finding in report(words()).findings}
