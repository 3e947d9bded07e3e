"""The golden files of a model in mid-training load in every format, predict the same and train on as it did."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from golden import make_golden_trained as golden
from harness.keras_version import keras

import keras_maxpool


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    with np.load(golden.STEM.with_suffix(".npz")) as file:
        return dict(file)


@pytest.mark.parametrize("suffix", golden.FORMATS)
def test_loads_and_predicts_the_same(suffix: str, arrays: dict[str, np.ndarray]) -> None:
    model = keras.models.load_model(golden.STEM.with_suffix(suffix))
    for name, (cls, options) in golden.LAYERS.items():
        layer = model.get_layer(name)
        assert type(layer) is getattr(keras_maxpool, cls)
        config = layer.get_config()
        assert {key: config[key] for key in options} == options
    predicted = model.predict(arrays["x"], verbose=0)
    np.testing.assert_allclose(predicted, arrays["predicted"], rtol=1e-5)


@pytest.mark.parametrize("suffix", golden.TRAIN_ON)
def test_trains_on_where_it_was(suffix: str, arrays: dict[str, np.ndarray]) -> None:
    """The momentum that is in the file counts from the second loss on."""
    model = keras.models.load_model(golden.STEM.with_suffix(suffix))
    losses = golden.train(model, arrays["x"], arrays["y"])
    np.testing.assert_allclose(losses, arrays["losses"], rtol=1e-5)


def test_is_served(arrays: dict[str, np.ndarray]) -> None:
    served = tf.saved_model.load(golden.STEM.with_suffix(".saved_model"))
    (y,) = served.signatures["serving_default"](tf.constant(arrays["x"])).values()
    np.testing.assert_allclose(y, arrays["predicted"], rtol=1e-5)
