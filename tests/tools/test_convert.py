"""Converted models: the layers are swapped, everything else stays, and predictions are equal bit for bit."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_maxpool
from keras_maxpool.tools.convert import (
    CannotConvertError,
    convert,
    to_builtin,
    to_keras_maxpool,
)

layers = keras.layers


def bits(value: Any) -> list[tuple[tuple[int, ...], str, bytes]]:
    """All that two outputs must share."""
    arrays = [np.asarray(part) for part in tf.nest.flatten(value)]
    return [(array.shape, array.dtype.name, array.tobytes()) for array in arrays]


def pooling_classes(model: keras.Model) -> list[type]:
    """The exact classes of the pooling layers, at any depth."""
    return [type(layer) for layer in model._flatten_layers() if "Pooling" in type(layer).__name__]


def example(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


@keras.saving.register_keras_serializable("test_convert")
class Tower(keras.Model):
    """A subclassed model that holds its pooling in its config."""

    def __init__(self, pool: keras.Layer, units: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pool = pool
        self.mix = layers.Dense(units, name="mix")

    def call(self, inputs: Any) -> Any:
        return self.mix(self.pool(inputs))

    def get_config(self) -> dict[str, Any]:
        pool = keras.saving.serialize_keras_object(self.pool)
        return super().get_config() | {"pool": pool, "units": self.mix.units}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Tower:
        pool = keras.saving.deserialize_keras_object(config.pop("pool"))
        return cls(pool, **config)


class Sealed(keras.Model):
    """A subclassed model that makes its pooling in its own code."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pool = layers.MaxPooling1D(2, name="inside")

    def call(self, inputs: Any) -> Any:
        return self.pool(inputs)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}


class Louder(layers.MaxPooling2D):
    """A subclass of the built-in layer, whose own doings nobody knows."""

    def call(self, inputs: Any) -> Any:
        return 2 * super().call(inputs)


def sequential() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((8, 9, 3), name="image"),
            layers.Conv2D(4, 3),
            layers.MaxPool2D(2, strides=1, padding="same", name="pool"),
            layers.GlobalMaxPool2D(keepdims=True, name="top"),
        ],
        name="stack",
    )


def unbuilt() -> keras.Model:
    model = keras.Sequential([layers.Dense(2), layers.MaxPooling2D(2)])
    model(np.zeros((1, 8, 9, 3), np.float32))
    return model


def several_inputs() -> keras.Model:
    """Two inputs in a dict, one pooling layer for both, two named outputs."""
    a, b = (keras.Input((8, 9, 3), name=name) for name in "ab")
    pool = layers.MaxPooling2D((2, 3), padding="same", name="pool")
    left, right = pool(layers.Conv2D(4, 1)(a)), pool(b)
    outputs = {"left": left, "right": layers.GlobalMaxPooling2D(name="top")(right)}
    return keras.Model({"a": a, "b": b}, outputs, name="twins")


def nested() -> keras.Model:
    """A model in a model, called twice, beside a Sequential one and a wrapper."""
    inner = keras.Sequential([keras.Input((8, 9, 3)), layers.MaxPooling2D(2)], name="inner")
    tail = keras.Input((4, 4, 3))
    functional = keras.Model(
        tail, layers.MaxPooling2D(2, name="pool")(layers.Conv2D(2, 1)(tail)), name="outer"
    )
    inputs = keras.Input((8, 9, 3))
    x = inner(inputs)
    x = layers.Concatenate()([functional(x), functional(layers.ReLU()(x))])
    return keras.Model(inputs, layers.TimeDistributed(layers.MaxPooling1D(2), name="each")(x))


def subclassed() -> keras.Model:
    model = Tower(layers.MaxPooling2D(2, name="pool"))
    model(np.zeros((1, 8, 9, 3), np.float32))
    return model


def half() -> keras.Model:
    inputs = keras.Input((8, 9, 3))
    x = layers.Conv2D(4, 3, dtype="mixed_float16")(inputs)
    return keras.Model(inputs, layers.MaxPooling2D(2, dtype="mixed_float16", name="pool")(x))


