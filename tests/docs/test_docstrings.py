"""Each public layer has its whole docstring, and the formulas in it are those of the layer."""

import inspect
import itertools
import math
import re

from harness.layers import every_layer, layer_class

import keras_maxpool

SECTIONS = ("Args", "Call arguments", "Input shape", "Output shape", "Raises", "Example")
AXES = {1: "steps", 2: "height, width", 3: "depth, height, width"}


def section(cls, name):
    """The lines below a heading, which may go on after its name."""
    found = re.search(rf"^{name}(?:,[^:]*)?:\n((?:    .*\n|\n)+)", cls.__doc__ + "\n", re.M)
    assert found, name
    return found[1]


def entries(text):
    return re.findall(r"^    \**(\w+): ", text, re.M)


@every_layer
def test_every_section_is_there(family, rank):
    cls = layer_class(family, rank)
    text = cls.__doc__
    found = re.findall(rf"^({'|'.join(SECTIONS)})\b", text, re.M)
    assert list(dict.fromkeys(found)) == list(SECTIONS)
    assert entries(section(cls, "Args")) == list(inspect.signature(cls).parameters)
    call = list(inspect.signature(cls.call).parameters)[1:]
    assert entries(section(cls, "Call arguments")) == call
    assert entries(section(cls, "Raises")) == ["TypeError", "ValueError"]
    assert text == inspect.cleandoc(text)
    assert text.startswith(("Max ", "The maximum ", "Fractional max "))
    assert f"`{cls.__name__.replace('ooling', 'ool')}` is the same class." in text.split("\n\n")[0]
    assert f"`(batch, {AXES[rank]}, channels)`" in section(cls, "Input shape")
    assert f"keras_maxpool.{cls.__name__}(" in text[text.index("\nExample:\n") :]
    others = {f"{n}D" for n in (1, 2, 3)} - {f"{rank}D"}
    assert not re.findall(rf"ooling(?:{'|'.join(others)})|\{{[a-z_]+\}}", text)


def evaluated(formula, **values):
    functions = {"floor": math.floor, "ceil": math.ceil, "min": min}
    return eval(formula, {"__builtins__": {}}, functions | values)


def formulas(family):
    text = section(layer_class(family, 1), "Output shape")
    return [code for code in re.findall(r"`([^`]+)`", text) if re.search(r"size.* [-+*/] ", code)]


def test_the_formulas_of_pooling():
    explicit, ceiled, named, window = formulas("MaxPooling")
    for size, pool_size, strides, dilation_rate in itertools.product(
        range(1, 8), (1, 2, 3), (1, 2, 3), (1, 2)
    ):
        known = {"pool_size": pool_size, "strides": strides, "dilation_rate": dilation_rate}
        length = evaluated(window, **known)
        cases = [(named, padding, False, (0, 0)) for padding in ("same", "same_lower", "causal")]
        for pair in itertools.product(range(3), range(2)):
            if max(pair) < length <= size + sum(pair):
                cases += [(explicit, (pair,), False, pair), (ceiled, (pair,), True, pair)]
        for formula, padding, ceil_mode, (before, after) in cases:
            layer = keras_maxpool.MaxPooling1D(**known, padding=padding, ceil_mode=ceil_mode)
            sizes = {"size": size, "window": length, "pads": before + after, "before": before}
            wanted = evaluated(formula, **known, **sizes)
            assert layer.compute_output_shape((1, size, 1)) == (1, wanted, 1), layer.get_config()


def test_the_formulas_of_unpooling():
    inferred, named = formulas("MaxUnpooling")
    for size, pool_size, strides in itertools.product(range(1, 6), range(1, 4), range(1, 4)):
        known = {"pool_size": pool_size, "strides": strides}
        for formula, padding, pads in ((named, "same", 0), (inferred, 0, 0), (inferred, 1, 2)):
            wanted = evaluated(formula, size=size, pads=pads, **known)
            if wanted > 0 and pads < 2 * pool_size:
                layer = keras_maxpool.MaxUnpooling1D(**known, padding=padding)
                assert layer.compute_output_shape((1, size, 1))[1] == wanted
