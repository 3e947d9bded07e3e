"""The golden files of masks, indices, unpooling, global, adaptive and fractional pooling load, and predict the same."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from golden import make_golden_family as golden
from harness.keras_version import keras, keras_3_alone
from reference import regions as reference_regions

import keras_maxpool


@pytest.fixture(scope="module")
def arrays() -> dict[str, np.ndarray]:
    with np.load(golden.STEM.with_suffix(".npz")) as file:
        return dict(file)


def outputs_of(arrays: dict[str, np.ndarray]) -> list[np.ndarray]:
    return [arrays[f"output_{i}"] for i in range(len(arrays) - len(golden.INPUTS))]


@keras_3_alone
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_loads_and_predicts_the_same(suffix: str, arrays: dict[str, np.ndarray]) -> None:
    model = keras.models.load_model(golden.STEM.with_suffix(suffix))
    for name, (cls, options) in golden.LAYERS.items():
        text = model.get_layer("text")
        layer = next(x for x in (*model.layers, *text.layers) if x.name == name)
        assert type(layer) is getattr(keras_maxpool, cls)
        config = layer.get_config()
        assert {key: config[key] for key in options} == options
    inputs = {name: arrays[name] for name in golden.INPUTS}
    for results in (model.predict(inputs, verbose=0), model(inputs)):
        for result, wanted in zip(results, outputs_of(arrays), strict=True):
            np.testing.assert_array_equal(result, wanted)


@keras_3_alone
def test_predictions_are_the_references(arrays: dict[str, np.ndarray]) -> None:
    """All but the fractional ones, whose regions are this package's own choice."""
    model = keras.models.load_model(golden.STEM.with_suffix(".keras"))
    table = model.get_layer("text").layers[0].get_weights()[0]
    tokens, image, volume = (arrays[name] for name in golden.INPUTS)
    steps = np.where(tokens[..., None] > 0, table[tokens], -np.inf).max(1)
    pooled = reference.pool(image, 2)
    largest = image.reshape(3, -1, 2)
    adaptive = reference_regions.pool(
        image, [reference_regions.adaptive(*n) for n in ((9, 4), (8, 3))]
    )
    cuts = [reference_regions.adaptive(*n) for n in ((4, 2), (6, 3), (5, 6))]
    wanted = {
        0: np.where(np.isinf(steps), 0, steps),
        1: pooled.indices,
        2: reference.unpool(*pooled, image.shape[1:-1]),
        3: largest.max(1)[:, None, None],
        4: largest.argmax(1)[:, None, None],
        5: adaptive.values,
        6: adaptive.indices,
        8: reference.unpool(*reference.pool(volume, 2), volume.shape[1:-1]),
        9: volume.max((1, 2, 3)),
        10: reference_regions.pool(volume, cuts).values,
    }
    for i, expected in wanted.items():
        np.testing.assert_array_equal(arrays[f"output_{i}"], expected)
