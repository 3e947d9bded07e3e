"""Converted models: the layers are swapped, everything else stays, and predictions are equal bit for bit."""

import re
import warnings

import keras
import numpy as np
import pytest
from harness.runner import as_array
from tools.models import bits, chain, example, tokens

import keras_maxpool
from keras_maxpool.tools.convert import CannotConvertError, convert, to_builtin, to_keras_maxpool

layers = keras.layers
SHAPE = (8, 9, 3)
# Keras warns of masks that its layers drop, of models that it has not built, and of inputs in a list of one.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:{said}")
    for said in ("Layer .* mask", "You are saving a model", "The structure of `inputs`")
]


def pooling_classes(model):
    return [type(layer) for layer in model._flatten_layers() if "Pooling" in type(layer).__name__]


@keras.saving.register_keras_serializable("test_convert")
class Tower(keras.Model):
    """A subclassed model that holds its pooling in its config."""

    def __init__(self, pool, units=3, **kwargs):
        super().__init__(**kwargs)
        self.pool = pool
        self.mix = layers.Dense(units, name="mix")

    def call(self, inputs):
        return self.mix(self.pool(inputs))

    def get_config(self):
        pool = keras.saving.serialize_keras_object(self.pool)
        return super().get_config() | {"pool": pool, "units": self.mix.units}

    @classmethod
    def from_config(cls, config):
        pool = keras.saving.deserialize_keras_object(config.pop("pool"))
        return cls(pool, **config)


class Sealed(keras.Model):
    """A subclassed model that makes its pooling in its own code."""

    def __init__(self, **_):
        super().__init__()
        self.pool = layers.MaxPooling1D(2, name="inside")

    def call(self, inputs):
        return self.pool(inputs)

    def get_config(self):
        return {}


class Bare(Sealed):
    """A subclassed model that cannot be made without arguments."""

    def __init__(self, rate):
        super().__init__()


class Louder(layers.MaxPooling2D):
    """A subclass of the built-in layer, whose own doings nobody knows."""

    def call(self, inputs):
        return 2 * super().call(inputs)


def called(model, shape=SHAPE):
    model(np.zeros((1, *shape), np.float32))
    return model


def several_inputs():
    """Two inputs in a dict, one pooling layer for both, two named outputs."""
    a, b = (keras.Input(SHAPE, name=name) for name in "ab")
    pool = layers.MaxPooling2D((2, 3), padding="same", name="pool")
    left, right = pool(layers.Conv2D(4, 1)(a)), pool(b)
    outputs = {"left": left, "right": layers.GlobalMaxPooling2D(name="top")(right)}
    return keras.Model({"a": a, "b": b}, outputs, name="twins")


def nested():
    """A model in a model, called twice, beside a Sequential one and a wrapper."""
    inner = keras.Sequential([keras.Input(SHAPE), layers.MaxPooling2D(2, name="p")], name="inner")
    outer = chain((4, 4, 3), layers.Conv2D(2, 1), layers.MaxPooling2D(2, name="pool"), name="outer")
    inputs = keras.Input(SHAPE)
    x = inner(inputs)
    x = layers.Concatenate()([outer(x), outer(layers.ReLU()(x))])
    each = layers.TimeDistributed(layers.MaxPooling1D(2, name="p"), name="each")
    return keras.Model(inputs, each(x))


def stack():
    half = {"dtype": "mixed_float16"}
    pool = layers.MaxPool2D(2, strides=1, padding="same", name="pool", **half)
    return [layers.Conv2D(4, 3, **half), pool, layers.GlobalMaxPool2D(keepdims=True, name="top")]


POOL, BOTH = {"pool": "MaxPooling2D"}, {"pool": "MaxPooling2D", "top": "GlobalMaxPooling2D"}
NESTED = {"inner/p": "MaxPooling2D", "outer/pool": "MaxPooling2D", "each/p": "MaxPooling1D"}
MODELS = {
    "sequential": (lambda: keras.Sequential([keras.Input(SHAPE, name="image"), *stack()]), BOTH),
    "unbuilt": (lambda: called(keras.Sequential(stack())), BOTH),
    "several_inputs": (several_inputs, BOTH),
    "nested": (nested, NESTED),
    "subclassed": (lambda: called(Tower(layers.MaxPooling2D(2, name="pool"))), POOL),
}


def described(model):
    """All that a conversion keeps."""
    names = [getattr(model, name, 0) for name in ("name", "input_names", "output_names")]
    policies = [layer.dtype_policy.name for layer in model._flatten_layers()]
    weights = [w.name for w in model.weights], bits(model.get_weights())
    return type(model), names, [layer.name for layer in model.layers], policies, weights


