"""Layers whose exported models the tests of JAX and PyTorch run, and the comparison with the model itself."""

from collections.abc import Callable
from typing import Any

import numpy as np

import keras_maxpool as km
from harness.keras_version import keras
from harness.runner import as_arrays


def unpooled(x: Any) -> Any:
    values, indices = km.MaxPooling2D(2, padding=1, return_indices=True, name="unpooled")(x)
    return km.MaxUnpooling2D(2)(values, indices, like=x)


LAYERS: dict[str, Callable[[Any], Any]] = {
    "explicit": km.MaxPooling2D(3, 2, ((0, 2), (2, 1)), dilation_rate=(1, 2)),
    "ceil mode": km.MaxPooling2D(3, 2, 1, ceil_mode=True),
    "channels first": km.MaxPooling2D(2, 2, 1, data_format="channels_first"),
    "ieee": km.MaxPooling2D(3, 2, 1, nonfinite="ieee"),
    "indices": km.MaxPooling2D(2, return_indices=True),
    "unpooling": unpooled,
    "of onnx": km.MaxPooling2D(3, 2, 1, return_indices=True, indices_convention="onnx"),
    # With names of their own, as other tests reset the counters of names.
    "1D": lambda x: km.MaxPooling1D(2, 2, 1, name="of_1d")(keras.ops.max(x, 2)),
    "3D": lambda x: km.MaxPooling3D(3, 2, 1, name="of_3d")(x[..., None]),
    "global": km.GlobalMaxPooling2D(),
    "adaptive": km.AdaptiveMaxPooling2D((None, 4)),
    "fractional": km.FractionalMaxPooling2D(1.5, seed=7),
    "same": km.MaxPooling2D(3, 2, "same"),
    "same, dilated": km.MaxPooling2D(4, 1, "same_lower", dilation_rate=3),
    "mask": lambda x: km.MaxPooling1D(2, name="masked")(
        keras.layers.Masking()(keras.ops.max(x, 2))
    ),
}


def assert_predicts(
    run: Callable[[np.ndarray], Any], model: keras.Model, batch: int, rows: int
) -> None:
    """Asserts that an exported model, as a function of an array, returns what the model predicts."""
    x = np.random.default_rng(0).normal(size=(batch, rows, 10, 3)).astype("float32")
    x[:, 5:7] = 0
    for found, wanted in zip(as_arrays(run(x)), as_arrays(model(x)), strict=True):
        # Not its dtype: jax2onnx writes indices in 32 bits.
        np.testing.assert_array_equal(found, wanted)
