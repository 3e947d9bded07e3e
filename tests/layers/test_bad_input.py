"""Bad arguments and inputs of every layer: an error names the argument, shows it, and says what to write instead.

tests/unit has more values of each kind, and whole texts.
"""

import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from harness.install import tensorflow_alone
from harness.keras_version import keras
from harness.layers import FAMILIES, OPS, by_family, every_layer, layer, layer_class
from harness.runner import BACKEND, as_tensor

NAN, INF = float("nan"), float("inf")
WINDOWED = ("MaxPooling", "MaxUnpooling")
INDEXED = tuple(family for family in FAMILIES if family != "MaxUnpooling")
FRACTIONAL = ("FractionalMaxPooling",)


class Bad(NamedTuple):
    """Options that some families refuse, the first of them if the others are set, and parts of the error's text."""

    families: tuple[str, ...]
    options: dict[str, Any]
    error: type[Exception]
    fragments: tuple[str, ...]


def bad_integers(rank: int) -> Iterator[Bad]:
    """What takes one integer, or one per axis."""
    for name, families in {
        "pool_size": WINDOWED,
        "strides": WINDOWED,
        "dilation_rate": ("MaxPooling",),
        "output_size": ("MaxUnpooling", "AdaptiveMaxPooling"),
    }.items():
        # Adaptive pooling has another example.
        example = () if name == "output_size" else (f"{name}={(2,) * rank}",)
        for value, error, why in [
            ((*(2,) * (rank - 1), True), TypeError, "not booleans"),
            ((*(2,) * (rank - 1), 2.0), TypeError, "not float"),
            ([[2]] * rank, TypeError, "not list"),
            ("2", TypeError, "not str"),
            ({2}, TypeError, "not set"),
            (0, ValueError, "positive"),
            (np.full(rank, 2**31), ValueError, "below 2**31"),
            ((2,) * (rank + 1), ValueError, f"which has {rank + 1}"),
        ]:
            yield Bad(families, {name: value}, error, (why, "one per axis", *example))
        yield Bad(families, {name: as_tensor([2.0] * rank)}, TypeError, ("takes integers", "Write"))
    yield Bad(("AdaptiveMaxPooling",), {"output_size": None}, TypeError, ("not NoneType", "None"))
    options = {"dilation_rate": 2**16, "pool_size": 2**16}
    parts = "`dilation_rate`", "`pool_size`", f"pool_size=({2**16}", "smaller"
    yield Bad(("MaxPooling",), options, ValueError, parts)


def bad_paddings(rank: int) -> Iterator[Bad]:
    pairs = ((0, 1),) * rank
    for value, error, *fixes in [
        ("full", ValueError, '"valid"', '"same"', '"same_lower"', *['"causal"'] * (rank == 1)),
        (None, TypeError, str(pairs)),
        (-1, ValueError, str(pairs)),
        ((pairs,), ValueError, str(pairs)),
        *[("Causal", ValueError, "1D only", f"{rank}D", "pair")] * (rank > 1),
    ]:
        yield Bad(WINDOWED, {"padding": value}, error, tuple(fixes))
    spans = "`padding`", "received padding=((3, 3)", "spans 3", "at most 2"
    yield Bad(WINDOWED, {"padding": 3, "pool_size": 3}, ValueError, spans)
    for padding in ("SAME", "same_lower", *["causal"] * (rank == 1)):
        fixes = "`ceil_mode`", "Drop ceil_mode", "pads as integers", padding.lower()
        options = {"ceil_mode": True, "padding": padding}
        yield Bad(("MaxPooling",), options, ValueError, fixes)


def bad_choices(rank: int) -> Iterator[Bad]:
    for name, families, *choices in [
        ("data_format", tuple(FAMILIES), '"channels_last"', '"channels_first"'),
        ("nonfinite", INDEXED[:2], '"backend"', '"ieee"'),
        ("implementation", INDEXED[:1], '"auto"', '"direct"', '"separable"', '"shifted"'),
        ("indices_convention", WINDOWED, '"torch"', '"onnx_column_major"'),
    ]:
        for value in ("nonsense", 1, np.array(["a", "b"])):
            yield Bad(families, {name: value}, ValueError, tuple(choices))
    for name, families in {
        "ceil_mode": INDEXED[:1],
        "return_indices": INDEXED,
        "keepdims": INDEXED[1:2],
        "pseudo_random": FRACTIONAL,
        "overlapping": FRACTIONAL,
    }.items():
        for value in (0, 1, None, np.True_):
            yield Bad(families, {name: value}, TypeError, ("True or False",))
    if BACKEND == "tensorflow":  # which alone has several implementations
        options = {"dilation_rate": 2, "implementation": "direct"}
        parts = "`implementation`", '"auto"', '"separable"', "received dilation_rate=(2"
        yield Bad(INDEXED[:1], options, ValueError, parts)


