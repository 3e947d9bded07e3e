"""The geometry against numbers worked out by hand, and against windows that are placed one by one."""

from __future__ import annotations

import dataclasses
import math
from itertools import product

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_maxpool.geometry.window import Axis, Window, ceil_divide, parse

VALID = (0, 0)
NAMED = ("same", "same_lower", "causal")

# One axis


@pytest.mark.parametrize(
    ("size", "axis", "expected"),
    [
        # (pool, stride, padding, dilation, ceil_mode) -> windows, padding before, padding after
        (112, (3, 2, (1, 1), 1, False), (56, 1, 1)),  # the stem of a ResNet
        (112, (3, 2, "same", 1, False), (56, 0, 1)),
        (112, (3, 2, "same_lower", 1, False), (56, 1, 0)),
        (112, (3, 2, "causal", 1, False), (56, 2, 0)),
        (1, (1, 1, VALID, 1, False), (1, 0, 0)),
        (13, (2, 2, VALID, 1, False), (6, 0, 0)),
        (13, (2, 2, VALID), (6, 0, 0)),  # rounded down unless asked otherwise
        (13, (2, 2, VALID, 1, True), (7, 0, 1)),
        (5, (3, 1, (2, 0), 1, False), (5, 2, 0)),
        (5, (3, 2, (0, 2), 1, False), (3, 0, 2)),
        # Strides longer than the window.
        (7, (2, 3, VALID, 1, False), (2, 0, 0)),
        (7, (2, 3, VALID, 1, True), (3, 0, 1)),
        (6, (2, 3, VALID, 1, True), (2, 0, 0)),  # a third would start at 6, behind the end
        (10, (2, 5, "same", 1, False), (2, 0, 0)),  # skips data, so no padding, and never less
        (10, (2, 5, "same_lower", 1, False), (2, 0, 0)),
        (10, (3, 4, "same", 1, False), (3, 0, 1)),
        (10, (3, 4, "same_lower", 1, False), (3, 1, 0)),
        (10, (3, 4, "causal", 1, False), (3, 2, 0)),
        # Gaps: a window of 3 spans 7 at a rate of 3, and 9 at a rate of 4.
        (10, (3, 1, VALID, 4, False), (2, 0, 0)),
        (10, (3, 2, "same", 3, False), (5, 2, 3)),
        (10, (3, 2, "same_lower", 3, False), (5, 3, 2)),
        (10, (3, 2, "causal", 3, False), (5, 6, 0)),
        (10, (3, 2, (6, 6), 3, False), (8, 6, 6)),
        (10, (1, 1, "same", 9, False), (10, 0, 0)),  # one element has no gaps
        # A last window that hangs over, and one that would start in the padding at the end.
        (4, (3, 2, (1, 1), 1, True), (3, 1, 2)),
        (4, (2, 3, (1, 1), 1, True), (2, 1, 1)),
        (2, (3, 2, VALID, 1, True), (1, 0, 1)),
        # No elements, and yet windows where there is padding enough.
        (0, (3, 1, (2, 2), 1, False), (2, 2, 2)),
        (2**31 - 1, (2, 2, VALID, 1, False), (2**30 - 1, 0, 0)),
    ],
    ids=str,
)
def test_windows_and_pads(size: int, axis: tuple, expected: tuple[int, int, int]) -> None:
    axis = Axis(*axis)
    assert (axis.output_size(size), *axis.pads(size)) == expected


@pytest.mark.parametrize(
    ("size", "axis"),
    [
        (2, (3, 1, VALID, 1, False)),
        (1, (4, 1, VALID, 1, False)),
        (0, (1, 1, VALID, 1, False)),
        (4, (3, 1, VALID, 2, False)),
        (1, (5, 3, (1, 1), 1, False)),
        (1, (4, 2, VALID, 1, True)),
        (0, (2, 2, "same", 1, False)),
        (0, (2, 2, "same_lower", 1, False)),
        (0, (2, 2, "causal", 1, False)),
    ],
    ids=str,
)
def test_no_window_fits(size: int, axis: tuple) -> None:
    assert Axis(*axis).output_size(size) < 1


@pytest.mark.parametrize(
    ("pool", "dilation", "length"), [(1, 1, 1), (3, 1, 3), (1, 7, 1), (2, 7, 8), (3, 2, 5)]
)
def test_length(pool: int, dilation: int, length: int) -> None:
    assert Axis(pool, 1, VALID, dilation).length == length


@pytest.mark.parametrize(
    ("outputs", "axis", "size"),
    [
        (3, (2, 2, VALID), 6),
        (4, (3, 2, (1, 1)), 7),
        (4, (3, 2, (0, 1)), 8),
        (3, (2, 3, VALID), 8),
        (3, (2, 3, "same"), 9),
        (3, (5, 2, "causal"), 6),
    ],
    ids=str,
)
def test_unpooled_size(outputs: int, axis: tuple, size: int) -> None:
    assert Axis(*axis).unpooled_size(outputs) == size
    assert Axis(*axis).output_size(size) == outputs


