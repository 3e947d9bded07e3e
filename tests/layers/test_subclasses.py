"""Subclasses of every layer with weights of their own: built, trained, saved and copied as Keras does it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness.keras_version import keras, keras_3_alone
from harness.layers import FAMILIES, by_family, every_layer, inputs_of, layer_class, model_of
from harness.runner import as_array

import keras_maxpool

# Keras 3.7 warns of a list of one input.
pytestmark = pytest.mark.filterwarnings("ignore:The structure of `inputs` doesn't match")
RATE = 0.5
# With which nothing is drawn at random.
ARGUMENTS = FAMILIES | {"FractionalMaxPooling": {"pooling_ratio": 1}}


class Scaled:
    """A weight for each channel, made in `build`, and an argument of its own."""

    def __init__(self, *args: Any, start: float = 1.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.start = start

    def build(self, input_shape: Any) -> None:
        initial = keras.initializers.Constant(self.start)
        self.scale = self.add_weight(name="scale", shape=input_shape[-1:], initializer=initial)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"start": self.start}


class Mixing:
    """A layer of its own, made in `__init__`, that mixes the channels before the pooling."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.mix = keras.layers.Dense(2, use_bias=False)


def subclass(family: str, rank: int, kind: type) -> type:
    """The layer's class with the weights of `kind`, and a `call` with the arguments of the family's."""
    base = layer_class(family, rank)

    def applied(layer: Any, inputs: Any, *args: Any) -> Any:
        if kind is Scaled:
            return layer.scale * base.call(layer, inputs, *args)
        return base.call(layer, layer.mix(inputs), *args)

    def call(self: Any, inputs: Any) -> Any:
        return applied(self, inputs)

    def call_in_training(self: Any, inputs: Any, training: bool = False) -> Any:
        return applied(self, inputs, training)

    def call_with_indices(self: Any, values: Any, indices: Any) -> Any:
        return applied(self, values, indices)

    chosen = {"FractionalMaxPooling": call_in_training, "MaxUnpooling": call_with_indices}
    return type(f"{kind.__name__}{family}", (kind, base), {"call": chosen.get(family, call)})


def fit_one_step(model: keras.Model, arrays: list[np.ndarray]) -> None:
    """Brings the outputs nearer to 0."""
    # As an object, since Keras 3 does not load "mse" from `.h5`.
    model.compile(keras.optimizers.SGD(RATE), keras.losses.MeanSquaredError())
    zeros = np.zeros((len(arrays[0]), *model.output_shape[1:]), "float32")
    model.fit(arrays, zeros, batch_size=len(zeros), verbose=0)


@every_layer
def test_weights_made_in_build(family: str, rank: int, tmp_path: Path) -> None:
    """They train as by hand, and every copy of the model has them."""
    cls = subclass(family, rank, Scaled)
    arrays = inputs_of(family, rank)
    model = model_of(cls(**ARGUMENTS[family], start=2.0), arrays)
    pooled = as_array(layer_class(family, rank)(**ARGUMENTS[family])(*arrays))
    np.testing.assert_allclose(as_array(model(arrays)), 2 * pooled, rtol=1e-6)

    fit_one_step(model, arrays)
    axes = tuple(range(pooled.ndim - 1))
    trained = 2 - RATE * 2 * 2 * (pooled.astype("float64") ** 2).sum(axes) / pooled.size
    np.testing.assert_allclose(model.layers[-1].scale, trained, rtol=1e-5)

    outputs = as_array(model(arrays))
    custom_objects = {cls.__name__: cls}
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    copies = [clone]
    for name in ("model.keras", "model.h5"):
        model.save(tmp_path / name)
        copies.append(keras.models.load_model(tmp_path / name, custom_objects=custom_objects))
    for copy in copies:
        assert type(copy.layers[-1]) is cls
        assert copy.layers[-1].start == 2
        np.testing.assert_array_equal(as_array(copy(arrays)), outputs)


@by_family
def test_layers_made_in_init(family: str) -> None:
    """They are built with the model, and train."""
    arrays = inputs_of(family, 2)
    model = model_of(subclass(family, 2, Mixing)(**ARGUMENTS[family]), arrays)
    (mix,) = model.trainable_weights
    before = as_array(mix).copy()
    mixed = arrays[0] @ before
    pooled = as_array(layer_class(family, 2)(**ARGUMENTS[family])(mixed, *arrays[1:]))
    np.testing.assert_allclose(as_array(model(arrays)), pooled, rtol=1e-5, atol=1e-6)
    fit_one_step(model, arrays)
    assert (as_array(mix) != before).all()


@keras_3_alone  # Keras 2 takes a mask where `call` does
@pytest.mark.filterwarnings("ignore:Layer '.*' .of type Doubled. was passed an input with a mask")
@pytest.mark.parametrize("family", ["MaxPooling", "GlobalMaxPooling"])
def test_a_call_of_another_signature(family: str) -> None:
    """It need not take a mask, though one arrives, and may take what Keras or the caller passes besides."""
    found = []
    for package in (keras_maxpool, keras.layers):
        base = getattr(package, f"{family}1D")

        class Doubled(base):  # type: ignore[misc, valid-type]
            def call(self, inputs: Any, factor: float = 1.0, training: bool = False) -> Any:
                return base.call(self, inputs) * (4.0 if training else 2.0) * factor  # noqa: B023

        inputs, layer = keras.Input((4,), dtype="int32"), Doubled()
        embedding = keras.layers.Embedding(9, 1, mask_zero=True)
        model = keras.Model(inputs, layer(embedding(inputs), factor=3.0))
        embedding.set_weights([-np.arange(9.0)[:, None]])
        x = np.array([[3, 5, 0, 0], [1, 0, 0, 0]])
        found.append([model(x), model(x, training=True), layer(embedding(x))])
    for ours, builtin in zip(*found, strict=True):
        np.testing.assert_array_equal(as_array(ours), as_array(builtin))