def channels_first() -> keras.Model:
    inputs = keras.Input((8, 9, 3))
    x = layers.MaxPooling2D(2, data_format="channels_first", name="pool")(inputs)
    return keras.Model(inputs, layers.GlobalMaxPooling2D("channels_first", name="top")(x))


MODELS: dict[str, tuple[Callable[[], keras.Model], dict[str, str]]] = {
    "sequential": (sequential, {"pool": "MaxPooling2D", "top": "GlobalMaxPooling2D"}),
    "unbuilt": (unbuilt, {"max_pooling2d": "MaxPooling2D"}),
    "several_inputs": (several_inputs, {"pool": "MaxPooling2D", "top": "GlobalMaxPooling2D"}),
    "nested": (
        nested,
        {
            "inner/max_pooling2d": "MaxPooling2D",
            "outer/pool": "MaxPooling2D",
            "each/max_pooling1d": "MaxPooling1D",
        },
    ),
    "subclassed": (subclassed, {"pool": "MaxPooling2D"}),
    "half": (half, {"pool": "MaxPooling2D"}),
    "channels_first": (channels_first, {"pool": "MaxPooling2D", "top": "GlobalMaxPooling2D"}),
}


@pytest.mark.parametrize("model_id", MODELS)
def test_there_and_back(model_id: str) -> None:
    build, swapped = MODELS[model_id]
    keras.backend.clear_session()
    keras.utils.set_random_seed(1)
    model = build()
    x: Any = example((2, 8, 9, 3))
    if model_id == "several_inputs":
        x = {"a": x, "b": x + 1}
    wanted = bits(model(x))
    there = convert(model)
    assert (there.swapped, there.kept, there.masked) == (swapped, {}, ())
    back = convert(there.model, "builtin")
    assert (back.swapped, back.kept, back.masked) == (swapped, {}, ())
    for new, home in ((there.model, keras_maxpool), (back.model, layers)):
        assert type(new) is type(model)
        assert new.name == model.name
        assert bits(new(x)) == wanted
        assert [layer.name for layer in new.layers] == [layer.name for layer in model.layers]
        kinds = pooling_classes(new)
        assert len(kinds) == len(swapped)
        assert all(kind is getattr(home, kind.__name__) for kind in kinds)
        assert [w.name for w in new.weights] == [w.name for w in model.weights]
        assert bits(new.get_weights()) == bits(model.get_weights())
        policies = [layer.dtype_policy.name for layer in new._flatten_layers()]
        assert policies == [layer.dtype_policy.name for layer in model._flatten_layers()]
        for attribute in ("input_names", "output_names"):
            assert getattr(new, attribute, 0) == getattr(model, attribute, 0)
    assert bits(model(x)) == wanted, "the given model stays as it is"
    assert {kind.__module__.partition(".")[0] for kind in pooling_classes(model)} == {"keras"}


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_every_layer_and_option(rank: int) -> None:
    inputs = keras.Input((*(7, 6, 5)[:rank], 2))
    grid = [
        getattr(layers, f"MaxPooling{rank}D")(3, strides=strides, padding=padding)
        for strides in (None, 1, 2)
        for padding in ("valid", "same")
    ] + [
        getattr(layers, f"GlobalMaxPooling{rank}D")(keepdims=keepdims) for keepdims in (False, True)
    ]
    model = keras.Model(inputs, [layer(inputs) for layer in grid])
    x = example((2, *inputs.shape[1:]))
    there = to_keras_maxpool(model)
    assert len(pooling_classes(there)) == 8
    assert all(kind.__module__.startswith("keras_maxpool.") for kind in pooling_classes(there))
    assert bits(there(x)) == bits(model(x))
    back = to_builtin(there)
    wanted = [layer.get_config() for layer in model.layers]
    assert [layer.get_config() for layer in back.layers] == wanted
    assert pooling_classes(back) == pooling_classes(model)


# --- Training goes on ---


