"""Bad arguments and inputs of every layer: an error names the argument, shows it, and says what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from harness.install import tensorflow_alone
from harness.keras_version import keras, keras_3_alone
from harness.layers import FAMILIES, OPS, RANKS, every_layer, layer, layer_class
from harness.runner import BACKEND, as_tensor

import keras_maxpool

NAN, INF = float("nan"), float("inf")
WINDOWED = ("MaxPooling", "MaxUnpooling")
INDEXED = tuple(family for family in FAMILIES if family != "MaxUnpooling")
FRACTIONAL = ("FractionalMaxPooling",)


class Bad(NamedTuple):
    """Options that some families refuse, and parts of the error's text."""

    families: tuple[str, ...]
    options: dict[str, Any]
    error: type[Exception]
    fragments: tuple[str, ...]
    in_op: bool = True
    """Whether the op takes an argument of this name."""


def shown(options: dict[str, Any]) -> str:
    return next(f"received {name}={value!r}" for name, value in options.items())


def bad_integers(rank: int) -> Iterator[Bad]:
    """What takes one integer, or one per axis. `test_arguments` has more of each kind."""
    ending, example = (2,) * (rank - 1), (2,) * rank
    types = [
        *((True, "booleans"), ((True, *ending), "booleans"), (np.full(rank, True), "booleans")),
        *((2.0, "float"), (NAN, "float"), (np.float32(2), "float32"), ("2", "str")),
        *((b"2", "bytes"), ({2}, "set"), (range(2, 2 + rank), "range"), ([[2]] * rank, "list")),
        *((np.full((1, rank), 2), "ndarray"), ((None, *ending), "NoneType")),
    ]
    values = [
        *((0, "positive"), ([*ending, -1], "positive"), (np.zeros(rank, int), "positive")),
        *((2**31, "below 2**31"), (2**32 + 2, "below 2**31"), ((*ending, 2**63), "below 2**31")),
        *(((), "which has 0"), ((2,) * (rank + 1), f"which has {rank + 1}")),
        *([((2,) * (rank - 1), f"which has {rank - 1}")] if rank > 1 else []),
    ]
    for name, families in {
        "pool_size": WINDOWED,
        "strides": WINDOWED,
        "dilation_rate": ("MaxPooling",),
        "output_size": ("MaxUnpooling", "AdaptiveMaxPooling"),
    }.items():
        nothing = [(None, "NoneType")] * (name not in ("strides", "output_size"))
        for error, table in ((TypeError, types + nothing), (ValueError, values)):
            for value, why in table:
                # Adaptive pooling has another example, and None for an axis that keeps its size.
                optional = name == "output_size"
                keeps = optional and isinstance(value, tuple) and None in value
                which = families[:1] if keeps else families
                fixes = f"{name}=", "one per axis", *([] if optional else [f"{name}={example}"])
                why = f"not {why}" if error is TypeError else why
                options = {name: value}
                yield Bad(which, options, error, (f"`{name}`", shown(options), why, *fixes))
        of_tensors = f"`{name}`", "integers", f"received {name}=", "Write"
        for value in (2.0, [2.0] * rank):
            yield Bad(families, {name: as_tensor(value)}, TypeError, of_tensors)
    yield Bad(("AdaptiveMaxPooling",), {"output_size": None}, TypeError, ("not NoneType", "None"))


def bad_paddings(rank: int) -> Iterator[Bad]:
    pairs, zeros = ((0, 1),) * rank, ((0, 0),) * (rank - 1)
    names = '"valid"', '"same"', '"same_lower"', *(['"causal"'] * (rank == 1))
    unknown: list[Any] = ["", "full", "same ", "SAME_UPPER"]
    types: list[Any] = [None, True, 1.0, b"same", {1}, ("same",) * rank, ((0, True),) * rank]
    values: list[Any] = [
        *(-1, ((0, -1),) * rank, (), (1,) * (rank + 1), ((0, 1, 0),) * rank, ((0,),) * rank),
        *((pairs,), [[[0, 1]] * rank] * (rank + 1)),
    ]
    pads = ('"valid", "same", an integer', str(pairs))
    tables = (ValueError, unknown, names), (TypeError, types, pads), (ValueError, values, pads)
    for error, value, fixes in [(e, value, fixes) for e, table, fixes in tables for value in table]:
        options = {"padding": value}
        yield Bad(WINDOWED, options, error, ("`padding`", shown(options), *fixes))
    if rank > 1:
        for value in ("causal", "Causal"):
            fragments = "`padding`", "1D only", shown({"padding": value}), f"{rank}D", "pair"
            yield Bad(WINDOWED, {"padding": value}, ValueError, fragments)
    for options, span, pad in [
        ({"padding": 3, "pool_size": 3}, 3, "(3, 3)"),
        ({"padding": 1, "pool_size": 1}, 1, "(1, 1)"),
        ({"padding": (*zeros, (0, 3)), "pool_size": 3}, 3, "(0, 3)"),
        ({"padding": ((4, 0), *zeros), "pool_size": 3}, 3, "(4, 0)"),
        ({"padding": 4, "dilation_rate": 3}, 4, "(4, 4)"),
        ({"padding": 2**31}, 2, f"{2**31}"),
    ]:
        fragments = "`padding`", "received padding=", pad, f"spans {span}", f"at most {span - 1}"
        yield Bad(WINDOWED[: 1 + ("dilation_rate" not in options)], options, ValueError, fragments)