@pytest.mark.parametrize("model_id", MODELS)
def test_there_and_back(model_id):
    build, swapped = MODELS[model_id]
    keras.utils.set_random_seed(1)
    model = build()
    x = example((2, *SHAPE))
    if model_id == "several_inputs":
        x = {"a": x, "b": x + 1}
    wanted = bits(model(x))
    there = convert(model)
    back = convert(there.model, "builtin")
    for done, home in ((there, keras_maxpool), (back, layers)):
        assert (done.swapped, done.kept, done.masked, done.stale) == (swapped, {}, (), ())
        assert described(done.model) == described(model)
        assert bits(done.model(x)) == wanted
        kinds = pooling_classes(done.model)
        assert sorted(kind.__name__ for kind in kinds) == sorted(swapped.values())
        assert all(kind is getattr(home, kind.__name__) for kind in kinds)
    assert bits(model(x)) == wanted, "the given model stays as it is"
    assert {kind.__module__.partition(".")[0] for kind in pooling_classes(model)} == {"keras"}


def test_every_layer_and_option():
    for rank in (1, 2, 3):
        inputs = keras.Input((*(7, 6, 5)[:rank], 4))
        pool, whole = (getattr(layers, f"{name}Pooling{rank}D") for name in ("Max", "GlobalMax"))
        grid = [pool(3, strides=s, padding=p) for s in (None, 1, 2) for p in ("valid", "same")]
        grid += [whole(keepdims=keepdims) for keepdims in (False, True)]
        grid += [pool(2, data_format="channels_first"), whole(data_format="channels_first")]
        model = keras.Model(inputs, [layer(inputs) for layer in grid])
        there = to_keras_maxpool(model)
        kinds = pooling_classes(there)
        assert len(kinds) == len(grid)
        assert all(kind.__module__.startswith("keras_maxpool.") for kind in kinds)
        x = example((2, *inputs.shape[1:]))
        assert bits(there(x)) == bits(model(x))
        back, configs = to_builtin(there), [layer.get_config() for layer in model.layers]
        assert [layer.get_config() for layer in back.layers] == configs
        assert pooling_classes(back) == pooling_classes(model)


def scheduled():
    return keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5))


def scaled():
    """With more state than slots; Keras wraps one around the other for float16."""
    return keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(use_ema=True))


def trained(optimizer=scheduled):
    keras.utils.set_random_seed(2)
    steps = [layers.Conv2D(3, 3), layers.BatchNormalization()]
    base = keras.Sequential([keras.Input((6, 6, 2)), *steps], name="base")
    # A Sequential model's own flag is not in its config, and the layer's below does not count.
    base.trainable = False
    base.layers[0].trainable = True
    steps = [base, layers.Conv2D(2, 1, trainable=False), layers.MaxPooling2D(2)]
    steps += [layers.Dropout(0.5, seed=3), layers.Flatten(), layers.Dense(2)]
    model = keras.Sequential([keras.Input((6, 6, 2)), *steps])
    model.compile(optimizer(), "mse", metrics=["mae"], jit_compile=False, run_eagerly=True)
    x, y = example((4, 6, 6, 2)), example((4, 2), 1)
    model.fit(x, y, epochs=3, verbose=0)
    return model, x, y


@pytest.mark.parametrize(
    ("to", "optimizer"),
    [("keras_maxpool", scheduled), ("builtin", scheduled), ("keras_maxpool", scaled)],
)
def test_training_goes_on(to, optimizer):
    model, x, y = trained(optimizer)
    if to == "builtin":
        model = to_keras_maxpool(model)
    other = convert(model, to).model

    def state(each):
        return bits([each.optimizer.variables, each.get_weights()])

    assert other.get_compile_config() == model.get_compile_config()
    assert (other.run_eagerly, other.jit_compile) == (True, False)
    flags = [[layer.trainable for layer in one._flatten_layers()] for one in (other, model)]
    assert flags[0] == flags[1]
    # Keras 3.7 does not count the steps of the optimizer around another.
    assert optimizer is scaled or as_array(other.optimizer.iterations) == 3
    assert len(model.optimizer.variables) > 4
    assert state(other) == state(model)
    for each in (model, other):
        each.reset_metrics()
    for _ in range(3):
        assert other.train_on_batch(x, y) == model.train_on_batch(x, y)
    assert state(other) == state(model)


def test_optimizers_that_start_from_zero():
    fresh = keras.Sequential([keras.Input(SHAPE), *stack()])
    fresh.compile("adam", "mse")
    refrozen, *_ = trained()
    refrozen.layers[0].trainable = True
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        others = [to_keras_maxpool(fresh)]
    with pytest.warns(UserWarning, match="'.*' starts from zero"):
        others.append(to_keras_maxpool(refrozen))
    assert [(one.compiled, as_array(one.optimizer.iterations)) for one in others] == [(True, 0)] * 2


def test_what_a_layer_learnt_outside_its_weights():
    """Normalization is kept by Keras's file, and by no list of weights."""
    scale = layers.Normalization()
    scale.adapt(example((9, 8, 3)))
    model, x = chain((8, 3), scale, layers.MaxPooling1D(2)), example((2, 8, 3))
    assert bits(to_keras_maxpool(model)(x)) == bits(model(x))