def trained(loss: Any = "mse") -> tuple[keras.Model, np.ndarray, np.ndarray]:
    keras.utils.set_random_seed(2)
    base = keras.Sequential(
        [keras.Input((6, 6, 2)), layers.Conv2D(3, 3), layers.BatchNormalization()], name="base"
    )
    # A Sequential model's own flag is not in its config, and the layer's below does not count.
    base.trainable = False
    base.layers[0].trainable = True
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            base,
            layers.Conv2D(2, 1, trainable=False),
            layers.MaxPooling2D(2),
            layers.Dropout(0.5, seed=3),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    model.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)),
        loss,
        metrics=["mae"],
        jit_compile=False,
        run_eagerly=True,
    )
    x, y = example((4, 6, 6, 2)), example((4, 2), 1)
    model.fit(x, y, epochs=3, verbose=0)
    return model, x, y


@pytest.mark.parametrize("to", ["keras_maxpool", "builtin"])
def test_training_goes_on(to: str) -> None:
    model, x, y = trained()
    if to == "builtin":
        model = to_keras_maxpool(model)
    other = convert(model, to).model
    assert other.get_compile_config() == model.get_compile_config()
    assert (other.run_eagerly, other.jit_compile) == (True, False)
    assert [layer.trainable for layer in other._flatten_layers()] == [
        layer.trainable for layer in model._flatten_layers()
    ]
    state = model.optimizer.variables
    assert int(other.optimizer.iterations.numpy()) == 3
    assert len(state) > 4
    assert bits(list(other.optimizer.variables)) == bits(list(state))
    for each in (model, other):
        each.reset_metrics()
    for _ in range(3):
        assert other.train_on_batch(x, y) == model.train_on_batch(x, y)
    assert bits(other.get_weights()) == bits(model.get_weights())
    assert bits(list(other.optimizer.variables)) == bits(list(state))


def test_scaled_losses_and_averaged_weights() -> None:
    """Optimizers with more state than slots; Keras wraps one around the other for float16."""
    keras.utils.set_random_seed(6)
    model = keras.Sequential(
        [
            keras.Input((4, 4, 2)),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(1, dtype="mixed_float16"),
        ]
    )
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(use_ema=True))
    model.compile(optimizer, "mse", jit_compile=False)
    x, y = example((4, 4, 4, 2)), example((4, 1), 1)
    model.fit(x, y, epochs=3, verbose=0)
    other = to_keras_maxpool(model)
    assert bits(list(other.optimizer.variables)) == bits(list(model.optimizer.variables))
    for each in (model, other):
        each.reset_metrics()
    for _ in range(3):
        assert other.train_on_batch(x, y) == model.train_on_batch(x, y)


def test_compiled_but_never_trained() -> None:
    model = sequential()
    model.compile("adam", "mse")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        other = to_keras_maxpool(model)
    assert other.compiled
    assert int(other.optimizer.iterations.numpy()) == 0


def test_optimizer_of_other_weights() -> None:
    model, *_ = trained()
    model.layers[0].trainable = True
    with pytest.warns(UserWarning, match="it starts from zero"):
        other = to_keras_maxpool(model)
    assert int(other.optimizer.iterations.numpy()) == 0


def test_a_loss_of_the_users_own() -> None:
    def odd(y: Any, predicted: Any) -> Any:
        return tf.reduce_mean(tf.abs(y - predicted))

    model, x, y = trained(odd)
    with keras.saving.custom_object_scope({"odd": odd}):
        other = to_keras_maxpool(model)
    assert other.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)


def test_what_a_layer_learnt_outside_its_weights() -> None:
    """Normalization and vocabularies are kept by Keras's file, and by no list of weights."""
    words = layers.StringLookup(output_mode="int")
    words.adapt(["pool", "max", "max"])
    text = keras.Input((4,), dtype="string")
    model = keras.Model(text, layers.MaxPooling1D(2)(layers.Embedding(5, 2)(words(text))))
    x = tf.constant([["max", "pool", "none", "max"]])
    assert bits(to_keras_maxpool(model)(x)) == bits(model(x))

    scale = layers.Normalization()
    scale.adapt(example((9, 8, 3)))
    model = keras.Sequential([keras.Input((8, 3)), scale, layers.MaxPooling1D(2)])
    x = example((2, 8, 3))
    assert bits(to_keras_maxpool(model)(x)) == bits(model(x))


