"""Arguments set after a layer was made: it runs and describes itself as if made with them.

test_bad_input has those that are refused.
"""

import copy
from typing import Any

import numpy as np
import pytest
from harness.keras_version import keras, tree
from harness.runner import BACKEND, as_array, as_arrays, as_tensor

import keras_maxpool

# For each family, what it is made with, and what is set later, as a user may write it.
FIRST = {"data_format": "channels_first"}
BOTH = FIRST | {"return_indices": True}
FAMILIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "MaxPooling": (
        {"pool_size": 3, "strides": 2, "padding": 1},
        {"pool_size": 2, "strides": 1, "padding": "SAME", "data_format": "Channels_First"}
        | {"dilation_rate": 2, "ceil_mode": True, "return_indices": True, "nonfinite": "ieee"}
        | {"implementation": "shifted", "indices_convention": "tensorflow"},
    ),
    "GlobalMaxPooling": ({}, BOTH | {"keepdims": True, "nonfinite": "ieee"}),
    "AdaptiveMaxPooling": ({"output_size": 2}, BOTH | {"output_size": 3}),
    "FractionalMaxPooling": (
        {"pooling_ratio": 1.5},
        BOTH | {"pooling_ratio": 2, "pseudo_random": True, "overlapping": True, "seed": 5},
    ),
    "MaxUnpooling": (
        {"pool_size": 3, "strides": 3},
        FIRST
        | {"pool_size": 4, "strides": 4, "padding": 1}
        | {"output_size": 20, "indices_convention": "tensorflow"},
    ),
}
SIZES = {1: (12,), 2: (7, 8), 3: (5, 6, 7)}
ARGUMENTS = [(family, argument) for family, (_, later) in FAMILIES.items() for argument in later]
every_argument = pytest.mark.parametrize(("family", "argument"), ARGUMENTS)


def made(family: str, rank: int = 2, **options: Any) -> Any:
    options = FAMILIES[family][0] | options
    return getattr(keras_maxpool, f"{family}{rank}D")(**options)


def inputs_of(family: str, rank: int = 2) -> list[Any]:
    """An array whose channels count 5; for unpooling small indices to go with it."""
    rng = np.random.default_rng(rank)
    x = rng.normal(size=(2, *SIZES[rank], 5)).astype("float32")
    if family != "MaxUnpooling":
        x[0].flat[3] = np.nan
        return [x]
    return [x, rng.integers(0, 5, x.shape)]


def outputs(layer: Any, inputs: list[Any]) -> str:
    """What the layer returns, written out so that NaN equals NaN."""
    return repr([array.tolist() for array in as_arrays(layer(*inputs))])


def description(layer: Any, inputs: list[Any]) -> list[Any]:
    """What the layer says of itself, but its name."""
    symbols = [keras.Input(x.shape[1:], batch_size=2, dtype=x.dtype.name) for x in inputs]
    config = layer.get_config()
    del config["name"]
    return [
        config,
        repr(layer.compute_output_shape(*(x.shape for x in inputs))),
        [tuple(symbol.shape) for symbol in tree.flatten(layer(*symbols))],
    ]


@every_argument
def test_every_argument_acts(family: str, argument: str) -> None:
    """Before the first call and after it."""
    rank = 1 + ARGUMENTS.index((family, argument)) % 3
    value = FAMILIES[family][1][argument]
    inputs = inputs_of(family, rank)
    shown = {"return_indices": True} if argument == "indices_convention" else {}
    options = shown if family == "MaxPooling" else {}
    wanted = made(family, rank, **options, **{argument: value})
    used, unused = made(family, rank, **options), made(family, rank, **options)
    before = outputs(used, inputs)
    for layer in (used, unused):
        setattr(layer, argument, value)
        assert getattr(layer, argument) == getattr(wanted, argument)
        assert outputs(layer, inputs) == outputs(wanted, inputs)
        assert description(layer, inputs) == description(wanted, inputs)
    # These need not change the values; in max pooling on TensorFlow the second has to.
    same = argument in ("implementation", "nonfinite")
    if (family, argument, BACKEND) == ("MaxPooling", "nonfinite", "tensorflow"):
        same = False
    assert same or outputs(used, inputs) != before


def test_no_argument_is_forgotten() -> None:
    """An argument that is new to a layer belongs into this test."""
    for family, (_, later) in FAMILIES.items():
        own = made(family).get_config().keys() - {"name", "trainable", "dtype"}
        assert own == later.keys(), family


