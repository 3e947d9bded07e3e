"""Bad arguments and bad inputs: a ValueError or TypeError that names the argument, shows it, and says what to write.

All run in one child process, as none may end the process. Run as a program, this file is that child,
and its output a list of every message.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from harness.keras_version import LEGACY, keras
from harness.processes import child_path

import keras_maxpool

LAYERS = {
    1: keras_maxpool.MaxPool1D,
    2: keras_maxpool.MaxPool2D,
    3: keras_maxpool.MaxPool3D,
}
NAN = float("nan")

# Bad arguments


@dataclass(frozen=True)
class BadArgument:
    """Options that a layer of this rank must refuse at construction."""

    rank: int
    options: dict[str, Any]
    error: type[Exception]
    fragments: tuple[str, ...]
    shown: str = ""
    """The options as the id shows them, where their repr is long or differs between versions."""
    in_op: bool = True
    """Whether the op takes an argument of this name."""

    @property
    def name(self) -> str:
        shown = self.shown or ", ".join(f"{key}={value!r}" for key, value in self.options.items())
        return f"{self.rank}D, {shown}"


@dataclass(frozen=True)
class Later:
    """A value that only the child makes, as TensorFlow may not start while tests are collected."""

    make: Callable[[], Any]


def made(options: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.make() if isinstance(value, Later) else value for name, value in options.items()
    }


def labelled(name: str, value: Any) -> str:
    """An argument as an id shows it: NumPy 1 writes its numbers as if they were Python's."""
    kind = type(value).__name__ + " " if isinstance(value, np.generic) else ""
    return f"{name}={kind}{value!r}"


def received(name: str, value: Any) -> str:
    return f"received {name}={value!r}"


def bad_integers(name: str, rank: int) -> Iterator[BadArgument]:
    """For `pool_size`, `strides` and `dilation_rate`, which take the same."""
    example = {1: "(2,)", 2: "(2, 2)", 3: "(2, 2, 2)"}[rank]
    ending = (2,) * (rank - 1)
    types: list[tuple[str, Any, str]] = [
        ("True", True, "not booleans"),
        ("False", False, "not booleans"),
        ("np.True_", np.True_, "not booleans"),
        ("(True, ...)", (True, *ending), "not booleans"),
        ("bool array", np.array([True] * rank), "not booleans"),
        ("2.0", 2.0, "not float"),
        ("2.5", 2.5, "not float"),
        ("nan", NAN, "not float"),
        ("inf", float("inf"), "not float"),
        ("(nan, ...)", (NAN, *ending), "not float"),
        ("float array", np.array([2.0] * rank), "not float"),
        ("np.float32(2)", np.float32(2), "not float32"),
        ("'2'", "2", "not str"),
        ("'22'", "22", "not str"),
        ("('2', ...)", ("2", *ending), "not str"),
        ("bytes", b"2", "not bytes"),
        ("complex", 2j, "not complex"),
        ("dict", {2: 2}, "not dict"),
        ("set", {2}, "not set"),
        ("range", range(2, 2 + rank), "not range"),
        ("nested tuples", ((2,),) * rank, "not tuple"),
        ("nested list", [[2] * rank] * rank, "not list"),
        ("matrix", np.full((1, rank), 2), "not ndarray"),
        ("(None, ...)", (None, *ending), "not NoneType"),
        ("class", int, "not type"),
    ]
    if name != "strides":  # where None stands for pool_size
        types.append(("None", None, "not NoneType"))
    values: list[tuple[str, Any, str]] = [
        ("0", 0, "positive"),
        ("-1", -1, "positive"),
        ("-10**30", -(10**30), "positive"),
        ("(..., 0)", (*ending, 0), "positive"),
        ("[..., -1]", [*ending, -1], "positive"),
        ("np.int64(0)", np.int64(0), "positive"),
        ("zeros", np.zeros(rank, int), "positive"),
        ("2**31", 2**31, "below 2**31"),
        ("2**32 + 2", 2**32 + 2, "below 2**31"),  # 2 in 32 bits
        ("10**30", 10**30, "below 2**31"),
        ("(..., 2**63)", (*ending, 2**63), "below 2**31"),
        ("np.int64(2**31)", np.int64(2**31), "below 2**31"),
        ("()", (), "which has 0"),
        ("[]", [], "which has 0"),
        ("empty array", np.zeros(0, int), "which has 0"),
        ("too many", (2,) * (rank + 1), f"which has {rank + 1}"),
        ("too many in an array", np.full(rank + 1, 2), f"which has {rank + 1}"),
    ]
    if rank > 1:
        values.append(("too few", (2,) * (rank - 1), f"which has {rank - 1}"))
    for error, table in ((TypeError, types), (ValueError, values)):
        for shown, value, why in table:
            fix = f"Write one positive integer, {name}=2, or one per axis, {name}={example}."
            fragments = f"`{name}`", received(name, value), why, fix
            yield BadArgument(rank, {name: value}, error, fragments, f"{name}={shown}")


