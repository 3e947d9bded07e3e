"""The geometry against the reference, and what it says of arguments that contradict each other or the input."""

import dataclasses
import math
from functools import partial
from itertools import product

import numpy as np
import pytest
import reference
from unit.test_arguments import refused

from keras_maxpool.geometry.window import Axis, Window, ceil_divide, parse

VALID = (0, 0)
NAMED = ("same", "same_lower", "causal")


def test_unpooled_size():
    for outputs, axis, size in [
        *((4, (3, 2, (0, 1)), 8), (3, (2, 3, VALID), 8)),
        *((3, (2, 3, "same"), 9), (3, (5, 2, "causal"), 6)),
    ]:
        assert Axis(*axis).unpooled_size(outputs) == size, axis
        assert Axis(*axis).output_size(size) == outputs


class RoundedToZero(int):
    """Divided as ONNX divides."""

    def __floordiv__(self, other):
        return RoundedToZero(int(self / other))


def test_ceil_divide():
    for kind, divisor in product((int, RoundedToZero), (1, 2, 3, 7)):
        for number in range(1 - divisor, 20):
            assert ceil_divide(kind(number), divisor) == math.ceil(number / divisor)


@pytest.mark.parametrize("ceil_mode", [False, True], ids=["floor", "ceil"])
def test_every_small_axis(ceil_mode):
    """The number of windows, the pads with which others are the same, and whether one sees nothing else."""
    alone = set()
    for pool, stride, dilation, size in product((1, 2, 3, 4), (1, 2, 3, 5), (1, 2, 3, 5), range(9)):
        length = (pool - 1) * dilation + 1
        few = {n for n in (0, 1, 2, length // 2, length - 1) if n < length}
        for padding in (*product(few, repeat=2), *(() if ceil_mode else NAMED)):
            axis = Axis(pool, stride, padding, dilation, ceil_mode)
            arguments = size, *dataclasses.astuple(axis)
            try:
                outputs, before, after = reference.geometry(*arguments)
            except ValueError:
                assert axis.output_size(size) < 1, arguments
                continue
            reach = (outputs - 1) * stride + length
            assert axis.output_size(size) == outputs, arguments
            assert axis.pads(size) == (before, max(after, reach - size - before)), arguments
            if size:
                of_padding = reference.sees_only_padding(*arguments)
                assert axis.has_window_of_padding(size) == of_padding, arguments
                alone.add(of_padding)
    assert alone == {True, False}


def test_formulas_take_another_maximum():
    """As a kernel passes TensorFlow's for sizes that are scalar tensors; here, many sizes at once."""
    sizes = np.arange(1, 40)
    for axis in [
        *(Axis(3, 2, padding, 2) for padding in (VALID, (1, 2), *NAMED)),
        *(Axis(3, 2, (1, 1), 1, True), Axis(2, 5, (0, 1), 1, True)),
    ]:
        one_by_one = [(axis.output_size(n), *axis.pads(n)) for n in sizes.tolist()]
        at_once = axis.output_size(sizes, np.maximum), *axis.pads(sizes, np.maximum)
        at_once = np.transpose(np.broadcast_arrays(*at_once))
        np.testing.assert_array_equal(at_once, one_by_one, str(axis))


def window(rank, pool_size=2, **options):
    """`parse` with the defaults of the layers."""
    defaults = {"strides": None, "padding": "valid", "dilation_rate": 1, "ceil_mode": False}
    return parse(rank, pool_size, *(defaults | options).values())


def test_parse_keeps_the_axes_apart():
    parsed = parse(3, (4, 5, 6), (1, 2, 3), ((0, 1), 2, (3, 0)), [1, 2, 1], True)
    wanted = (4, 1, (0, 1), 1), (5, 2, (2, 2), 2), (6, 3, (3, 0), 1)
    assert parsed.axes == tuple(Axis(*axis, True) for axis in wanted)
    assert parsed.rank == 3
    assert parsed.output_sizes([9, None, 20]) == [7, None, 7]
    assert [axis.stride for axis in window(2, (2, 3)).axes] == [2, 3]
    assert not window(2).dilated
    assert window(2, dilation_rate=(1, 2)).dilated


def test_padding_round_trip():
    for rank, padding, expected in [
        *((2, "VALID", "valid"), (3, 0, "valid"), (2, ((0, 0), (0, 0)), "valid")),
        *((1, "Causal", "causal"), (3, [0, (0, 1), [2, 0]], ((0, 0), (0, 1), (2, 0)))),
    ]:
        parsed = window(rank, 3, padding=padding)
        assert parsed.padding == expected, padding
        assert window(rank, 3, padding=parsed.padding) is parsed


def test_equal_arguments_give_one_window():
    first = parse(2, 2, None, "valid", 1, False)
    assert parse(2, [2, 2], (2, 2), 0, (1, 1), False) is first
    assert parse(2, np.int64(2), np.array([2, 2]), "VALID", np.array(1), False) is first
    assert parse(2, 2, None, "valid", 1, True) is not first
    assert parse(1, 2, None, "valid", 1, False) != first
    assert hash(Window(first.axes)) == hash(first)
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.axes[0].pool = 3


def test_output_sizes():
    for sizes, options, expected in [
        ([None, 5], {}, [None, 2]),
        ([0, 5], {"padding": "same"}, [0, 3]),
        ([0, 1], {"pool_size": 3, "padding": 2}, [1, 1]),
        ([5, 4, None], {"ceil_mode": True}, [3, 2, None]),
        ([4], {"pool_size": 2**31 - 2, "padding": "same"}, [1]),
    ]:
        assert window(len(sizes), **options).output_sizes(sizes) == expected, options


def test_windows_larger_than_their_input():
    for sizes, options, *fragments in [
        ([3], {"pool_size": 4}, "spatial axis 0 has 3 elements,", "spans 4", "(3,)"),
        ([9, 3], {"pool_size": (1, 4)}, "spatial axis 1 has 3", "pool_size=4", "(9, 3)"),
        ([4, None], {"pool_size": 3, "dilation_rate": 2}, "spans 5", "dilation_rate=2", "(4, N"),
        ([5], {"pool_size": 9, "padding": ((1, 2),)}, "5 elements and 3 of padding", "spans 9"),
        ([4, 4, 0], {}, "spatial axis 2 has 0 elements"),
    ]:
        text = refused(ValueError, window(len(sizes), **options).output_sizes, sizes)
        assert text.startswith("The window is larger than its input")
        for fragment in [*fragments, "smaller pool_size", 'padding="same"', "larger input"]:
            assert fragment in text


def test_windows_that_would_fit_in_the_other_format():
    for data_format, sizes, channels, swapped in [
        *(("channels_last", [3, 32], 32, True), ("channels_last", [3, None], 32, True)),
        *(("channels_last", [3, 32], 4, True), ("channels_last", [3, 32, 32], 32, True)),
        *(("channels_last", [3, None], None, False), ("channels_last", [3, 3], 3, False)),
        *(("channels_first", [32, 3], 32, True), ("channels_first", [32, 32, 3], 32, True)),
        ("channels_first", [3, 32], 32, False),
    ]:
        of = window(len(sizes), 4)
        text = refused(ValueError, of.output_sizes, sizes, data_format, channels)
        (other,) = {"channels_last", "channels_first"} - {data_format}
        hint = f'looks like data_format="{other}"; this call uses "{data_format}"'
        assert (hint in text) == ("looks like" in text) == swapped, (data_format, sizes, channels)


def test_padded_sizes_stay_below_32_bits():
    of = window(1, 2, padding=((0, 1),))
    assert of.output_sizes([2**31 - 3]) == [2**30 - 1]
    match = f"stretch the {2**31 - 2} elements of spatial axis 0 to {2**31 - 1}, and"
    with pytest.raises(ValueError, match=match):
        of.output_sizes([2**31 - 2])
    with pytest.raises(ValueError, match=f"to {2**31}, and"):
        window(1, 2, padding=1).output_sizes([2**31 - 2])


def test_contradictions():
    for options, *fragments in [
        ({"pool_size": 3, "padding": 3}, "`padding`", "spans 3", "at most 2"),
        ({"pool_size": 2, "dilation_rate": 3, "padding": 4}, "`padding`", "at most 3"),
        ({"pool_size": 3, "padding": ((0, 0), (0, 3))}, "`padding`", "(0, 3)"),
        ({"pool_size": 1, "padding": 1}, "`padding`", "at most 0"),
        ({"pool_size": 2, "dilation_rate": 2**31 - 1}, "`dilation_rate`", "`pool_size`", "2**31"),
        *(({"padding": name, "ceil_mode": True}, "`ceil_mode`", name) for name in NAMED[:2]),
    ]:
        text = refused(ValueError, partial(window, 2, **options))
        for fragment in ["received", *fragments]:
            assert fragment in text


def test_limits_that_are_allowed():
    assert window(2, 3, padding=2).rank == 2
    assert window(2, 2, dilation_rate=3, padding=3).rank == 2
    assert window(2, 2, dilation_rate=2**31 - 2).rank == 2
    assert window(2, 1, dilation_rate=2**31 - 1, strides=2**31 - 1).rank == 2