def bad_numbers(rank: int) -> Iterator[Bad]:
    for value, error, why in [
        (0.5, ValueError, "at least 1"),
        ((*[1.5] * (rank - 1), -1), ValueError, "at least 1"),
        (NAN, ValueError, "at least 1"),
        (INF, ValueError, "below 2**31"),
        (10**400, ValueError, "below 2**31"),
        ([1, *[1.44] * rank, 1], ValueError, f"which has {rank + 2}"),
        ("1.5", TypeError, "takes numbers, not str"),
        (True, TypeError, "takes numbers, not bool"),
        ((*[1.5] * (rank - 1), None), TypeError, "takes numbers, not NoneType"),
    ]:
        yield Bad(FRACTIONAL, {"pooling_ratio": value}, error, (why, "pooling_ratio=1.44"))
    for value, error, why in [
        (1.5, TypeError, "takes integers, not float"),
        (True, TypeError, "not booleans"),
        (-1, ValueError, "out of range"),
        (2**31, ValueError, "out of range"),
    ]:
        yield Bad(FRACTIONAL, {"seed": value}, error, (why, "2**31 - 1"))


def outcome(call: Callable[[], Any]) -> tuple[type[Exception] | None, str]:
    """The error that a call raises, and its text."""
    try:
        return None, repr(call())
    except Exception as error:
        return type(error), str(error)


def assert_refused(call: Callable[[], Any], case: tuple, error: type, fragments: Any) -> str:
    """The text of the error, which has all fragments."""
    raised, text = outcome(call)
    assert raised is error, (case, text)
    assert [part for part in fragments if part not in text] == [], (case, text)
    return text


@every_layer
@pytest.mark.parametrize("table", [bad_integers, bad_paddings, bad_choices, bad_numbers])
def test_arguments(table: Callable[[int], Iterator[Bad]], family: str, rank: int) -> None:
    """The layer refuses them when it is made and when they are set later, and the op says the same."""
    x = np.zeros([1, *[8] * rank, 1], "float32")
    tensors = (x, np.zeros(x.shape, "int64")) if family == "MaxUnpooling" else (x,)
    for case in (case for case in table(rank) if family in case.families):
        (name, value), *others = case.options.items()
        parts = case.fragments
        if not others and not hasattr(value, "device"):
            parts += f"`{name}`", f"received {name}={value!r}"
        made = lambda options=case.options: layer(family, rank, **options)  # noqa: E731
        error = case.error, assert_refused(made, case, case.error, parts)

        before = layer(family, rank, **dict(others))
        config = before.get_config()
        assert outcome(lambda: setattr(before, name, value)) == error, case  # noqa: B023
        assert before.get_config() == config

        if name not in inspect.signature(OPS[family]).parameters:
            continue
        options = FAMILIES[family] | case.options
        of_op = outcome(lambda: OPS[family](*tensors, **options))  # noqa: B023
        if name == "pool_size" and "which has" in error[1] and rank < 3:
            # An op cannot know its rank: the batch axis may be missing.
            argument = "inputs" if family == "MaxPooling" else "values"
            assert of_op[0] is case.error
            assert f"expand_dims({argument}, 0)" in of_op[1]
        else:
            assert of_op == error, case


class BadInput(NamedTuple):
    """A tensor that a layer refuses, with one text however it gets there."""

    family: str
    rank: int
    shape: tuple[int | None, ...]
    options: dict[str, Any]
    error: type[Exception]
    fragments: tuple[str, ...]
    dtype: str = "float32"


def bad_inputs() -> Iterator[BadInput]:
    for family in INDEXED:
        short = family.replace("ooling", "ool")
        for shape, hint in {
            (5, 6): "spatial axes alone",
            (None, 6): "pool before keras.layers.Flatten",
            (5, 6, 7): f"{short}1D fits",
            (5, 6, 7, 8, 9): f"{short}3D fits",
            (): "exists for 1, 2 and 3",
        }.items():
            parts = (
                f"{family}2D 'pool' takes inputs of rank 4",
                f"rank {len(shape)}, shape {shape}",
                hint,
            )
            yield BadInput(family, 2, shape, FAMILIES[family], ValueError, parts)
        strings = ["string"] if BACKEND == "tensorflow" else []
        for rank, dtype in enumerate(["bool", "complex64", *strings], 1):
            parts = f"received inputs of dtype {dtype}", "float16", "bfloat16", "uint64", "Cast"
            shape = (2, *[4] * rank, 3)
            yield BadInput(family, rank, shape, FAMILIES[family], TypeError, parts, dtype)
    first = {"data_format": "channels_first"}
    four = {"pool_size": 4}
    large, looks = "window is larger than its input", 'looks like data_format="channels_'
    none = "no maximum"
    for family, shape, options, *parts in [
        ("MaxPooling", (2, 9, 3, 1), four, large, "axis 1 has 3", "spans 4", "(9, 3)"),
        ("MaxPooling", (None, None, 3, 1), four, large, "axis 1 has 3", "(None, 3)"),
        ("MaxPooling", (2, 4, 1), {"dilation_rate": 2**31 - 2}, large, f"spans {2**31 - 1}"),
        ("MaxPooling", (2, 3, 32, 32), four, large, "axis 0 has 3", f'{looks}first"'),
        ("MaxPooling", (2, 32, 32, 3), four | first, large, "has 3", f'{looks}last"'),
        ("GlobalMaxPooling", (2, 0, 3), {}, "(2, 0, 3)", none, "pad"),
        ("GlobalMaxPooling", (0, 4, 0, 3), {}, "(0, 4, 0, 3)", none),
        ("GlobalMaxPooling", (2, 4, 4, 0), first, "(2, 4, 4, 0)", "channels_first", none),
        ("AdaptiveMaxPooling", (2, 0, 4, 3), {}, "axis 0 has no elements", "(0, 4)", "None"),
        (*FRACTIONAL, (2, 5, 2, 3), {"pooling_ratio": 2.5}, "axis 1", "2 elements", "2.5"),
        (*FRACTIONAL, (2, 0, 4, 3), {}, "leaves nothing of spatial axis 0", "(0, 4)"),
    ]:
        options = FAMILIES[family] | options
        yield BadInput(family, len(shape) - 2, shape, options, ValueError, tuple(parts))


