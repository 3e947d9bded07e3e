"""Whole training steps for keras-maxpool bench --networks: small versions of known networks, as `fit` runs them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

import keras_maxpool
from keras_maxpool.tools.bench.cases import Network, Setting
from keras_maxpool.tools.bench.peers import Side
from keras_maxpool.tools.quiet import quiet_import

CLASSES = 10
Layers = Any
"""A module with the layers MaxPooling1D, MaxPooling2D and MaxPooling3D."""


@dataclass(frozen=True, eq=False)
class Batch:
    """What one training step sees."""

    x: np.ndarray
    y: np.ndarray


def make_data(network: Network) -> Batch:
    """Returns a batch of random inputs with random labels."""
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=network.shape).astype("float32")
    return Batch(x, numbers.integers(0, CLASSES, network.shape[0]))


def ours(network: Network, mode: str, direction: str, batch: Batch) -> Side:
    """Returns the side with our layers."""
    return _side(keras_maxpool, network, mode, batch)


def peer(setting: Setting, batch: Batch) -> Side:
    """Returns the side with the built-in layers."""
    assert isinstance(setting.case, Network)
    return _side(keras.layers, setting.case, setting.mode, batch)


def _side(layers: Layers, network: Network, mode: str, batch: Batch) -> Side:
    with quiet_import():
        keras.utils.set_random_seed(0)
    model = NETWORKS[network](layers, network.shape[1:])
    jit_compile = True if mode == "fit-xla" else "auto"
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=jit_compile)
    return Side(lambda: model.train_on_batch(batch.x, batch.y), lambda loss: [np.asarray(loss)])


def _conv(x: Any, filters: int, size: int = 3, strides: int = 1) -> Any:
    conv = getattr(keras.layers, f"Conv{len(x.shape) - 2}D")
    return conv(filters, size, strides, padding="same", activation="relu")(x)


def _pool(layers: Layers, x: Any, *window: Any) -> Any:
    return getattr(layers, f"MaxPooling{len(x.shape) - 2}D")(*window)(x)


def _classifier(inputs: Any, x: Any) -> keras.Model:
    x = getattr(keras.layers, f"GlobalAveragePooling{len(x.shape) - 2}D")()(x)
    return keras.Model(inputs, keras.layers.Dense(CLASSES, "softmax")(x))


def _mnist(layers: Layers, shape: Sequence[int]) -> keras.Model:
    inputs = x = keras.Input(shape)
    for filters in (32, 64):
        x = _pool(layers, keras.layers.Conv2D(filters, 3, activation="relu")(x), 2)
    x = keras.layers.Flatten()(x)
    return keras.Model(inputs, keras.layers.Dense(CLASSES, "softmax")(x))


def _application(name: str) -> Callable[[Layers, Sequence[int]], keras.Model]:
    """Returns a builder: a model of keras.applications, with the pooling of other layers."""

    def build(layers: Layers, shape: Sequence[int]) -> keras.Model:
        def replaced(layer: keras.layers.Layer) -> keras.layers.Layer:
            cls = type(layer)
            if isinstance(layer, keras.layers.MaxPooling2D):
                cls = layers.MaxPooling2D
            return cls.from_config(layer.get_config())

        model = getattr(keras.applications, name)(
            weights=None, input_shape=tuple(shape), classes=CLASSES
        )
        clone = keras.models.clone_model(model, clone_function=replaced)
        clone.set_weights(model.get_weights())
        return clone

    return build


def _u_net(layers: Layers, shape: Sequence[int]) -> keras.Model:
    """Returns a U-Net of 2 or 3 spatial axes, with a class for the whole input in place of one per element."""
    inputs = x = keras.Input(shape)
    sizes, skipped = (16, 32, 64), []
    for filters in sizes:
        x = _conv(_conv(x, filters), filters)
        skipped.append(x)
        x = _pool(layers, x, 2)
    x = _conv(x, 128)
    for filters, skip in zip(reversed(sizes), reversed(skipped), strict=True):
        x = getattr(keras.layers, f"UpSampling{len(shape) - 1}D")(2)(x)
        x = _conv(keras.layers.Concatenate()([x, skip]), filters)
    return _classifier(inputs, x)


def _spp(layers: Layers, shape: Sequence[int]) -> keras.Model:
    """Returns the pooling pyramid of YOLOv3-SPP, between two convolutions."""
    inputs = keras.Input(shape)
    x = _conv(inputs, 256, 1)
    pooled = [_pool(layers, x, size, 1, "same") for size in (5, 9, 13)]
    return _classifier(inputs, _conv(keras.layers.Concatenate()([x, *pooled]), 512, 1))


def _audio(layers: Layers, shape: Sequence[int]) -> keras.Model:
    """Returns M5, which classifies waveforms."""
    inputs = keras.Input(shape)
    x = _pool(layers, _conv(inputs, 128, 80, 4), 4)
    for filters in (128, 256, 512):
        x = _pool(layers, _conv(x, filters), 4)
    return _classifier(inputs, x)


NETWORKS = {
    Network("MNIST CNN", (128, 28, 28, 1)): _mnist,
    Network("VGG16", (4, 96, 96, 3)): _application("VGG16"),
    Network("ResNet50", (4, 96, 96, 3)): _application("ResNet50"),
    Network("U-Net", (4, 128, 128, 3)): _u_net,
    Network("YOLO SPP head", (8, 20, 20, 512)): _spp,
    Network("3D U-Net", (1, 48, 48, 48, 1)): _u_net,
    Network("M5, 1D audio", (16, 8000, 1)): _audio,
}