# --- What stays, and what is refused ---


def test_a_subclass_of_the_builtin_stays() -> None:
    inputs = keras.Input((8, 8, 3))
    x = Louder(2, name="own")(layers.MaxPooling2D(2, name="pool")(inputs))
    model = keras.Model(inputs, x)
    done = convert(model)
    assert (done.swapped, done.kept) == (
        {"pool": "MaxPooling2D"},
        {"own": "Louder is a class of your own"},
    )
    assert type(done.model.get_layer("own")) is Louder
    assert bits(done.model(np.ones((1, 8, 8, 3)))) == bits(model(np.ones((1, 8, 8, 3))))
    with pytest.warns(UserWarning, match="'own' stays as it is: Louder"):
        to_keras_maxpool(model)


def test_the_builtin_adaptive_layers_stay() -> None:
    if not hasattr(layers, "AdaptiveMaxPooling2D"):
        pytest.skip("this Keras has no adaptive pooling; a newer one has: pip install -U keras")
    pool = layers.AdaptiveMaxPooling2D(3, name="adaptive")
    done = convert(keras.Sequential([keras.Input((8, 8, 3)), pool]))
    assert done.swapped == {}
    assert list(done.kept) == ["adaptive"]
    assert type(done.model.get_layer("adaptive")) is layers.AdaptiveMaxPooling2D


def test_a_class_that_makes_its_own_layers() -> None:
    model = Sealed(name="sealed")
    model(np.zeros((1, 4, 2)))
    with pytest.raises(CannotConvertError, match=r"inside: Sealed .*get_config") as refusal:
        to_keras_maxpool(model)
    assert list(refusal.value.reasons) == ["inside"]


def test_a_class_without_config() -> None:
    class Bare(keras.Model):
        def __init__(self, pool: keras.Layer) -> None:
            super().__init__()
            self.pool = pool

        def call(self, inputs: Any) -> Any:
            return self.pool(inputs)

    model = Bare(layers.MaxPooling1D(2))
    model(np.zeros((1, 4, 2)))
    with pytest.raises(ValueError, match=r"Bare 'bare.*get_config"):
        to_keras_maxpool(model)


def test_a_layer_shared_with_an_inner_model() -> None:
    """Keras 3.15 refuses to load it, Keras 3.7 loads something else."""
    dense = layers.Dense(4, name="both")
    tail = keras.Input((8, 8, 3))
    inner = keras.Model(tail, dense(tail), name="inner")
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, [dense(inputs), inner(inputs)], name="outer")
    with pytest.raises(ValueError, match=r"Layer 'both' is called in model 'outer' and .*"):
        to_keras_maxpool(model)


def test_an_input_shared_with_an_inner_model() -> None:
    inputs = keras.Input((8, 8, 3))
    inner = keras.Model(inputs, layers.MaxPooling2D(2, name="pool")(inputs), name="inner")
    model = keras.Model(inputs, [inner(inputs), layers.MaxPooling2D(3)(inputs)])
    x = example((1, 8, 8, 3))
    assert bits(to_keras_maxpool(model)(x)) == bits(model(x))


def test_a_part_of_a_larger_model() -> None:
    """Layers have calls that are not this model's."""
    whole = keras.Sequential([keras.Input((8, 9, 3)), layers.MaxPooling2D(2), layers.Dense(2)])
    part = keras.Model(whole.inputs, whole.layers[0].output)
    x = example((1, 8, 9, 3))
    assert bits(to_keras_maxpool(part)(x)) == bits(part(x))


def test_lambda_of_python_code_is_not_run() -> None:
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, layers.MaxPooling2D(2)(layers.Lambda(lambda x: x + 1)(inputs)))
    with pytest.raises(ValueError, match=r"cannot make Functional .* Keras says: .*Lambda"):
        to_keras_maxpool(model)