class RoundedToZero(int):
    """Divided as ONNX divides."""

    def __floordiv__(self, other: int) -> RoundedToZero:
        return RoundedToZero(int(self / other))


@pytest.mark.parametrize("kind", [int, RoundedToZero])
def test_ceil_divide(kind: type) -> None:
    for divisor in (1, 2, 3, 7):
        for number in range(1 - divisor, 20):
            assert ceil_divide(kind(number), divisor) == math.ceil(number / divisor)


def placed(size: int, axis: Axis) -> int:
    """Counts an axis's windows by placing one after the other."""
    if isinstance(axis.padding, str):
        return len(range(0, size, axis.stride))
    before, after = axis.padding
    end = before + size + after
    start = count = 0
    while True:
        fits = start + axis.length <= end
        # Needed only if the window before this one left something over, and there is data in it.
        hangs_over = start - axis.stride + axis.length < end and start < before + size
        if not (fits or (axis.ceil_mode and hangs_over)):
            return count
        count += 1
        start += axis.stride


def check_by_placing(size: int, axis: Axis) -> None:
    count = placed(size, axis)
    assert max(axis.output_size(size), 0) == count
    if not count:
        return
    before, after = axis.pads(size)
    assert min(before, after) >= 0
    # With these pads, a plain pooling places the same windows.
    plain = dataclasses.replace(axis, padding=VALID, ceil_mode=False)
    assert placed(before + size + after, plain) == count
    reach = (count - 1) * axis.stride + axis.length
    if axis.padding in ("same", "same_lower"):
        assert before + after == max(reach - size, 0)
        assert after - before in ((0, 1) if axis.padding == "same" else (-1, 0))
    elif axis.padding == "causal":
        # The last element of window k is step k * stride, so none sees a later one.
        assert (before, after) == (axis.length - 1, 0)
    else:
        assert before == axis.padding[0]
        assert after == max(axis.padding[1], reach - size - before)


@pytest.mark.parametrize("ceil_mode", [False, True], ids=["floor", "ceil"])
@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("pool", [1, 2, 3, 4])
def test_every_small_axis(pool: int, dilation: int, ceil_mode: bool) -> None:
    length = (pool - 1) * dilation + 1
    pairs = product(range(min(length, 3)), repeat=2)
    for stride, padding, size in product(
        (1, 2, 3, 5), (*pairs, *(() if ceil_mode else NAMED)), range(9)
    ):
        check_by_placing(size, Axis(pool, stride, padding, dilation, ceil_mode))


@st.composite
def axes(draw: st.DrawFn) -> Axis:
    pool, stride, dilation = (draw(st.integers(1, most)) for most in (9, 12, 5))
    pad = st.integers(0, (pool - 1) * dilation)
    if draw(st.booleans()):
        return Axis(pool, stride, draw(st.sampled_from(NAMED)), dilation)
    return Axis(pool, stride, draw(st.tuples(pad, pad)), dilation, draw(st.booleans()))


@settings(max_examples=150, deadline=None, database=None)
@given(size=st.integers(0, 80), axis=axes())
def test_any_axis(size: int, axis: Axis) -> None:
    check_by_placing(size, axis)


@pytest.mark.parametrize(
    "axis",
    [
        Axis(3, 2, VALID),
        Axis(3, 2, (1, 2), 2),
        Axis(3, 2, (1, 1), 1, True),
        Axis(2, 5, (0, 1), 1, True),
        *(Axis(3, 2, name, 2) for name in NAMED),
    ],
    ids=str,
)
def test_formulas_take_another_maximum(axis: Axis) -> None:
    """As a kernel passes TensorFlow's for sizes that are scalar tensors; here, many sizes at once."""
    sizes = np.arange(1, 40)
    one_by_one = [(axis.output_size(n), *axis.pads(n)) for n in sizes.tolist()]
    at_once = axis.output_size(sizes, np.maximum), *axis.pads(sizes, np.maximum)
    assert [
        *zip(*(np.broadcast_to(one, sizes.shape).tolist() for one in at_once), strict=True)
    ] == (one_by_one)


# Windows of several axes


def window(rank: int, pool_size: object = 2, **options: object) -> Window:
    """`parse` with the defaults of the layers."""
    defaults = {"strides": None, "padding": "valid", "dilation_rate": 1, "ceil_mode": False}
    return parse(rank, pool_size, *(defaults | options).values())


