"""The files of every release load in each format, hold the same arguments, predict the same, and train on."""

import warnings
from typing import Any

import numpy as np
import pytest
from golden.make_golden_files import FOLDER
from harness.keras_version import LEGACY, keras, keras_3_alone
from harness.runner import as_array

import keras_maxpool

RELEASES = sorted(path.stem.removeprefix("golden_") for path in FOLDER.glob("golden_v*.keras"))
TRAINED = "golden_keras_2" if LEGACY else "golden_trained"
FORMATS = (".keras", ".h5", ".saved_model") if LEGACY else (".keras", ".h5")
"""What loads as a model; Keras 3 exports its SavedModel for serving alone."""
TRAIN_ON = (".keras", ".h5") if LEGACY else (".keras",)
"""Keras 2 loses an optimizer's momentum in a SavedModel, Keras 3 cannot use the optimizer of an .h5 file."""

by_release = pytest.mark.parametrize("release", RELEASES)

Wanted = dict[str, tuple[str, dict[str, Any]]]
"""By the layer's name its class, and what `get_config` must return."""


def pooling(pool_size: tuple, strides: tuple, padding: Any, **others: Any) -> tuple[str, dict]:
    """Every argument of 0.1.0; a layer without one of them has its default."""
    own = {"pool_size": pool_size, "strides": strides, "padding": padding}
    own |= {"data_format": "channels_last", "ceil_mode": False, "nonfinite": "backend"}
    return f"MaxPooling{len(pool_size)}D", own | {"implementation": "auto"} | others


SHIFTED, IEEE = {"ceil_mode": True, "implementation": "shifted"}, {"nonfinite": "ieee"}
DIRECT = {"ceil_mode": True, "implementation": "direct"}
FOLDED = {"data_format": "channels_first", "implementation": "separable"}  # written as "folded"
OPTIONS: Wanted = {
    "causal": pooling((3,), (1,), "causal", dilation_rate=(2,)),
    "ceil_1d": pooling((3,), (2,), ((1, 0),), **SHIFTED),
    "pairs": pooling((2, 3), (1, 2), ((0, 1), (2, 0)), **DIRECT, **IEEE),
    "same_lower": pooling((2, 2), (2, 1), "same_lower", **FOLDED),
    "same": pooling((2, 2, 2), (1, 1, 1), "same"),
    "dilated": pooling((2, 1, 2), (1, 2, 1), "valid", dilation_rate=(2, 1, 3), **IEEE),
}
BRANCHES = ("steps", "image", "volume")
FAMILY: Wanted = {
    "masked": ("MaxPooling1D", {"pool_size": (2,), "ceil_mode": True}),
    "masked_same": ("MaxPooling1D", {"pool_size": (2,), "padding": "same"}),
    "global_1d": ("GlobalMaxPooling1D", {"keepdims": False}),
    "pool_2d": ("MaxPooling2D", {"pool_size": (2, 2), "return_indices": True}),
    "unpool_2d": ("MaxUnpooling2D", {"pool_size": (2, 2), "strides": (2, 2)}),
    "global_2d": ("GlobalMaxPooling2D", {"keepdims": True, "return_indices": True}),
    "adaptive_2d": ("AdaptiveMaxPooling2D", {"output_size": (4, 3), "return_indices": True}),
    "fractional_2d": ("FractionalMaxPooling2D", {"pooling_ratio": (1.5, 1.25), "seed": 7}),
    "pool_3d": ("MaxPooling3D", {"pool_size": (2, 2, 2), "return_indices": True}),
    "unpool_3d": ("MaxUnpooling3D", {"output_size": (4, 6, 5)}),
    "global_3d": ("GlobalMaxPooling3D", {"nonfinite": "ieee"}),
    "adaptive_3d": ("AdaptiveMaxPooling3D", {"output_size": (2, 3, 6)}),
    "fractional_3d": (
        "FractionalMaxPooling3D",
        {"pooling_ratio": (1.5, 1.5, 1.25), "overlapping": True, "seed": 8},
    ),
}
IN_TRAINING: Wanted = {
    "pool": ("MaxPooling1D", {"pool_size": (2,), "strides": (2,), "return_indices": True}),
    "unpool": ("MaxUnpooling1D", {"pool_size": (2,), "strides": (2,), "output_size": (16,)}),
    "fractional": ("FractionalMaxPooling1D", {"pooling_ratio": (2.0,), "seed": 9}),
    "adaptive": ("AdaptiveMaxPooling1D", {"output_size": (4,), "return_indices": False}),
}


def arrays(name: str, release: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / f"{name}_{release}.npz") as file:
        return dict(file)


def assert_arguments(model: keras.Model, wanted: Wanted) -> None:
    inner = model.get_layer("text").layers if "masked" in wanted else []
    layers = {layer.name: layer for layer in (*model.layers, *inner)}
    for name, (cls, options) in wanted.items():
        assert type(layers[name]) is getattr(keras_maxpool, cls)
        config = layers[name].get_config()
        assert {key: config[key] for key in options} == options


def assert_predicts(model: keras.Model, inputs: dict[str, np.ndarray], wanted: list) -> None:
    for results in (model.predict(inputs, verbose=0), map(as_array, model(inputs))):
        for result, expected in zip(results, wanted, strict=True):
            np.testing.assert_array_equal(result, expected, strict=True)


@keras_3_alone
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@by_release
def test_options_and_families(release: str, suffix: str) -> None:
    """Predictions are the file's: all numbers are odd eighths, so that no sum is rounded."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FutureWarning)
        options = keras.models.load_model(FOLDER / f"golden_{release}{suffix}")
    told = [str(warning.message) for warning in caught if warning.category is FutureWarning]
    assert ("separable" in "".join(told)) == (release == "v0_1_0")
    assert_arguments(options, OPTIONS)
    given = arrays("golden", release)
    inputs = {name: given[name] for name in BRANCHES}
    assert_predicts(options, inputs, [given[f"{name}_pooled"] for name in BRANCHES])

    family = keras.models.load_model(FOLDER / f"golden_family_{release}{suffix}")
    assert_arguments(family, FAMILY)
    given = arrays("golden_family", release)
    inputs = {name: given[name] for name in ("tokens", "image", "volume")}
    assert_predicts(family, inputs, [given[f"output_{i}"] for i in range(len(given) - 3)])


@pytest.mark.parametrize("suffix", FORMATS)
@by_release
def test_in_training(release: str, suffix: str) -> None:
    """Three steps on, the momentum that is in the file counts from the second loss."""
    model = keras.models.load_model(FOLDER / f"{TRAINED}_{release}{suffix}")
    given = arrays(TRAINED, release)
    assert_arguments(model, IN_TRAINING)
    predicted = model.predict(given["x"], verbose=0)
    np.testing.assert_allclose(predicted, given["predicted"], rtol=1e-5)
    if suffix in TRAIN_ON:
        losses = []
        for _ in range(3):
            model.reset_metrics()
            losses.append(float(model.train_on_batch(given["x"], given["y"])))
        np.testing.assert_allclose(losses, given["losses"], rtol=1e-5)


@by_release
def test_is_served(release: str, tf: Any) -> None:
    served = tf.saved_model.load(FOLDER / f"{TRAINED}_{release}.saved_model")
    given = arrays(TRAINED, release)
    (y,) = served.signatures["serving_default"](tf.constant(given["x"])).values()
    np.testing.assert_allclose(y, given["predicted"], rtol=1e-5)