def test_every_layer_that_cannot_go_back_is_listed() -> None:
    pool = keras_maxpool.MaxPooling2D
    inputs = keras.Input((8, 8, 3))
    inner = keras.Sequential([keras.Input((8, 8, 3)), pool(2, ceil_mode=True, name="e")], name="in")
    values, indices = pool(2, return_indices=True, name="d")(inputs)
    outputs = [
        pool(3, strides=2, padding=1, name="a")(inputs),
        pool(3, strides=2, padding="same_lower", dilation_rate=(1, 2), name="b")(inputs),
        pool(2, nonfinite="ieee", name="c")(inputs),
        keras_maxpool.MaxUnpooling2D(2, name="u")(values, indices),
        inner(inputs),
        keras_maxpool.GlobalMaxPooling2D(nonfinite="ieee", name="g")(inputs),
        pool(2, padding="same", implementation="direct", name="fine")(inputs),
    ]
    with pytest.raises(CannotConvertError) as refusal:
        to_builtin(keras.Model(inputs, outputs))
    has_no = "the built-in layer has no "
    assert refusal.value.reasons == {
        "a": has_no + "padding=((1, 1), (1, 1))",
        "b": has_no + "padding='same_lower', dilation_rate=(1, 2)",
        "c": has_no + "nonfinite='ieee'",
        "d": has_no + "return_indices=True",
        "u": "MaxUnpooling2D has no equivalent in keras.layers",
        "in/e": has_no + "ceil_mode=True",
        "g": has_no + "nonfinite='ieee'",
    }
    assert [line.partition(":")[0] for line in str(refusal.value).splitlines()[1:]] == list(
        refusal.value.reasons
    )


@pytest.mark.parametrize(
    ("pool", "padding", "fits"),
    [
        (5, 2, True),
        (4, ((1, 2), (1, 2)), True),
        (4, ((2, 1), (2, 1)), False),
        (5, "same_lower", True),
        (4, "same_lower", False),
        (1, "same_lower", True),
    ],
)
def test_padding_that_equals_same(pool: int, padding: Any, fits: bool) -> None:
    layer = keras_maxpool.MaxPooling2D(pool, strides=1, padding=padding)
    model = keras.Sequential([keras.Input((None, None, 2)), layer])
    x = example((1, 7, 3, 2))
    if fits:
        assert bits(to_builtin(model)(x)) == bits(model(x))
    else:
        with pytest.raises(CannotConvertError, match="padding"):
            to_builtin(model)


@pytest.mark.parametrize("call", [to_keras_maxpool, to_builtin, convert])
def test_no_model(call: Callable) -> None:
    with pytest.raises(TypeError, match=r"`model` takes a keras\.Model; received MaxPooling2D"):
        call(layers.MaxPooling2D())


def test_unknown_target() -> None:
    with pytest.raises(ValueError, match='Write "keras_maxpool" or "builtin"'):
        convert(sequential(), "torch")


# --- Masks ---


def masked_functional() -> keras.Model:
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Embedding(5, 2, mask_zero=True)(inputs)
    return keras.Model(inputs, layers.MaxPooling1D(2, name="pool")(x))


def masked_nested() -> keras.Model:
    """The mask comes from outside of the model that pools."""
    inputs = keras.Input((6, 2))
    inner = keras.Model(inputs, layers.GlobalMaxPooling1D(name="pool")(inputs), name="inner")
    outer = keras.Input((6,), dtype="int32")
    return keras.Model(outer, inner(layers.Embedding(5, 2, mask_zero=True)(outer)))


def masked_sequential() -> keras.Model:
    return keras.Sequential(
        [keras.Input((6, 2)), layers.Masking(), layers.MaxPooling1D(2, name="pool")]
    )