def test_parse_keeps_the_axes_apart() -> None:
    parsed = window(
        3,
        (4, 5, 6),
        strides=(1, 2, 3),
        padding=((0, 1), 2, (3, 0)),
        dilation_rate=[1, 2, 1],
        ceil_mode=True,
    )
    assert parsed.axes == (
        Axis(4, 1, (0, 1), 1, True),
        Axis(5, 2, (2, 2), 2, True),
        Axis(6, 3, (3, 0), 1, True),
    )
    assert parsed.rank == 3
    assert parsed.output_sizes([9, None, 20]) == [7, None, 7]


def test_strides_default_to_the_window() -> None:
    assert [axis.stride for axis in window(2, (2, 3)).axes] == [2, 3]


def test_dilated() -> None:
    assert not window(2).dilated
    assert window(2, dilation_rate=(1, 2)).dilated


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        ("valid", "valid"),
        ("VALID", "valid"),
        (0, "valid"),
        ("same", "same"),
        ("Same", "same"),
        ("SAME_LOWER", "same_lower"),
        (2, (2, 2)),
        (np.int64(1), (1, 1)),
    ],
    ids=str,
)
def test_padding_round_trip(rank: int, padding: object, expected: object) -> None:
    parsed = window(rank, 3, padding=padding)
    assert parsed.padding == (expected if isinstance(expected, str) else (expected,) * rank)
    assert window(rank, 3, padding=parsed.padding) is parsed


@pytest.mark.parametrize(
    ("rank", "padding", "expected"),
    [
        (1, "Causal", "causal"),
        (1, [1], ((1, 1),)),
        (1, ((0, 1),), ((0, 1),)),
        (2, (0, 0), "valid"),
        (2, ((0, 0), (0, 0)), "valid"),
        (2, (0, 1), ((0, 0), (1, 1))),
        (2, [(0, 1), [1, 0]], ((0, 1), (1, 0))),
        (2, np.array([1, 2]), ((1, 1), (2, 2))),
        (3, (0, 1, (2, 0)), ((0, 0), (1, 1), (2, 0))),
    ],
    ids=str,
)
def test_padding_round_trip_by_axis(rank: int, padding: object, expected: object) -> None:
    parsed = window(rank, 3, padding=padding)
    assert parsed.padding == expected
    assert window(rank, 3, padding=parsed.padding) is parsed


def test_equal_arguments_give_one_window() -> None:
    first = parse(2, 2, None, "valid", 1, False)
    assert parse(2, [2, 2], (2, 2), 0, (1, 1), False) is first
    assert parse(2, np.int64(2), np.array([2, 2]), "VALID", np.array(1), False) is first
    assert parse(2, 2, None, "valid", 1, True) is not first
    assert parse(1, 2, None, "valid", 1, False) != first


def test_windows_are_values() -> None:
    """Hashable and frozen, so that one may be shared and serve as a key."""
    assert hash(window(2)) == hash(Window(window(2).axes))
    with pytest.raises(dataclasses.FrozenInstanceError):
        window(2).axes = ()
    with pytest.raises(dataclasses.FrozenInstanceError):
        window(2).axes[0].pool = 3


# Output sizes


@pytest.mark.parametrize(
    ("sizes", "options", "expected"),
    [
        ([5], {}, [2]),
        ([None, 5], {}, [None, 2]),
        ([112, 111], {"pool_size": 3, "strides": 2, "padding": 1}, [56, 56]),
        ([0, 5], {"padding": "same"}, [0, 3]),
        ([0], {"padding": "causal"}, [0]),
        ([0, 1], {"pool_size": 3, "padding": 2}, [1, 1]),
        ([5, 4, None], {"ceil_mode": True}, [3, 2, None]),
        ([4], {"pool_size": 2**31 - 2, "padding": "same"}, [1]),
    ],
    ids=str,
)
def test_output_sizes(sizes: list, options: dict, expected: list) -> None:
    assert window(len(sizes), **options).output_sizes(sizes) == expected


@pytest.mark.parametrize(
    ("sizes", "options", "fragments"),
    [
        ([3], {"pool_size": 4}, ["spatial axis 0 has 3 elements,", "spans 4", "(3,)"]),
        ([9, 3], {"pool_size": (1, 4)}, ["spatial axis 1 has 3", "pool_size=4", "(9, 3)"]),
        (
            [4, None],
            {"pool_size": 3, "dilation_rate": 2},
            ["spans 5", "dilation_rate=2", "(4, None)"],
        ),
        ([5], {"pool_size": 9, "padding": ((1, 2),)}, ["5 elements and 3 of padding", "spans 9"]),
        ([4, 4, 0], {}, ["spatial axis 2 has 0 elements"]),
        ([1], {"pool_size": 4, "strides": 2, "ceil_mode": True}, ["has 1 elements"]),
    ],
    ids=str,
)
def test_too_large(sizes: list, options: dict, fragments: list[str]) -> None:
    with pytest.raises(ValueError, match="The window is larger than its input") as caught:
        window(len(sizes), **options).output_sizes(sizes)
    for fragment in [*fragments, "smaller pool_size", 'padding="same"', "larger input"]:
        assert fragment in str(caught.value)


