"""Writes data/golden_family_v0_1_0.keras, .h5 and .npz: a model with every other layer of version 0.1.0.

make_golden_models.py does it for the options of max pooling. Run by hand, with keras_maxpool 0.1.0, TensorFlow 2.16.2
and Keras 3.3.3, from the root of the repository:

    python tests/make_golden_family.py

The files stand for what users have saved: do not write them again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from harness.keras_version import keras

import keras_maxpool

SEED = 20261122
VERSION = "0.1.0"
KERAS = "3.3.3"
STEM = Path(__file__).parent / "golden_family_v0_1_0"
SUFFIXES = (".keras", ".h5", ".npz")
INPUTS = {"tokens": (12,), "image": (9, 8, 2), "volume": (4, 6, 5, 2)}

# By the layer's name: which spelling, and what `get_config` must give back.
LAYERS: dict[str, tuple[str, dict[str, Any]]] = {
    "masked": ("MaxPool1D", {"pool_size": (2,), "ceil_mode": True}),
    "masked_same": ("MaxPooling1D", {"pool_size": (2,), "padding": "same"}),
    "global_1d": ("GlobalMaxPool1D", {"keepdims": False}),
    "pool_2d": ("MaxPool2D", {"pool_size": (2, 2), "return_indices": True}),
    "unpool_2d": ("MaxUnpool2D", {"pool_size": (2, 2), "strides": (2, 2)}),
    "global_2d": ("GlobalMaxPooling2D", {"keepdims": True, "return_indices": True}),
    "adaptive_2d": ("AdaptiveMaxPool2D", {"output_size": (4, 3), "return_indices": True}),
    "fractional_2d": ("FractionalMaxPool2D", {"pooling_ratio": (1.5, 1.25), "seed": 7}),
    "pool_3d": ("MaxPooling3D", {"pool_size": (2, 2, 2), "return_indices": True}),
    "unpool_3d": ("MaxUnpooling3D", {"output_size": (4, 6, 5)}),
    "global_3d": ("GlobalMaxPool3D", {"nonfinite": "ieee"}),
    "adaptive_3d": ("AdaptiveMaxPooling3D", {"output_size": (2, 3, 6)}),
    "fractional_3d": (
        "FractionalMaxPooling3D",
        {"pooling_ratio": (1.5, 1.5, 1.25), "overlapping": True, "seed": 8},
    ),
}


def made(name: str) -> keras.layers.Layer:
    cls, options = LAYERS[name]
    return getattr(keras_maxpool, cls)(name=name, **options)


def build(rng: np.random.Generator) -> keras.Model:
    """One branch a rank."""
    tokens, image, volume = inputs = [
        keras.Input(INPUTS["tokens"], dtype="int32", name="tokens"),
        keras.Input(INPUTS["image"], name="image"),
        keras.Input(INPUTS["volume"], name="volume"),
    ]
    # A model of its own: Keras reads no .h5 file of a functional model that hands a mask on.
    text = keras.Sequential(
        [
            keras.Input(INPUTS["tokens"], dtype="int32"),
            keras.layers.Embedding(6, 3, mask_zero=True),
            *(made(name) for name in ("masked", "masked_same", "global_1d")),
        ],
        name="text",
    )
    text.layers[0].set_weights([rng.integers(-8, 8, (6, 3)) / 8])
    outputs = [text(tokens)]
    values, indices = made("pool_2d")(image)
    outputs += [indices, made("unpool_2d")(values, indices, like=image)]
    outputs += [
        *made("global_2d")(image),
        *made("adaptive_2d")(image),
        made("fractional_2d")(image),
    ]
    values, indices = made("pool_3d")(volume)
    outputs += [made("unpool_3d")(values, indices), made("global_3d")(volume)]
    outputs += [made("adaptive_3d")(volume), made("fractional_3d")(volume)]
    return keras.Model(inputs, outputs, name="golden_family")


def example(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Sentences with zeros at the end, one of nothing else; eighths that tie now and then."""
    tokens = rng.integers(1, 6, (3, 12)).astype("int32")
    for row, length in zip(tokens, (12, 5, 0), strict=True):
        row[length:] = 0
    return {"tokens": tokens} | {
        name: (rng.integers(-16, 16, (3, *INPUTS[name])) / 8).astype("float32")
        for name in ("image", "volume")
    }


def main() -> None:
    """Write the three files."""
    if (keras_maxpool.__version__, keras.__version__) != (VERSION, KERAS):
        raise SystemExit(f"these files are written with keras_maxpool {VERSION} and Keras {KERAS}")
    rng = np.random.default_rng(SEED)
    model, inputs = build(rng), example(rng)
    outputs = model.predict(inputs, verbose=0)
    model.save(STEM.with_suffix(".keras"))
    model.save(STEM.with_suffix(".h5"))
    pooled = {f"output_{i}": output for i, output in enumerate(outputs)}
    np.savez_compressed(STEM.with_suffix(".npz"), **inputs, **pooled)
    for suffix in SUFFIXES:
        path = STEM.with_suffix(suffix)
        print(f"{path.name}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