def masked_wrapper() -> keras.Model:
    # Keras 3.7's TimeDistributed refuses a mask where the batch size is unknown.
    inputs = keras.Input((3, 4, 2), batch_size=2)
    x = layers.Masking()(layers.Reshape((3, 8))(inputs))
    x = layers.TimeDistributed(layers.Reshape((4, 2)))(x)
    return keras.Model(
        inputs, layers.TimeDistributed(layers.MaxPooling1D(2, name="pool"), name="each")(x)
    )


def masked_subclass() -> keras.Model:
    model = Tower(
        keras.Sequential([layers.Masking(), layers.MaxPooling1D(2, name="pool")], name="s")
    )
    model(np.zeros((1, 6, 2), np.float32))
    return model


@pytest.mark.parametrize(
    ("build", "path"),
    [
        (masked_functional, "pool"),
        (masked_nested, "inner/pool"),
        (masked_sequential, "pool"),
        (masked_wrapper, "each/pool"),
        (masked_subclass, "s/pool"),
    ],
)
def test_a_mask_is_reported(build: Callable[[], keras.Model], path: str) -> None:
    model = build()
    there = convert(model)
    assert there.masked == (path,)
    assert list(there.swapped) == [path]
    with pytest.warns(UserWarning, match=f"A mask reaches '{path}'"):
        ours = to_keras_maxpool(model)
    back = convert(ours, "builtin")
    assert back.masked == (path,)
    x = np.zeros((2, *model.input_shape[1:]), np.int32) if build is masked_functional else None
    if x is not None:
        x[:, :4] = [1, 0, 2, 2]
        assert bits(back.model(x)) == bits(model(x))
        assert bits(ours(x)) != bits(model(x)), "the warning tells the truth"


def test_a_mask_that_reaches_no_pooling_is_not_reported() -> None:
    inputs = keras.Input((6,), dtype="int32")
    x = layers.LSTM(2)(layers.Embedding(5, 2, mask_zero=True)(inputs))
    x = layers.MaxPooling1D(2)(layers.Reshape((2, 1))(x))
    assert convert(keras.Model(inputs, x)).masked == ()


def test_a_pooled_mask_in_use_cannot_go_back() -> None:
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Embedding(5, 2, mask_zero=True)(inputs)
    model = keras.Model(inputs, layers.LSTM(2)(keras_maxpool.MaxPooling1D(2)(x)))
    with pytest.raises(CannotConvertError, match="MaskPooling has no equivalent"):
        to_builtin(model)


def test_a_model_whose_inputs_are_unknown() -> None:
    model = keras.Sequential([layers.Masking(), layers.MaxPooling1D(2)])
    with pytest.warns(UserWarning, match="is not known"):
        assert convert(model).masked == ()


# --- keras.applications ---


@pytest.mark.parametrize(
    ("name", "size", "count"),
    [
        ("VGG16", 32, 6),
        ("ResNet50", 32, 2),
        pytest.param("InceptionV3", 75, 5, marks=pytest.mark.slow),
        pytest.param("DenseNet121", 32, 2, marks=pytest.mark.slow),
        pytest.param("NASNetMobile", 32, 9, marks=pytest.mark.slow),
    ],
)
def test_applications(name: str, size: int, count: int) -> None:
    keras.backend.clear_session()
    keras.utils.set_random_seed(4)
    # The dense layers of VGG16 are large; global max pooling stands in, and is swapped too.
    model = getattr(keras.applications, name)(
        weights=None, include_top=False, input_shape=(size, size, 3), pooling="max"
    )
    x = example((2, size, size, 3))
    there = convert(model)
    assert len(there.swapped) == count
    assert pooling_classes(there.model).count(keras_maxpool.MaxPooling2D) == count - 1
    assert pooling_classes(there.model).count(keras_maxpool.GlobalMaxPooling2D) == 1
    assert [layer.name for layer in there.model.layers] == [layer.name for layer in model.layers]
    wanted = bits(model(x))
    assert len(set(np.frombuffer(wanted[0][2], np.float32))) > 10
    assert bits(there.model(x)) == wanted
    assert bits(to_builtin(there.model)(x)) == wanted