def bad_choices(rank: int) -> Iterator[Bad]:
    formats = '"channels_last"', '"channels_first"'
    kernels = '"auto"', '"direct"', '"separable"', '"shifted"'
    for name, families, choices, values in [
        ("data_format", tuple(FAMILIES), formats, ["NHWC", "", 1, b"channels_last", ["last"], {}]),
        ("nonfinite", INDEXED[:2], ('"backend"', '"ieee"'), ["numpy", "", 1, None, NAN, ["ieee"]]),
        ("implementation", INDEXED[:1], kernels, ["fast", 0, None, ["auto"], b"direct"]),
        ("indices_convention", WINDOWED, ('"torch"', '"onnx_column_major"'), ["pytorch", 0, None]),
    ]:
        for value in [*values, np.array(["a", "b"])]:
            options = {name: value}
            in_op = (families, name) != (WINDOWED, "indices_convention")
            yield Bad(families, options, ValueError, (f"`{name}`", shown(options), *choices), in_op)
    for name, families in {
        "ceil_mode": INDEXED[:1],
        "return_indices": INDEXED,
        "keepdims": INDEXED[1:2],
        "pseudo_random": FRACTIONAL,
        "overlapping": FRACTIONAL,
    }.items():
        for value in (0, 1, None, "yes", 1.0, [True], np.True_):
            fragments = f"`{name}`", shown({name: value}), "True or False"
            yield Bad(families, {name: value}, TypeError, fragments)
    for padding in ("same", "SAME", "same_lower", *(["causal"] * (rank == 1))):
        options = {"ceil_mode": True, "padding": padding}
        fragments = "`ceil_mode`", shown(options), "Drop ceil_mode", "pads as integers"
        yield Bad(INDEXED[:1], options, ValueError, (*fragments, padding.lower()))


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
        options = {"pooling_ratio": value}
        fragments = "`pooling_ratio`", shown(options), why, "pooling_ratio=1.44"
        yield Bad(FRACTIONAL, options, error, fragments)
    for seed, error, why in [
        (1.5, TypeError, "takes integers, not float"),
        (True, TypeError, "not booleans"),
        (-1, ValueError, "out of range"),
        (2**31, ValueError, "out of range"),
    ]:
        fragments = "`seed`", shown({"seed": seed}), why, "2**31 - 1"
        yield Bad(FRACTIONAL, {"seed": seed}, error, fragments)
    for pool_size, dilation_rate in [(2, 2**31 - 1), (2**16, 2**16), (2**31 - 1, 2)]:
        options = {"dilation_rate": dilation_rate, "pool_size": pool_size}
        fragments = "`dilation_rate`", "`pool_size`", str(pool_size), str(dilation_rate), "smaller"
        yield Bad(INDEXED[:1], options, ValueError, fragments)
    if BACKEND != "tensorflow":  # which alone has several implementations
        return
    options = {"dilation_rate": 2, "implementation": "direct"}
    fragments = "`implementation`", '"direct"', "received dilation_rate=(2", '"auto"', '"separable"'
    yield Bad(INDEXED[:1], options, ValueError, fragments)


def outcome(call: Callable[[], Any]) -> tuple[type[Exception] | None, str]:
    """The error that a call raises, and its text."""
    try:
        return None, repr(call())
    except Exception as error:
        return type(error), str(error)


def assert_refused(call: Callable[[], Any], case: tuple, error: type, fragments: tuple) -> str:
    """The text of the error, which has all fragments."""
    raised, text = outcome(call)
    assert raised is error, (case, text)
    assert [part for part in fragments if part not in text] == [], (case, text)
    return text


