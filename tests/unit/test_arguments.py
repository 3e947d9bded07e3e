"""Each check of an argument: what it lets through, in which form, and what it says of the rest."""

import sys

import numpy as np
import pytest

from keras_maxpool import arguments


def refused(error, check, *args):
    """The text of the error that a check raises."""
    with pytest.raises(error) as caught:
        check(*args)
    assert caught.type is error
    return str(caught.value)


class Index:
    """An integer of another library's."""

    def __index__(self):
        return 7


def test_one_int():
    for value, expected in [
        *((3, 3), (-3, -3), (10**30, 10**30), (Index(), 7), (sys.maxsize + 1, 2**63)),
        *((np.uint8(3), 3), (np.array(3), 3), (np.uint64(2**63), 2**63)),
    ]:
        number = arguments.one_int(value, "pads", value, "Write 1.")
        assert number == expected, repr(value)
        assert type(number) is int
    for value, kind in [
        *((True, "booleans"), (np.False_, "booleans"), (3.0, "float"), (np.float64(3), "float64")),
        *(("3", "str"), (None, "NoneType"), ([3], "list"), (np.array([3, 4]), "ndarray")),
    ]:
        # The whole of what was received, not only the item that is wrong.
        whole = ("all", value)
        text = refused(TypeError, arguments.one_int, value, "pads", whole, "Write 1.")
        assert text == f"`pads` takes integers, not {kind}; received pads={whole!r}. Write 1."


def test_sequence():
    for items in ([1, 2], (1, 2), (), np.array([1.5])):
        assert list(arguments.sequence(items)) == list(items)
    for value in (3, "12", b"12", None, {1: 2}, {1, 2}, range(2), np.array(3), np.array([[1, 2]])):
        assert arguments.sequence(value) is None


def test_positive_ints():
    for value, expected in [
        *((2, (2,)), (2, (2, 2)), (np.int8(2), (2, 2, 2)), (np.array(2), (2, 2)), (Index(), (7,))),
        *((1, (1, 1)), (2**31 - 1, (2**31 - 1,)), ((2, 3), (2, 3)), ([2], (2,))),
        *(([np.int64(2), 3, np.uint8(4)], (2, 3, 4)), (np.array([2, 3], "uint16"), (2, 3))),
        (np.array([2, 3], object), (2, 3)),
    ]:
        numbers = arguments.positive_ints(value, len(expected), "pool_size")
        assert numbers == expected, repr(value)
        assert all(type(number) is int for number in numbers)
    for value, why in [
        *((0, "must be positive"), ((2, -1), "must be positive")),
        *((2**31, "must be below 2**31"), ((10**30, 2), "must be below 2**31")),
        ((), "takes 1 or 2 integers; received strides=(), which has 0"),
        ([2, 2, 2], "takes 1 or 2 integers; received strides=[2, 2, 2], which has 3"),
    ]:
        text = refused(ValueError, arguments.positive_ints, value, 2, "strides")
        assert text.startswith(f"`strides` {why}")
        assert f"received strides={value!r}" in text
        fix = "Write one positive integer, strides=2, or one per axis, strides=(2, 2)."
        assert text.endswith(fix)
    text = refused(TypeError, arguments.positive_ints, (2, 2.0), 2, "strides")
    assert text.startswith("`strides` takes integers, not float; received strides=(2, 2.0).")
    assert "takes 1 integer;" in refused(ValueError, arguments.positive_ints, (2, 2), 1, "strides")