def test_values_become_those_of_the_constructor() -> None:
    layer = keras_maxpool.MaxPooling2D(4, 2)
    for name, value, held in [
        ("strides", np.int64(1), (1, 1)),
        ("strides", None, (4, 4)),
        ("padding", [1, (0, 2)], ((1, 1), (0, 2))),
        ("data_format", None, keras.backend.image_data_format()),
    ]:
        setattr(layer, name, value)
        assert getattr(layer, name) == held
    layer.pool_size = 3  # the strides were those of the window when they were set
    assert layer.strides == (4, 4)


def test_masks_follow() -> None:
    x = inputs_of("MaxPooling")[0]
    mask = as_tensor(np.random.default_rng(9).random((2, *SIZES[2])) < 0.2)
    for argument in ("pool_size", "strides", "padding", "dilation_rate", "ceil_mode"):
        value = FAMILIES["MaxPooling"][1][argument]
        layer, wanted = made("MaxPooling"), made("MaxPooling", **{argument: value})
        before = as_array(layer.compute_mask(x, mask)).tolist()
        setattr(layer, argument, value)
        pooled = as_array(wanted.compute_mask(x, mask)).tolist()
        assert pooled != before
        assert as_array(layer.compute_mask(x, mask)).tolist() == pooled
        np.testing.assert_array_equal(*(as_array(pool(x, mask=mask)) for pool in (layer, wanted)))


def draws(layer: Any, training: Any, count: int = 4) -> list[Any]:
    x = np.arange(40.0, dtype="float32").reshape(1, 40, 1)
    return [as_array(layer(x, training=training)).ravel().tolist() for _ in range(count)]


def test_a_traced_step_follows_a_seed_set_later(tf: Any) -> None:
    """As its generator is a variable."""
    layer, wanted = (keras_maxpool.FractionalMaxPooling1D(1.5, seed=seed) for seed in (3, 7))
    step = tf.function(lambda x, training: layer(x, training=True))
    draws(step, True)
    layer.seed = 7
    assert draws(step, True) == draws(wanted, True)
    assert step.experimental_get_tracing_count() == 1


def test_a_seed_set_later_starts_anew() -> None:
    layer, wanted = (keras_maxpool.FractionalMaxPooling1D(1.5, seed=seed) for seed in (3, 7))
    inference, training = draws(wanted, False), draws(wanted, True)
    draws(layer, True)
    layer.seed = 7
    assert draws(layer, True) == training
    with pytest.raises(ValueError, match="`seed` is out of range; received seed=-1"):
        layer.seed = -1
    assert draws(layer, True) == draws(wanted, True)  # which a refused seed leaves alone
    layer.seed = 7
    assert draws(layer, False) == inference
    assert draws(layer, True) == training
    layer.pseudo_random = False  # which is no seed, so that the draws go on
    assert draws(layer, True) != training
    layer.seed = None
    assert draws(layer, True) != draws(layer, True)
    assert draws(layer, False) == draws(keras_maxpool.FractionalMaxPooling1D(1.5), False)


def test_copies_have_what_was_set() -> None:
    x = inputs_of("MaxPooling")
    for copied in (copy.copy, copy.deepcopy):
        layer = keras_maxpool.MaxPooling2D(2)
        layer.strides = 1
        twin = copied(layer)
        twin.padding = "same"
        assert outputs(twin, x) == outputs(keras_maxpool.MaxPooling2D(2, 1, "same"), x)
        assert outputs(layer, x) == outputs(keras_maxpool.MaxPooling2D(2, 1), x)


class Dyadic(keras_maxpool.MaxPooling1D):
    """Sets arguments of the base before and after its `__init__`, and has one of its own."""

    own_arguments = (*keras_maxpool.MaxPooling1D.own_arguments, "power")

    def __init__(self, power: int, pool_size: Any = 2, **kwargs: Any) -> None:
        self.pool_size = pool_size
        super().__init__(pool_size, **kwargs)
        self.strides = 2**power
        self.power = power


def test_subclasses_set_arguments_where_they_like() -> None:
    layer = Dyadic(1, 3)
    assert layer.pool_size == (3,)
    assert layer.strides == (2,)
    layer.power = 2
    layer.padding = 1
    twin = Dyadic.from_config({"power": 0, "pool_size": 2, "padding": layer.padding})
    assert (layer.power, layer.padding) == (2, ((1, 1),))
    assert (twin.power, twin.strides, twin.padding) == (0, (1,), ((1, 1),))
    with pytest.raises(ValueError, match="`pool_size` must be positive"):
        layer.pool_size = 0