@every_layer
@pytest.mark.parametrize("table", [bad_integers, bad_paddings, bad_choices, bad_numbers])
def test_arguments(table: Callable[[int], Iterator[Bad]], family: str, rank: int) -> None:
    """The layer refuses them when it is made, and the op says the same."""
    x = np.zeros([1, *[8] * rank, 1], "float32")
    tensors = (x, np.zeros(x.shape, "int64")) if family == "MaxUnpooling" else (x,)
    for case in (case for case in table(rank) if family in case.families):
        options = FAMILIES[family] | case.options
        made = lambda options=options: layer_class(family, rank)(**options)  # noqa: E731
        text = assert_refused(made, case, case.error, case.fragments)
        if not case.in_op:
            continue
        raised, of_op = outcome(lambda options=options: OPS[family](*tensors, **options))
        items = options.get("pool_size")
        if isinstance(items, tuple) and len(items) == rank + 1 < 4:
            # An op cannot know its rank: the batch axis may be missing.
            assert raised is case.error
            assert f"expand_dims({'inputs' if family == 'MaxPooling' else 'values'}, 0)" in of_op
        else:
            assert (raised, of_op) == (case.error, text), case


def test_a_wrong_dtype_has_kerass_own_text() -> None:
    ours = outcome(lambda: keras_maxpool.MaxPool2D(dtype="nonsense"))
    assert ours == outcome(lambda: keras.layers.MaxPool2D(dtype="nonsense"))
    assert "nonsense" in ours[1]


# Bad inputs


class BadInput(NamedTuple):
    """A tensor that a layer refuses, with one text however it gets there."""

    family: str
    rank: int
    shape: tuple[int | None, ...]
    error: type[Exception]
    fragments: tuple[str, ...]
    options: dict[str, Any] = {}  # noqa: RUF012
    dtype: str = "float32"
    in_op: bool = True
    forbidden: tuple[str, ...] = ()
    """What the text must not say."""


POOLING = tuple(FAMILIES)[:4]


def wrong_ranks() -> Iterator[BadInput]:
    for family in POOLING:
        short = family.replace("ooling", "ool")
        hints = {rank: f"{short}{rank}D fits" for rank in RANKS}
        for rank, got in [(r, n) for r in RANKS for n in range(7) if n != r + 2]:
            shape = (5, 6, 7, 8, 9, 4)[:got]
            fragments = [f"{family}{rank}D 'pool' takes inputs of rank {rank + 2}", f"rank {got}"]
            fragments.append(f"shape {shape}")
            if got == rank + 1:  # one sample, or a batch without channels
                fragments += ["batch axis", "(inputs, 0)", "channel axis", "(inputs, -1)"]
            if got == rank:
                fragments += ["expand_dims", "batch axis", "channel axis"]
            if got - 2 in hints:
                fragments.append(hints[got - 2])
            forbidden = tuple(hint for key, hint in hints.items() if key != got - 2)
            given = family, rank, shape, ValueError, tuple(fragments)
            yield BadInput(*given, in_op=False, forbidden=forbidden)


def windows_too_large() -> Iterator[BadInput]:
    first, looks = {"data_format": "channels_first"}, 'looks like data_format="channels_'
    for shape, options, *fragments in [
        ((2, 3, 1), {"pool_size": 4}, "axis 0 has 3", "spans 4", "(3,)"),
        ((2, 9, 3, 1), {"pool_size": 4}, "axis 1 has 3", "(9, 3)"),
        ((2, 9, 9, 3, 1), {"pool_size": 4}, "axis 2 has 3", "(9, 9, 3)"),
        ((2, 1, 4, 1), {}, "axis 0 has 1", "spans 2", "pool_size=2"),
        ((2, 0, 4, 1), {}, "axis 0 has 0"),
        ((2, 4, 4, 1), {"pool_size": 3, "dilation_rate": 2}, "spans 5", "rate=2"),
        ((2, 3, 1), {"pool_size": 8, "padding": 2}, "3 elements and 4 of padding"),
        ((2, 1, 1), {"pool_size": 4, "strides": 2, "ceil_mode": True}, "has 1"),
        ((2, 4, 4, 1), {"pool_size": 2**31 - 1}, f"spans {2**31 - 1}"),
        ((2, 4, 1), {"dilation_rate": 2**31 - 2}, f"spans {2**31 - 1}"),
        ((0, 3, 3, 1), {"pool_size": 4}, "axis 0 has 3"),
        ((None, 3, 3, 1), {"pool_size": 4}, "axis 0 has 3"),
        ((None, None, 3, 1), {"pool_size": 4}, "axis 1 has 3", "(None, 3)"),
        # In the other format the window would fit; or it would in neither.
        ((2, 3, 32, 32), {"pool_size": 4}, "axis 0 has 3", f'{looks}first"'),
        ((2, 32, 32, 3), {"pool_size": 4} | first, "has 3", f'{looks}last"'),
        ((2, 1, 8), {}, "axis 0 has 1", f'{looks}first"'),
        ((2, 1, 8, 8, 8), {}, "axis 0 has 1", f'{looks}first"'),
        ((2, 3, 32, 3), {"pool_size": 4}, "axis 0 has 3"),
        ((2, 64, 3, 3), {"pool_size": 4} | first, "has 3"),
    ]:
        forbidden = () if "looks like" in fragments[-1] else ("looks like",)
        texts = "window is larger than its input", "smaller pool_size", *fragments
        given = "MaxPooling", len(shape) - 2, shape, ValueError, texts, options
        yield BadInput(*given, forbidden=forbidden)