def test_paddings():
    for value, rank, expected in [
        *(("valid", 2, ((0, 0), (0, 0))), ("VALID", 1, ((0, 0),)), ("Same", 3, "same")),
        *(("same_LOWER", 2, "same_lower"), ("Causal", 1, "causal")),
        *((0, 1, ((0, 0),)), (3, 3, ((3, 3),) * 3), (np.int64(1), 2, ((1, 1), (1, 1)))),
        *(((1, 2), 2, ((1, 1), (2, 2))), (np.array([1, 2]), 2, ((1, 1), (2, 2)))),
        *((((0, 1),), 1, ((0, 1),)), ([[0, 1], (2, 3)], 2, ((0, 1), (2, 3)))),
        *(((1, (0, 2)), 2, ((1, 1), (0, 2))), ([np.array([0, 1]), 2], 2, ((0, 1), (2, 2)))),
        (10**30, 1, ((10**30, 10**30),)),  # how much is too much depends on the window
    ]:
        assert arguments.paddings(value, rank) == expected, (value, rank)
    for value, error, why in [
        ((1,), ValueError, "takes 1 or 2 items"),
        (((0, 1, 2), (0, 1)), ValueError, "takes (before, after) pairs"),
        (((), ()), ValueError, "takes (before, after) pairs"),
        (-1, ValueError, "must not be negative"),
        (((0, 0), (0, -1)), ValueError, "must not be negative"),
        (True, TypeError, "takes integers, not booleans"),
        (((0, 1), (0, None)), TypeError, "takes integers, not NoneType"),
        ({1, 2}, TypeError, "takes integers, not set"),
    ]:
        text = refused(error, arguments.paddings, value, 2)
        assert text.startswith(f"`padding` {why}")
        assert f"received padding={value!r}" in text
        assert 'Write "valid", "same", an integer, one integer per axis as (1, 1), ' in text
        assert "or one (before, after) pair per axis as ((0, 1), (0, 1))." in text
        assert ("Cropping" in text) == ("negative" in why)


def test_unknown_paddings():
    guesses = {"same_upper": "same_lower", " same": "same", "vali": "valid", "": "", "full": ""}
    for name, meant in guesses.items():
        in_1d, in_2d = (refused(ValueError, arguments.named_padding, name, rank) for rank in (1, 2))
        guess = f'Did you mean "{meant}"? ' if meant else ""
        assert in_2d == (
            f"`padding` is unknown; received padding={name!r}. {guess}"
            'Write one of "valid", "same", "same_lower", integers, or pairs.'
        )
        assert in_1d == in_2d.replace('"same_lower",', '"same_lower", "causal",')
    text = refused(ValueError, arguments.named_padding, "CAUSAL", 2)
    assert "1D only" in text
    assert "received padding='CAUSAL' in 2D" in text


def test_flag():
    assert arguments.flag(True, "ceil_mode") is True
    assert arguments.flag(False, "ceil_mode") is False
    for value in (1, 0, None, "True", np.True_):
        text = refused(TypeError, arguments.flag, value, "ceil_mode")
        assert text.startswith("`ceil_mode` takes True or False")
        assert f"received ceil_mode={value!r}" in text
    # NumPy 1 writes its own as Python's: "takes True or False; received True" would be a riddle.
    assert "np." in text or "numpy" in text or "bool_" in text


def test_choices():
    assert arguments.choice("ieee", "nonfinite", arguments.NONFINITE) == "ieee"
    for value in ("IEEE", "", None, 0, ["ieee"], {"ieee"}, b"ieee"):
        text = refused(ValueError, arguments.choice, value, "nonfinite", arguments.NONFINITE)
        guess = 'Did you mean "ieee"? ' if value == "IEEE" else ""
        assert text == (
            f"`nonfinite` is unknown; received nonfinite={value!r}. "
            f'{guess}Write "backend" or "ieee".'
        )
    for value in arguments.DATA_FORMATS:
        for spelling in (value, value.upper(), value.title()):
            assert arguments.data_format(spelling) == value
    assert arguments.data_format(None, "channels_first") == "channels_first"
    for value in ("NHWC", "", None, 1, ("channels_last",)):
        text = refused(ValueError, arguments.data_format, value)
        assert f"`data_format` is unknown; received data_format={value!r}" in text
        assert '"channels_last" or "channels_first"' in text