def float_tensors(rank: int) -> Iterator[BadArgument]:
    for name in ("pool_size", "strides", "dilation_rate", "padding"):
        for shown, value in [("scalar", 2.0), ("vector", [2.0] * rank)]:
            options = {name: Later(lambda value=value: tf.constant(value))}
            fragments = f"`{name}`", "integers", f"received {name}=", "Write"
            yield BadArgument(rank, options, TypeError, fragments, f"{name}=float tensor, {shown}")


def bad_padding(rank: int) -> Iterator[BadArgument]:
    pairs = {1: "((0, 1),)", 2: "((0, 1), (0, 1))", 3: "((0, 1), (0, 1), (0, 1))"}[rank]
    names = '"valid"', '"same"', '"same_lower"', *(['"causal"'] if rank == 1 else [])
    unknown: list[Any] = ["", "full", "same ", "SAME_UPPER"]
    types: list[Any] = [
        *(None, True, 1.0, NAN, b"same", {1}, {"before": 1}),
        *(("same",) * rank, ((0, True),) * rank, ((0, 1.0),) * rank, ((0, "1"),) * rank),
        *((None,) * rank, ((0, None),) * rank, np.False_),
    ]
    values: list[Any] = [
        *(-1, (-1,) * rank, ((0, -1),) * rank, np.int64(-1)),
        *((), (1,) * (rank + 1), ((0, 1),) * (rank + 1), ((0, 1, 0),) * rank, ((0,),) * rank),
        *((((0, 1),),) * rank, [[[0, 1]] * rank] * (rank + 1)),
    ]
    for error, table, fixes in [
        (ValueError, unknown, names),
        (TypeError, types, ('"valid", "same", an integer', pairs)),
        (ValueError, values, ('"valid", "same", an integer', pairs)),
    ]:
        for value in table:
            fragments = "`padding`", received("padding", value), *fixes
            options = {"padding": value}
            yield BadArgument(rank, options, error, fragments, labelled("padding", value))
    if rank > 1:
        for value in ("causal", "Causal"):
            fragments = "`padding`", "1D only", received("padding", value), f"{rank}D", "pair"
            yield BadArgument(rank, {"padding": value}, ValueError, fragments)


def too_long_padding(rank: int) -> Iterator[BadArgument]:
    """A pad of the dilated window's length, or more, before or after, on any axis."""
    zeros = ((0, 0),) * (rank - 1)
    for options, span, shown in [
        ({"pool_size": 3, "padding": 3}, 3, "(3, 3)"),
        ({"pool_size": 1, "padding": 1}, 1, "(1, 1)"),
        ({"pool_size": 3, "padding": (*zeros, (0, 3))}, 3, "(0, 3)"),
        ({"pool_size": 3, "padding": ((4, 0), *zeros)}, 3, "(4, 0)"),
        ({"pool_size": 2, "dilation_rate": 3, "padding": 4}, 4, "(4, 4)"),
        ({"padding": 2**31}, 2, f"{2**31}"),
        ({"padding": 10**30}, 2, f"{10**30}"),
    ]:
        fragments = "`padding`", "received padding=", shown, f"spans {span}", f"at most {span - 1}"
        yield BadArgument(rank, options, ValueError, fragments)


def bad_choices(rank: int) -> Iterator[BadArgument]:
    formats, nonfinite = ('"channels_last"', '"channels_first"'), ('"backend"', '"ieee"')
    kernels = '"auto"', '"direct"', '"separable"', '"shifted"'
    for name, choices, values in [
        ("data_format", formats, ["NHWC", "channels_middle", "", 1, True, b"channels_last"]),
        ("data_format", formats, [["channels_last"], {"channels_last"}, {}]),
        ("nonfinite", nonfinite, ["numpy", "", 1, True, None, NAN, ["ieee"], b"ieee"]),
        ("implementation", kernels, ["fast", "", 0, False, None, ["auto"], b"direct"]),
    ]:
        for value in values:
            fragments = f"`{name}`", received(name, value), *choices
            yield BadArgument(rank, {name: value}, ValueError, fragments)
    for name, choices in [
        ("data_format", formats),
        ("nonfinite", nonfinite),
        ("implementation", kernels),
    ]:
        fragments = f"`{name}`", "received", *choices
        yield BadArgument(rank, {name: np.array(["a", "b"])}, ValueError, fragments)