def nothing_to_pool() -> Iterator[BadInput]:
    first = {"data_format": "channels_first"}
    for family, options, shape, *fragments in [
        ("GlobalMaxPooling", {}, (2, 0, 3), "(2, 0, 3)", "no maximum", "pad"),
        ("GlobalMaxPooling", {}, (0, 4, 0, 3), "(0, 4, 0, 3)", "no maximum"),
        ("GlobalMaxPooling", first, (2, 4, 4, 0), "(2, 4, 4, 0)", "channels_first", "no maximum"),
        ("AdaptiveMaxPooling", {}, (2, 0, 4, 3), "axis 0 has no elements", "(0, 4)", "None"),
        (*FRACTIONAL, {"pooling_ratio": 2.5}, (2, 5, 2, 3), "axis 1", "2 elements", "2.5"),
        ("FractionalMaxPooling", {}, (2, 0, 4, 3), "leaves nothing of spatial axis 0", "(0, 4)"),
    ]:
        given = family, len(shape) - 2, shape, ValueError, tuple(fragments)
        yield BadInput(*given, FAMILIES[family] | options)


def wrong_dtypes() -> Iterator[BadInput]:
    for family in POOLING:
        dtypes = "bool", "complex64", *(["string"] if BACKEND == "tensorflow" else [])
        for rank, dtype in [(r, d) for r in RANKS for d in dtypes]:
            text = f"received inputs of dtype {dtype}", "float16", "bfloat16", "uint64", "Cast"
            given = family, rank, (2, *[4] * rank, 3), TypeError, text
            yield BadInput(*given, FAMILIES[family], dtype)