@pytest.mark.parametrize(
    ("data_format", "sizes", "channels", "other"),
    [
        # What each format takes for the spatial sizes, and for the channels.
        ("channels_last", [3, 32], 32, "channels_first"),
        ("channels_first", [32, 3], 32, "channels_last"),
        ("channels_last", [3, None], None, None),
        ("channels_last", [3, 32], 3, None),
        ("channels_last", [3, 3], 3, None),
        ("channels_first", [3, 3], 3, None),
        ("channels_first", [3, 32], 32, None),
        ("channels_last", [3, None], 32, "channels_first"),
        ("channels_last", [3, 32], 4, "channels_first"),
        ("channels_last", [3, 32, 32], 32, "channels_first"),
        ("channels_first", [32, 32, 3], 32, "channels_last"),
    ],
    ids=str,
)
def test_too_large_in_this_format(
    data_format: str, sizes: list, channels: int | None, other: str | None
) -> None:
    """The error says so where the window would fit if the shape were of the other format."""
    with pytest.raises(ValueError, match="larger than its input") as caught:
        window(len(sizes), 4).output_sizes(sizes, data_format, channels)
    hint = f'looks like data_format="{other}"; this call uses "{data_format}"'
    assert (hint in str(caught.value)) == (other is not None)
    assert ("looks like" in str(caught.value)) == (other is not None)


def test_padded_sizes_stay_below_32_bits() -> None:
    of = window(1, 2, padding=((0, 1),))
    assert of.output_sizes([2**31 - 3]) == [2**30 - 1]
    match = f"stretch the {2**31 - 2} elements of spatial axis 0 to {2**31 - 1}, and"
    with pytest.raises(ValueError, match=match):
        of.output_sizes([2**31 - 2])
    with pytest.raises(ValueError, match=f"to {2**31}, and"):
        window(1, 2, padding=1).output_sizes([2**31 - 2])


# What two arguments forbid together


@pytest.mark.parametrize(
    ("options", "fragments"),
    [
        ({"pool_size": 3, "padding": 3}, ["`padding`", "spans 3", "at most 2"]),
        ({"pool_size": 3, "padding": 5}, ["`padding`", "spans 3", "at most 2"]),
        ({"pool_size": 2, "dilation_rate": 3, "padding": 4}, ["`padding`", "at most 3"]),
        ({"pool_size": 3, "padding": ((0, 0), (0, 3))}, ["`padding`", "(0, 3)"]),
        ({"pool_size": 1, "padding": 1}, ["`padding`", "at most 0"]),
        ({"pool_size": 2, "dilation_rate": 2**31 - 1}, ["`dilation_rate`", "`pool_size`", "2**31"]),
        ({"pool_size": 2**16, "dilation_rate": 2**16}, ["`dilation_rate`", "2**31"]),
        *(({"padding": name, "ceil_mode": True}, ["`ceil_mode`", name]) for name in NAMED[:2]),
    ],
    ids=str,
)
def test_contradictions(options: dict, fragments: list[str]) -> None:
    with pytest.raises(ValueError, match="received") as caught:
        window(2, **options)
    for fragment in fragments:
        assert fragment in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"pool_size": 3, "padding": 2},
        {"pool_size": 2, "dilation_rate": 3, "padding": 3},
        {"pool_size": 2**31 - 1},
        {"pool_size": 2, "dilation_rate": 2**31 - 2},
        {"pool_size": 1, "dilation_rate": 2**31 - 1},
        {"strides": 2**31 - 1},
    ],
    ids=str,
)
def test_limits_that_are_allowed(options: dict) -> None:
    assert window(2, **options).rank == 2


def test_windows_that_see_only_padding() -> None:
    """Every combination of a few sizes, against the reference's walk over all elements."""
    found = set()
    for size, pool, stride, dilation in product(range(1, 7), range(1, 4), range(1, 4), range(1, 6)):
        reach = (pool - 1) * dilation
        paddings = [*NAMED, VALID, (reach, 0), (reach, reach), (reach // 2, reach)]
        for padding, ceil_mode in [
            *((p, False) for p in paddings),
            (VALID, True),
            ((0, reach), True),
        ]:
            axis = Axis(pool, stride, padding, dilation, ceil_mode)
            if axis.output_size(size) < 1:
                continue
            wanted = reference.sees_only_padding(size, pool, stride, padding, dilation, ceil_mode)
            assert axis.has_window_of_padding(size) == wanted, (size, axis)
            found.add(wanted)
    assert found == {True, False}