def bad_ceil_mode(rank: int) -> Iterator[BadArgument]:
    for value in (0, 1, None, "yes", "False", 1.0, NAN, [True], np.True_, np.array(True)):
        fragments = "`ceil_mode`", received("ceil_mode", value), "True or False"
        options = {"ceil_mode": value}
        yield BadArgument(rank, options, TypeError, fragments, labelled("ceil_mode", value))
    for padding in ("same", "SAME", "same_lower", *(["causal"] if rank == 1 else [])):
        fragments = "`ceil_mode`", "received ceil_mode=True", "Drop ceil_mode", "pads as integers"
        options = {"padding": padding, "ceil_mode": True}
        yield BadArgument(rank, options, ValueError, (*fragments, padding.lower()))


def bad_together(rank: int) -> Iterator[BadArgument]:
    """Arguments that are good one by one."""
    for pool_size, dilation_rate in [(2, 2**31 - 1), (2**16, 2**16), (2**31 - 1, 2)]:
        fragments = "`dilation_rate`", "`pool_size`", str(pool_size), str(dilation_rate), "smaller"
        options = {"pool_size": pool_size, "dilation_rate": dilation_rate}
        yield BadArgument(rank, options, ValueError, fragments)
    fragments = "`implementation`", '"direct"', "received dilation_rate=(2", '"auto"', '"separable"'
    options = {"implementation": "direct", "dilation_rate": 2}
    yield BadArgument(rank, options, ValueError, fragments)


def unknown_arguments(rank: int) -> Iterator[BadArgument]:
    known = "pool_size, strides, padding, data_format"
    for options in [
        {"stride": 2},
        {"kernel_size": 2, "dilations": (1, 1)},
        # Keras 2 takes these.
        *([] if LEGACY else [{"weights": None}, {"batch_input_shape": (1, 4, 4, 1)}]),
    ]:
        fragments = *(f"{name!r}" for name in options), "received", known, "dilation_rate", "dtype"
        values = (repr(value) for value in options.values())
        yield BadArgument(rank, options, ValueError, (*fragments, *values), in_op=False)


BAD_ARGUMENTS = [
    *(
        case
        for rank in (1, 2, 3)
        for table in (
            *(bad_integers(name, rank) for name in ("pool_size", "strides", "dilation_rate")),
            bad_padding(rank),
            too_long_padding(rank),
            bad_ceil_mode(rank),
            bad_together(rank),
        )
        for case in table
    ),
    # These do not look at the rank.
    *float_tensors(2),
    *bad_choices(2),
    *unknown_arguments(2),
]

# Bad inputs


@dataclass(frozen=True)
class BadInput:
    """A tensor that a layer must refuse, with one text however it gets there."""

    name: str
    rank: int
    shape: tuple[int | None, ...]
    error: type[Exception]
    fragments: tuple[str, ...]
    options: dict[str, Any] = field(default_factory=dict)
    dtype: str = "float32"
    without: tuple[str, ...] = ()
    """The ways in which it does not apply, or which know more about it."""
    forbidden: tuple[str, ...] = ()
    """What the text must not say."""


def wrong_ranks() -> Iterator[BadInput]:
    hints = {1: "MaxPool1D fits", 2: "MaxPool2D fits", 3: "MaxPool3D fits"}
    for rank, got in [(r, n) for r in (1, 2, 3) for n in range(7) if n != r + 2]:
        shape = (5, 6, 7, 8, 9, 4)[:got]
        fragments = [f"MaxPooling{rank}D takes inputs of rank {rank + 2}", f"rank {got}"]
        fragments.append(f"shape {shape}")
        if got == rank + 1:
            # One image, or a batch of images in grey; or, but for 1D, a batch of what has an axis less.
            fragments += ["batch axis", "expand_dims(inputs, 0)"]
            fragments += ["channel axis", "expand_dims(inputs, -1)"]
        fits = got - 2
        if fits in hints:
            fragments.append(hints[fits])
        forbidden = tuple(hint for key, hint in hints.items() if key != fits)
        yield BadInput(
            f"{rank}D, inputs of rank {got}",
            rank,
            shape,
            ValueError,
            tuple(fragments),
            without=("op", *(["symbolic"] if got == 0 else [])),
            forbidden=forbidden,
        )