def ways(case: BadInput) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Each way for the input to reach the layer or the op."""
    shape, dtype = case.shape, case.dtype
    options = FAMILIES[case.family] | case.options
    pool = layer_class(case.family, case.rank)(**options, name="pool")
    if dtype == "float32":
        yield "compute_output_shape", lambda: pool.compute_output_shape(shape)
    if None not in shape:
        array = np.full(shape, "") if dtype == "string" else np.zeros(shape, dtype)
        tensor = as_tensor(array)
        yield "eager", lambda: pool(tensor)
        if dtype != "string":  # which NumPy does not have
            yield "numpy", lambda: pool(array)
        if case.in_op:
            yield "op", lambda: OPS[case.family](tensor, **options)
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


@pytest.mark.parametrize("table", [wrong_ranks, windows_too_large, nothing_to_pool, wrong_dtypes])
def test_inputs(table: Callable[[], Iterator[BadInput]]) -> None:
    for case in table():
        texts = {}
        for way, call in ways(case):
            text = assert_refused(call, (way, *case), case.error, case.fragments)
            assert [part for part in case.forbidden if part in text] == [], (way, case, text)
            # An op's text is a layer's without the layer's name.
            texts[way] = text.replace(f"{case.family}{case.rank}D 'pool': ", "")
        graph = texts.pop("graph", None)
        (text,) = set(texts.values())
        # AutoGraph puts the place in the user's code before it.
        assert graph is None or text in graph, case


FOUR = (1, 2, 2, 3)


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize(
    ("shapes", "dtype", "options", "error", "text"),
    [
        ([FOUR[:3]] * 2, "int64", {}, ValueError, "MaxUnpool1D fits"),
        ([FOUR, (1, 2, 1, 3)], "int64", {}, ValueError, "2, 3); received shape (1, 2, 1, 3)"),
        ([FOUR, FOUR[:3]], "int64", {}, ValueError, "`indices` must have the shape of the values"),
        ([FOUR] * 2, "float32", {}, TypeError, "`indices` takes int64 or int32; received float32"),
        ([FOUR] * 2 + [(1, 4, 4)], "int64", {}, ValueError, "`like` must have the rank of the val"),
        ([FOUR] * 3, "int64", {"output_size": 4}, ValueError, "`output_size` and `like` both set"),
    ],
    ids=str,
)
def test_inputs_of_unpooling(
    shapes: list, dtype: str, options: dict[str, Any], error: type, text: str, symbolic: bool
) -> None:
    tensors = [
        keras.Input(batch_shape=shape, dtype=kind) if symbolic else np.zeros(shape, kind)
        for shape, kind in zip(shapes, ("float32", dtype, "float32"), strict=False)
    ]
    pool = layer("MaxUnpooling", 2, **options)
    assert_refused(lambda: pool(*tensors), (), error, (text,))


# Unknown arguments

MEANT = {
    "MaxPooling": [
        *(("stride", "strides"), ("kernel_size", "pool_size"), ("poolsize", "pool_size")),
        *(("size", "pool_size"), ("dilation", "dilation_rate"), ("dilations", "dilation_rate")),
        *(("return_argmax", "return_indices"), ("with_indices", "return_indices")),
        *(("trainible", "trainable"), ("ksize", "pool_size"), ("pads", "padding")),
        *(("Padding", "padding"), ("return_index", "return_indices"), ("ceil", "ceil_mode")),
        # What means something else is no suggestion.
        *((name, "") for name in ("activation", "filters", "output_shape", "rate", "seeds")),
        *(("storage_order", ""), ("keepdims", "")),
    ],
    "GlobalMaxPooling": [
        *(("keep_dims", "keepdims"), ("return_argmax", "return_indices")),
        *(("stride", ""), ("kernel_size", "")),
    ],
    "AdaptiveMaxPooling": [
        *(("size", "output_size"), ("output_shape", "output_size"), ("pool_size", "output_size")),
        ("training", ""),
    ],
    "FractionalMaxPooling": [("ratio", "pooling_ratio"), ("keepdim", ""), ("size", "")],
    "MaxUnpooling": [
        *(("size", "pool_size"), ("kernel_size", "pool_size"), ("pad", "padding")),
        *(("outputsize", "output_size"), ("dilation_rate", "")),
    ],
}
POSITIONS = dict(zip(FAMILIES, (5, 2, 3, 5, 5), strict=True))
"""How many arguments may come without a name."""


@every_layer
def test_unknown_arguments(family: str, rank: int) -> None:
    """The error names the layer, shows them, and names the argument that was probably meant."""
    own = (*layer_class(family, rank).own_arguments, "name")
    for name, right in MEANT[family]:
        fragments = [
            *(f"{family}{rank}D does not know the argument '{name}'; received ", f"'{name}': 3"),
            f"It takes {', '.join(own)}, and Keras's own activity_regularizer",
            *([f"Write {right} in place of {name}. "] if right else []),
        ]
        made = lambda name=name: layer(family, rank, **{name: 3})  # noqa: E731
        text = assert_refused(made, (name,), ValueError, tuple(fragments))
        assert ("in place of" in text) == bool(right), (name, text)


def test_several_unknown_arguments() -> None:
    fragments = "'keepdims', 'kernel_size'", "Write pool_size in place of kernel_size."
    given = {"kernel_size": 3, "keepdims": True}
    text = assert_refused(lambda: layer("MaxPooling", 2, **given), (), ValueError, fragments)
    assert "in place of keepdims" not in text


@keras_3_alone  # Keras 2 takes these
@pytest.mark.parametrize("options", [{"weights": None}, {"batch_input_shape": (1, 4, 4, 1)}])
def test_arguments_of_keras_2(options: dict[str, Any]) -> None:
    fragments = tuple(f"{name!r}: {value!r}" for name, value in options.items())
    assert_refused(lambda: layer("MaxPooling", 2, **options), (), ValueError, fragments)


@every_layer
def test_too_many_positions(family: str, rank: int) -> None:
    """Python's own error, about the class that the user wrote."""
    cls, most = layer_class(family, rank), POSITIONS[family]
    takes = rf"^{family}{rank}D\.__init__\(\) takes from . to {most + 1} positional arguments"
    with pytest.raises(TypeError, match=takes):
        cls(*[2] * (most + 1))
    if FAMILIES[family]:
        with pytest.raises(TypeError, match=rf"^{family}{rank}D\.__init__\(\) missing 1 required"):
            cls()
