"""Writes data/golden_trained_v0_1_0.keras, .h5, .saved_model and .npz: a model of version 0.1.0 in mid-training.

It is compiled, has trained three steps, and holds the layers of lines that the other golden models lack. Run by hand,
with keras_maxpool 0.1.0, TensorFlow 2.16.2 and Keras 3.3.3, from the root of the repository:

    python tests/make_golden_trained.py

and once more with tf_keras 2.16.0 and TF_USE_LEGACY_KERAS=1, which writes data/golden_keras_2_v0_1_0.*. The files stand
for what users have saved: do not write them again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from harness.keras_version import LEGACY, keras

import keras_maxpool

SEED = 20261123
VERSION = "0.1.0"
KERAS = "2.16.0" if LEGACY else "3.3.3"
STEM = Path(__file__).parent / f"golden_{'keras_2' if LEGACY else 'trained'}_v0_1_0"
FORMATS = (".keras", ".h5", ".saved_model") if LEGACY else (".keras", ".h5")
"""What loads as a model; Keras 3 exports its SavedModel for serving alone."""
TRAIN_ON = (".keras", ".h5") if LEGACY else (".keras",)
"""Keras 2 loses an optimizer's momentum in a SavedModel, Keras 3 cannot use the optimizer of an .h5 file."""

LAYERS = {
    "pool": ("MaxPool1D", {"pool_size": (2,), "strides": (2,), "return_indices": True}),
    "unpool": ("MaxUnpool1D", {"pool_size": (2,), "strides": (2,), "output_size": (16,)}),
    "fractional": ("FractionalMaxPool1D", {"pooling_ratio": (2.0,), "seed": 9}),
    "adaptive": ("AdaptiveMaxPooling1D", {"output_size": (4,), "return_indices": False}),
}
"""By the layer's name: which spelling, and what `get_config` must give back; whole ratios leave nothing to draw."""


def made(name: str) -> keras.layers.Layer:
    cls, options = LAYERS[name]
    return getattr(keras_maxpool, cls)(name=name, **options)


def build() -> keras.Model:
    """A line of 16 steps, pooled in each way between two layers that learn."""
    line = keras.Input((16, 2), name="line")
    x = keras.layers.Conv1D(3, 3, padding="same", name="mix")(line)
    x = made("unpool")(*made("pool")(x))
    x = made("adaptive")(made("fractional")(x))
    y = keras.layers.Dense(1, name="score")(keras.layers.Flatten()(x))
    model = keras.Model(line, y, name="golden_trained")
    model.compile(keras.optimizers.SGD(0.01, momentum=0.5), keras.losses.MeanSquaredError())
    return model


def train(model: keras.Model, x: np.ndarray, y: np.ndarray) -> list[float]:
    """The loss before each of three steps."""
    losses = []
    for _ in range(3):
        model.reset_metrics()
        losses.append(float(model.train_on_batch(x, y)))
    return losses


def main() -> None:
    """Write the files."""
    if (keras_maxpool.__version__, keras.__version__) != (VERSION, KERAS):
        raise SystemExit(f"these files are written with keras_maxpool {VERSION} and Keras {KERAS}")
    rng = np.random.default_rng(SEED)
    x, y = rng.normal(size=(4, 16, 2)).astype("float32"), rng.normal(size=(4, 1)).astype("float32")
    model = build()
    model.set_weights([rng.normal(0, 0.2, weight.shape) for weight in model.get_weights()])
    train(model, x, y)
    for suffix in FORMATS:
        model.save(STEM.with_suffix(suffix))
    if not LEGACY:
        model.export(STEM.with_suffix(".saved_model"))
    predicted = model.predict(x, verbose=0)
    losses = train(model, x, y)
    np.savez_compressed(STEM.with_suffix(".npz"), x=x, y=y, predicted=predicted, losses=losses)


if __name__ == "__main__":
    main()