def ways(case: BadInput) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Each way for the input to reach the layer or the op."""
    shape, dtype = case.shape, case.dtype
    pool = layer_class(case.family, case.rank)(**case.options, name="pool")
    if dtype == "float32":
        yield "compute_output_shape", lambda: pool.compute_output_shape(shape)
    if None not in shape:
        array = np.full(shape, "") if dtype == "string" else np.zeros(shape, dtype)
        tensor = as_tensor(array)
        yield "eager", lambda: pool(tensor)
        if dtype != "string":  # which NumPy does not have
            yield "numpy", lambda: pool(array)
        if len(shape) == case.rank + 2:  # an op takes any rank
            yield "op", lambda: OPS[case.family](tensor, **case.options)
    if BACKEND == "tensorflow":
        tf = tensorflow_alone()
        spec = tf.TensorSpec(shape, dtype)
        yield "graph", lambda: tf.function(pool).get_concrete_function(spec)
    if shape:
        try:
            symbolic = keras.Input(batch_shape=shape, dtype=dtype)
        except ValueError:  # an older Keras has no such inputs
            return
        yield "symbolic", lambda: pool(symbolic)


def test_inputs() -> None:
    for case in bad_inputs():
        prefix = f"{case.family}{case.rank}D 'pool': "  # which an op's text lacks
        texts = {
            way: assert_refused(call, (way, *case), case.error, case.fragments).replace(prefix, "")
            for way, call in ways(case)
        }
        graph = texts.pop("graph", None)
        (text,) = set(texts.values())
        # AutoGraph puts the place in the user's code before it.
        assert graph is None or text in graph, case


# Unknown arguments

MEANT = {
    "MaxPooling": "stride=strides kernel_size=pool_size poolsize=pool_size size=pool_size ksize=pool_size "
    "dilation=dilation_rate dilations=dilation_rate return_argmax=return_indices with_indices=return_indices "
    "return_index=return_indices pads=padding Padding=padding ceil=ceil_mode trainible=trainable",
    "GlobalMaxPooling": "keep_dims=keepdims return_argmax=return_indices",
    "AdaptiveMaxPooling": "size=output_size output_shape=output_size pool_size=output_size",
    "FractionalMaxPooling": "ratio=pooling_ratio",
    "MaxUnpooling": "size=pool_size kernel_size=pool_size pad=padding outputsize=output_size",
}
# What means something else is no suggestion.
NOT_MEANT = {
    "MaxPooling": "activation filters output_shape rate seeds storage_order keepdims",
    "GlobalMaxPooling": "stride kernel_size",
    "AdaptiveMaxPooling": "training",
    "FractionalMaxPooling": "keepdim size",
    "MaxUnpooling": "dilation_rate",
}


@by_family
def test_unknown_arguments(family: str) -> None:
    """The error names the layer, shows them, and names the argument that was probably meant."""
    own = ", ".join((*layer_class(family, 2).own_arguments, "name"))
    pairs = [pair.split("=") for pair in MEANT[family].split()]
    for name, right in [*pairs, *((name, "") for name in NOT_MEANT[family].split())]:
        parts = [
            f"{family}2D does not know the argument '{name}'; received ",
            f"'{name}': 3",
            f"It takes {own}, and Keras's own activity_regularizer",
            f"Write {right} in place of {name}. " if right else "",
        ]
        made = lambda name=name: layer(family, 2, **{name: 3})  # noqa: E731
        text = assert_refused(made, (name,), ValueError, parts)
        assert ("in place of" in text) == bool(right), (name, text)


def test_several_unknown_arguments() -> None:
    words = r"'keepdims', 'kernel_size'.*Write pool_size in place of kernel_size\."
    with pytest.raises(ValueError, match=words) as caught:
        layer("MaxPooling", 2, kernel_size=3, keepdims=True)
    assert str(caught.value).count("in place of") == 1


@every_layer
def test_too_many_positions(family: str, rank: int) -> None:
    """Python's own error, about the class that the user wrote."""
    takes = rf"^{family}{rank}D\.__init__\(\) takes from . to . positional arguments but 9 were"
    with pytest.raises(TypeError, match=takes):
        layer_class(family, rank)(*[2] * 8)
