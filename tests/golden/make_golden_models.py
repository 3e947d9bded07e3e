"""Writes data/golden_v0_1_0.keras, .h5 and .npz: a model of version 0.1.0 and what it predicts.

Run by hand, with keras_maxpool 0.1.0, TensorFlow 2.16.2 and Keras 3.3.3, from the root of the
repository:

    python tests/make_golden_models.py

The lowest Keras writes the files, because newer ones read them and it does not read theirs: Keras
3.15 writes dtype policies and an `optional` input, which 3.3.3 does not know.

All numbers are small multiples of 1/8, drawn by NumPy from the seed, so that no sum is ever
rounded: the prediction is the same bits on any machine. The one that is written is the reference's,
and the model must agree. Do not write these files again: they stand for what users have saved.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import reference
from harness.keras_version import keras

import keras_maxpool

SEED = 20240710
VERSION = "0.1.0"
KERAS = "3.3.3"
STEM = Path(__file__).parent / "golden_v0_1_0"
SUFFIXES = (".keras", ".h5", ".npz")

INPUTS = {"steps": (9, 2), "image": (7, 6, 2), "volume": (4, 5, 6, 2)}

# Two layers a rank, as `get_config` gives them back: each branch holds both spellings.
LAYERS = {
    "steps": [
        {
            "name": "causal",
            "pool_size": (3,),
            "strides": (1,),
            "padding": "causal",
            "data_format": "channels_last",
            "dilation_rate": (2,),
            "ceil_mode": False,
            "nonfinite": "backend",
            "implementation": "auto",
        },
        {
            "name": "ceil_1d",
            "pool_size": (3,),
            "strides": (2,),
            "padding": ((1, 0),),
            "data_format": "channels_last",
            "dilation_rate": (1,),
            "ceil_mode": True,
            "nonfinite": "backend",
            "implementation": "shifted",
        },
    ],
    "image": [
        {
            "name": "pairs",
            "pool_size": (2, 3),
            "strides": (1, 2),
            "padding": ((0, 1), (2, 0)),
            "data_format": "channels_last",
            "dilation_rate": (1, 1),
            "ceil_mode": True,
            "nonfinite": "ieee",
            "implementation": "direct",
        },
        {
            "name": "same_lower",
            "pool_size": (2, 2),
            "strides": (2, 1),
            "padding": "same_lower",
            "data_format": "channels_first",
            "dilation_rate": (1, 1),
            "ceil_mode": False,
            "nonfinite": "backend",
            "implementation": "folded",
        },
    ],
    "volume": [
        {
            "name": "same",
            "pool_size": (2, 2, 2),
            "strides": (1, 1, 1),
            "padding": "same",
            "data_format": "channels_last",
            "dilation_rate": (1, 1, 1),
            "ceil_mode": False,
            "nonfinite": "backend",
            "implementation": "auto",
        },
        {
            "name": "dilated",
            "pool_size": (2, 1, 2),
            "strides": (1, 2, 1),
            "padding": "valid",
            "data_format": "channels_last",
            "dilation_rate": (2, 1, 3),
            "ceil_mode": False,
            "nonfinite": "ieee",
            "implementation": "auto",
        },
    ],
}


def eighths(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Odd eighths, so never 0, which float32 adds and multiplies here without rounding."""
    return ((2 * rng.integers(-4, 4, shape) + 1) / 8).astype("float32")


def build(rng: np.random.Generator) -> keras.Model:
    """One branch a rank, `MaxPoolND` then `MaxPoolingND`; one `Dense` mixes the channels of all."""
    dense = keras.layers.Dense(2, name="dense")
    inputs, outputs = [], []
    for rank, (name, shape) in enumerate(INPUTS.items(), start=1):
        first, second = LAYERS[name]
        inputs.append(keras.Input(shape, name=name))
        x = dense(inputs[-1])
        x = getattr(keras_maxpool, f"MaxPool{rank}D")(**first)(x)
        x = getattr(keras_maxpool, f"MaxPooling{rank}D")(**second)(x)
        outputs.append(x)
    model = keras.Model(inputs, outputs, name="golden")
    model.set_weights([eighths(rng, weight.shape) for weight in model.get_weights()])
    return model


def expected(model: keras.Model, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the reference makes of the mixed channels, by the name of the input."""
    dense = model.get_layer("dense")
    results = {name: np.asarray(dense(x)) for name, x in inputs.items()}
    for name, layers in LAYERS.items():
        for layer in layers:
            own = ("name", "nonfinite", "implementation")  # what the reference does not ask
            arguments = {key: value for key, value in layer.items() if key not in own}
            results[name] = reference.pool(results[name], **arguments).values
    return results


def main() -> None:
    """Write the three files."""
    if (keras_maxpool.__version__, keras.__version__) != (VERSION, KERAS):
        raise SystemExit(f"these files are written with keras_maxpool {VERSION} and Keras {KERAS}")
    rng = np.random.default_rng(SEED)
    model = build(rng)
    inputs = {name: eighths(rng, (2, *shape)) for name, shape in INPUTS.items()}
    outputs = expected(model, inputs)
    for output, predicted in zip(outputs.values(), model.predict(inputs, verbose=0), strict=True):
        np.testing.assert_array_equal(predicted, output, strict=True)
    model.save(STEM.with_suffix(".keras"))
    model.save(STEM.with_suffix(".h5"))
    pooled = {f"{name}_pooled": output for name, output in outputs.items()}
    np.savez_compressed(STEM.with_suffix(".npz"), **inputs, **pooled)
    for suffix in SUFFIXES:
        path = STEM.with_suffix(suffix)
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