def one_image() -> Iterator[BadInput]:
    """Neither a batch axis nor a channel axis."""
    for rank in (1, 2, 3):
        yield BadInput(
            f"{rank}D, spatial axes alone",
            rank,
            (5, 6, 7)[:rank],
            ValueError,
            ("expand_dims", "batch axis", "channel axis"),
            without=("op",),
        )


def windows_too_large() -> Iterator[BadInput]:
    def case(
        name: str, shape: tuple, options: dict, *fragments: str, like: str | None = None
    ) -> BadInput:
        hint = (f'looks like data_format="{like}"',) if like else ()
        return BadInput(
            f"{len(shape) - 2}D, {name}",
            len(shape) - 2,
            shape,
            ValueError,
            ("window is larger than its input", "smaller pool_size", *fragments, *hint),
            options,
            without=("eager", "op", "numpy") if None in shape else (),
            forbidden=() if like else ("looks like",),
        )

    first = {"data_format": "channels_first"}
    yield case("window of 4 on 3", (2, 3, 1), {"pool_size": 4}, "axis 0 has 3", "spans 4", "(3,)")
    yield case("second axis", (2, 9, 3, 1), {"pool_size": 4}, "axis 1 has 3", "(9, 3)")
    yield case("third axis", (2, 9, 9, 3, 1), {"pool_size": 4}, "axis 2 has 3", "(9, 9, 3)")
    yield case("default window", (2, 1, 4, 1), {}, "axis 0 has 1", "spans 2", "pool_size=2")
    yield case("no elements", (2, 0, 4, 1), {}, "axis 0 has 0")
    yield case("dilated", (2, 4, 4, 1), {"pool_size": 3, "dilation_rate": 2}, "spans 5", "rate=2")
    yield case("padded", (2, 3, 1), {"pool_size": 8, "padding": 2}, "3 elements and 4 of padding")
    yield case("ceil_mode", (2, 1, 1), {"pool_size": 4, "strides": 2, "ceil_mode": True}, "has 1")
    yield case("near 2**31", (2, 4, 4, 1), {"pool_size": 2**31 - 1}, f"spans {2**31 - 1}")
    yield case("far dilation", (2, 4, 1), {"dilation_rate": 2**31 - 2}, f"spans {2**31 - 1}")
    yield case("empty batch", (0, 3, 3, 1), {"pool_size": 4}, "axis 0 has 3")
    yield case("unknown batch", (None, 3, 3, 1), {"pool_size": 4}, "axis 0 has 3")
    yield case("unknown size", (None, None, 3, 1), {"pool_size": 4}, "axis 1 has 3", "(None, 3)")
    yield case(
        "3 channels first", (2, 3, 32, 32), {"pool_size": 4}, "axis 0 has 3", like="channels_first"
    )
    yield case(
        "3 channels last",
        (2, 32, 32, 3),
        {"pool_size": 4} | first,
        "axis 1 has 3",
        like="channels_last",
    )
    yield case("1 channel first", (2, 1, 8), {}, "axis 0 has 1", like="channels_first")
    yield case("1 channel first", (2, 1, 8, 8, 8), {}, "axis 0 has 1", like="channels_first")
    yield case("fits in neither format", (2, 3, 32, 3), {"pool_size": 4}, "axis 0 has 3")
    yield case("channels_first and too small", (2, 64, 3, 3), {"pool_size": 4} | first, "has 3")


def wrong_dtypes() -> Iterator[BadInput]:
    # Each may be drawn from other words than the tensors' own.
    for rank, dtype in [(2, "bool"), (2, "string"), (2, "complex64"), (2, "complex128")] + [
        (rank, dtype) for rank in (1, 3) for dtype in ("bool", "string", "complex64")
    ]:
        yield BadInput(
            f"{rank}D, {dtype}",
            rank,
            (2, *[4] * rank, 3),
            TypeError,
            (f"received inputs of dtype {dtype}", "float16", "bfloat16", "uint64", "int8", "Cast"),
            dtype=dtype,
            # NumPy has no dtype named string.
            without=("numpy",) if dtype == "string" else (),
        )


BAD_INPUTS = [*wrong_ranks(), *one_image(), *windows_too_large(), *wrong_dtypes()]


