"""The end of keras-maxpool demo: what Keras's own layers cannot do, each compared with the right values."""

from collections.abc import Iterator

import keras
import numpy as np

import keras_maxpool

TORCH = [[0, 15, 15, 15], [4, 15, 15, 15], [5, 12, 12, 12], [4, 14, 13, 12]]
"""What `torch.nn.MaxPool2d(3, stride=2, padding=1)` returns for the first digit (PyTorch 2.13)."""


def results(digit: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yields names, what the layers return, and what is right, for scikit-learn's first digit, of 8 by 8 pixels."""
    image = digit.astype("float32")[None, :, :, None]
    stem = keras_maxpool.MaxPool2D(3, strides=2, padding=1)
    wanted = np.array(TORCH, "float32")[None, :, :, None]
    yield "padding=1, as PyTorch's ResNet stem", keras.ops.convert_to_numpy(stem(image)), wanted

    odd = image[:, :7, :7]
    # No two pixels are equal, and so each value has one index.
    odd = odd + np.arange(49, dtype="float32").reshape(odd.shape) / 64
    pooled, indices = keras_maxpool.MaxPool2D(2, padding=1, return_indices=True)(odd)
    restored = keras_maxpool.MaxUnpool2D(2)(pooled, indices, like=odd)
    yield (
        "unpooling to 7 by 7 pixels, where they were",
        keras.ops.convert_to_numpy(restored),
        np.where(np.isin(odd, keras.ops.convert_to_numpy(pooled)), odd, 0),
    )

    steps, mask = np.array([[1, 9, 2, 8]], "float32")[..., None], np.array([[1, 0, 1, 0]], bool)
    masked = keras.ops.convert_to_numpy(keras_maxpool.MaxPooling1D(2)(steps, mask=mask))
    yield "a mask hides the steps 9 and 8", masked, np.array([[[1], [2]]], "float32")