def test_what_stays():
    """Subclasses of the built-in layers, and its adaptive ones, which Keras 3.7 has not."""
    pool, own = layers.MaxPooling2D(2, name="pool"), Louder(2, name="own")
    adaptive = getattr(layers, "AdaptiveMaxPooling2D", layers.Flatten)
    model = chain(SHAPE, pool, own, *([adaptive(2, name="to")] if "Max" in str(adaptive) else []))
    done = convert(model)
    assert done.swapped == POOL
    assert done.kept.pop("own") == "Louder is a class of your own"
    assert list(done.kept) == [layer.name for layer in model.layers if type(layer) is adaptive]
    assert list(map(type, done.model.layers[2:])) == list(map(type, model.layers[2:]))
    assert bits(done.model(np.ones((1, *SHAPE)))) == bits(model(np.ones((1, *SHAPE))))
    with pytest.warns(UserWarning, match="stays as it is") as said:
        to_keras_maxpool(model)
    assert str(said[0].message) == "'own' stays as it is: Louder is a class of your own."


def test_refused():
    sealed, dense = called(Sealed(), (4, 2)), layers.Dense(4, name="both")
    inputs = keras.Input(SHAPE)
    # Keras 3.15 refuses to load it, Keras 3.7 loads something else.
    shared = keras.Model(inputs, [dense(inputs), chain(SHAPE, dense)(inputs)], name="outer")
    for model, said in (
        (sealed, r"inside: Sealed .*get_config"),
        (called(Bare(0.1), (4, 2)), r"Bare 'bare.*get_config"),
        (shared, r"Layer 'both' is called in model 'outer' and .*"),
        (chain(SHAPE, layers.Lambda(lambda x: x + 1)), r"cannot make Functional .* says: .*Lambda"),
    ):
        with pytest.raises(ValueError, match=said):
            to_keras_maxpool(model)
    with pytest.raises(TypeError, match=r"`model` takes a keras\.Model; received MaxPooling2D"):
        convert(layers.MaxPooling2D())
    with pytest.raises(ValueError, match='Write "keras_maxpool" or "builtin"'):
        convert(sealed, "torch")


def test_every_layer_that_cannot_go_back_is_listed():
    pool = keras_maxpool.MaxPooling2D
    inputs, whole = keras.Input(SHAPE), keras_maxpool.GlobalMaxPooling2D
    values, indices = pool(2, return_indices=True, name="d")(inputs)
    outputs = [
        pool(3, 2, 1, name="a")(inputs),
        pool(3, 2, "same_lower", dilation_rate=(1, 2), name="b")(inputs),
        pool(2, nonfinite="ieee", name="c")(inputs),
        keras_maxpool.MaxUnpooling2D(2, name="u")(values, indices),
        chain(SHAPE, pool(2, ceil_mode=True, name="e"), name="in")(inputs),
        whole(nonfinite="ieee", name="g")(inputs),
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
    assert re.findall("^(.*?):", str(refusal.value), re.M)[1:] == list(refusal.value.reasons)


def test_padding_that_equals_same():
    x = example((1, 7, 3, 2))
    lower, upper = ((2, 1), (2, 1)), ((1, 2), (1, 2))
    fitting = [(5, 2), (4, upper), (5, "same_lower"), (1, "same_lower")]
    for pool, padding in fitting:
        model = chain((None, None, 2), keras_maxpool.MaxPooling2D(pool, 1, padding))
        assert bits(to_builtin(model)(x)) == bits(model(x))
    for padding in (lower, "same_lower"):
        with pytest.raises(CannotConvertError, match="padding"):
            to_builtin(chain((None, None, 2), keras_maxpool.MaxPooling2D(4, 1, padding)))


def masked_in_tower():
    steps = [layers.Masking(), layers.MaxPooling1D(2, name="pool")]
    return called(Tower(keras.Sequential([keras.Input((6, 2)), *steps], name="s")), (6, 2))


@pytest.mark.parametrize(
    ("build", "path"),
    [
        (lambda: tokens(layers.MaxPooling1D(2, name="pool")), "pool"),
        (lambda: tokens(chain((6, 2), layers.GlobalMaxPool1D(name="p"), name="inner")), "inner/p"),
        (masked_in_tower, "s/pool"),
    ],
)
def test_a_mask_is_reported(build, path):
    model = build()
    there = convert(model)
    assert (there.masked, list(there.swapped)) == ((path,), [path])
    with pytest.warns(UserWarning, match=f"A mask reaches '{path}'"):
        ours = to_keras_maxpool(model)
    back = convert(ours, "builtin")
    assert back.masked == (path,)
    if path == "pool":
        x = np.array([[1, 0, 2, 2, 0, 0]] * 2)
        assert bits(back.model(x)) == bits(model(x))
        assert bits(ours(x)) != bits(model(x)), "the warning tells the truth"


def test_masks_that_change_nothing_or_are_not_known_or_are_in_use():
    steps = layers.LSTM(2), layers.Reshape((2, 1)), layers.MaxPooling1D(2)
    done = convert(tokens(*steps))
    assert (done.masked, done.stale) == ((), ())
    with pytest.warns(UserWarning, match="is not known"):
        assert convert(keras.Sequential([layers.Masking(), steps[-1]])).masked == ()
    with pytest.raises(CannotConvertError, match="MaskPooling has no equivalent"):
        to_builtin(tokens(keras_maxpool.MaxPooling1D(2), layers.LSTM(2)))