def ways(case: BadInput) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Each way for the input to reach the layer or the op; only the call itself may raise the error under test."""
    layer = LAYERS[case.rank](**case.options)
    known = None not in case.shape
    if case.dtype == "float32" and "compute_output_shape" not in case.without:
        yield "compute_output_shape", lambda: layer.compute_output_shape(case.shape)
    if known:
        array = np.zeros(case.shape, "object" if case.dtype == "string" else case.dtype)
        tensor = tf.fill(case.shape, "a") if case.dtype == "string" else tf.constant(array)
        yield "eager", lambda: layer(tensor)
        yield "numpy", lambda: layer(array)
        yield "op", lambda: keras_maxpool.ops.max_pool(tensor, **case.options)
    spec = tf.TensorSpec(case.shape, case.dtype)
    yield "graph", lambda: tf.function(layer).get_concrete_function(spec)
    if case.shape:
        try:
            symbolic = keras.Input(batch_shape=case.shape, dtype=case.dtype)
        except ValueError:  # an older Keras has no such inputs
            return
        yield "symbolic", lambda: layer(symbolic)


# The child


def child() -> None:
    """Tries every case, and writes a line of JSON for each way: what was raised, and with which text."""
    for case in BAD_ARGUMENTS:
        options = made(case.options)
        report(case.name, "layer", partial(LAYERS[case.rank], **options))
        x = tf.zeros([1, *[8] * case.rank, 1])
        report(case.name, "op", partial(keras_maxpool.ops.max_pool, x, **options))
    for case in BAD_INPUTS:
        for way, call in ways(case):
            if way not in case.without:
                report(case.name, way, call)
    print(json.dumps({"complete": True}), flush=True)


def report(name: str, way: str, call: Callable[[], Any]) -> None:
    print(json.dumps({"begins": name}), flush=True)
    raised, text = "nothing", ""
    try:
        text = repr(call())
    except Exception as error:
        raised, text = type(error).__name__, str(error)
    print(json.dumps({"case": name, "way": way, "raised": raised, "text": text}), flush=True)


# The tests

Outcomes = dict[str, dict[str, tuple[str, str]]]


@pytest.fixture(scope="module")
def outcomes() -> Outcomes:
    """What each case raises, and its text, by the way it got there."""
    env = {
        **os.environ,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "PYTHONPATH": child_path(),
    }
    process = subprocess.run(
        [sys.executable, __file__], capture_output=True, text=True, timeout=300, env=env
    )
    lines = [json.loads(line) for line in process.stdout.splitlines() if line.startswith('{"')]
    complete = bool(lines) and "complete" in lines[-1]
    assert complete, f"ended with code {process.returncode} at {lines[-1:]}: {process.stderr}"
    found: Outcomes = {}
    for line in lines:
        if "case" in line:
            found.setdefault(line["case"], {})[line["way"]] = line["raised"], line["text"]
    return found


def test_no_case_hides_another() -> None:
    names = [case.name for case in (*BAD_ARGUMENTS, *BAD_INPUTS)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("case", BAD_ARGUMENTS, ids=[case.name for case in BAD_ARGUMENTS])
def test_bad_argument(case: BadArgument, outcomes: Outcomes) -> None:
    raised, text = outcomes[case.name]["layer"]
    assert raised == case.error.__name__, text
    for fragment in case.fragments:
        assert fragment in text
    if case.in_op:
        op_raised, op_text = outcomes[case.name]["op"]
        if "pool_size=too many" in case.name and case.rank < 3:
            # An op cannot know its rank: the batch axis may be missing.
            assert op_raised == raised
            assert "keras.ops.expand_dims(inputs, 0)" in op_text
        else:
            assert (op_raised, op_text) == (raised, text)


@pytest.mark.parametrize("case", BAD_INPUTS, ids=[case.name for case in BAD_INPUTS])
def test_bad_input(case: BadInput, outcomes: Outcomes) -> None:
    found = outcomes[case.name]
    graph = found.pop("graph")
    assert len(found) > 1
    raised, text = found[min(found)]
    assert raised == case.error.__name__, text
    for fragment in case.fragments:
        assert fragment in text
    for fragment in case.forbidden:
        assert fragment not in text
    assert found == dict.fromkeys(found, (raised, text))
    # There, AutoGraph puts the place in the user's code before the text.
    assert graph[0] == raised
    assert text in graph[1]


if __name__ == "__main__":
    child()
