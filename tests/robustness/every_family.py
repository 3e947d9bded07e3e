"""One model of all layers, which is trained, called from many threads, and damaged in its file."""

from __future__ import annotations  # Keras 2 has no KerasTensor

from harness.keras_version import keras
from harness.layers import layer


def every_family(*shapes: tuple[int, ...]) -> keras.Model:
    """Of inputs in 1D, 2D and 3D, with indices and what unpools them, and a mask in 1D."""
    inputs = [keras.Input(shape) for shape in shapes]
    heads = [head(x, len(shape) - 1) for x, shape in zip(inputs, shapes, strict=True)]
    for x in inputs:
        if len(x.shape) == 3:
            # The mask goes on as far as the pooling whose windows it fills.
            masked = keras.layers.Masking(0.0)(x)
            masked = layer("MaxPooling", 1, pool_size=3, strides=2, padding="same")(masked)
            heads.append(layer("GlobalMaxPooling", 1)(masked))
    y = keras.layers.Concatenate()(heads) if len(heads) > 1 else heads[0]
    return keras.Model(inputs, keras.layers.Dense(1)(y), name="net")


def head(x: keras.KerasTensor, rank: int) -> keras.KerasTensor:
    x = getattr(keras.layers, f"Conv{rank}D")(4, 3, padding="same", activation="relu")(x)
    y, places = layer("MaxPooling", rank, return_indices=True)(x)
    y = getattr(keras.layers, f"MaxPooling{rank}D")(3, strides=1, padding="same")(y)
    y = layer("MaxUnpooling", rank)(y, places, like=x)
    dilated = {"padding": 1, "dilation_rate": 2, "ceil_mode": True, "nonfinite": "ieee"}
    y = layer("MaxPooling", rank, pool_size=3, strides=2, **dilated)(y)
    y = layer("AdaptiveMaxPooling", rank)(layer("FractionalMaxPooling", rank, seed=3)(y))
    pooled = layer("GlobalMaxPooling", rank)(y)
    return keras.layers.Concatenate()([pooled, keras.layers.Flatten()(y)])
