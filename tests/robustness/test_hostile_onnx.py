"""Damaged and hostile ONNX nodes: a layer, or an error that names the attribute and shows its value."""

from __future__ import annotations

import re
import time
import tracemalloc
from collections.abc import Iterator
from types import SimpleNamespace as Field
from typing import Any

import pytest
from harness.install import needs

from keras_maxpool.tools.convert import from_onnx

SECONDS, BYTES = 60, 2**26
"""What all nodes of a test may take."""

VALUES = (
    *(-1, 0, 1, 3, 2**31, 2**40, 2**63 - 1, 0.5, 1e38, "", "x", "VALID"),
    *([], [0], [-1, 1], [2**31 - 1] * 2, [2**62] * 4, [1] * 10**4, [0.5, 2.0], ["x", "y"]),
)
"""What an edit puts in an attribute's place."""

ARGUMENTS = {
    "kernel_shape": "pool_size",
    "dilations": "dilation_rate",
    "pads": "padding",
    "auto_pad": "padding",
}
"""What the layer calls an attribute, where that is another name."""


def nodes() -> list[Any]:
    onnx = needs("onnx")
    make = onnx.helper.make_node
    return [
        make("MaxPool", ["x"], ["y", "i"], kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1]),
        make("MaxPool", ["x"], ["y"], kernel_shape=[3], auto_pad="SAME_LOWER", ceil_mode=1),
        make("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], dilations=[2, 1], storage_order=1),
        make("MaxUnpool", ["x", "i"], ["y"], kernel_shape=[2, 2], strides=[2, 2]),
        make("GlobalMaxPool", ["x"], ["y"]),
    ]


def edited(node: Any) -> Iterator[tuple[str, str, Any]]:
    """The attribute that was changed or repeated, what was done, and the node."""
    import onnx

    for place, attribute in enumerate(node.attribute):
        values = [onnx.helper.make_attribute(attribute.name, v) for v in VALUES if v != []]
        empty = onnx.helper.make_attribute(attribute.name, [], attr_type=7)
        for value in (*values, empty):
            changed = onnx.NodeProto()
            changed.CopyFrom(node)
            changed.attribute[place].CopyFrom(value)
            yield attribute.name, f"changed to {value}", changed
        changed = onnx.NodeProto()
        changed.CopyFrom(node)
        changed.attribute.append(attribute)
        yield attribute.name, "repeated", changed


def refused(name: str, node: Any) -> str:
    """What a refused node is told, in words of which one names an attribute, the operator or an argument."""
    try:
        from_onnx(node, rank=None if node.op_type != "GlobalMaxPool" else 2)
    except ValueError as error:
        said = str(error)
        assert re.search(r"`\w+`|no attribute of", said), (name, said)
        assert re.search(
            r"received|the node has|is missing|is a |no attribute|=\"VALID\" has", said
        ), (name, said)
        return said
    except Exception as error:
        pytest.fail(f"{name}: {error!r}")
    return ""


def test_edited_nodes() -> None:
    """In no time and no memory to speak of."""
    begun = time.perf_counter()
    tracemalloc.start()
    refusals = 0
    edits = [edit for given in nodes() for edit in edited(given)]
    for name, how, node in edits:
        said = refused(f"{name} {how}", node)
        refusals += bool(said)
        names = (name, ARGUMENTS.get(name, name))
        assert not said or any(f"{n}=" in said or f"`{n}`" in said for n in names), (how, said)
        assert said or how != "repeated", name
    assert len(edits) / 2 < refusals < len(edits) - 5
    assert tracemalloc.get_traced_memory()[1] < BYTES
    tracemalloc.stop()
    assert time.perf_counter() - begun < SECONDS


# Without ONNX


def pool(*more: Any) -> Any:
    return Field(
        op_type="MaxPool",
        input=["x"],
        output=["y"],
        attribute=[Field(name="kernel_shape", ints=[2], type=7), *more],
    )


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (Field(name="ceil_mode", i=2**40), "`ceil_mode` takes 0 or 1; received ceil_mode=1099511627776"),
        (Field(name="ceil_mode", i=-1), "`ceil_mode` takes 0 or 1; received ceil_mode=-1"),
        (Field(name="storage_order", i=2), "`storage_order` takes 0 or 1; received storage_order=2"),
        (
            Field(name="kernel_shape", ints=[3]),
            r"`kernel_shape` occurs twice in the MaxPool node 'y'; received kernel_shape=\[2\] and kernel_shape=\[3\]",
        ),
        (
            Field(name="strides", type=6, floats=[2.0], ints=[]),
            r"`strides` takes a list of integers; received strides=\[2.0\], of ONNX's type 6",
        ),
        (
            Field(name="ceil_mode", type=1, f=1.0, i=0),
            "`ceil_mode` takes an integer; received ceil_mode=1.0, of ONNX's type 1",
        ),
        (Field(name="strides", type=4), "`strides` takes a list of integers; received strides=None"),
        (Field(name="auto_pad", s=b"\xff"), r"`auto_pad` is unknown; received auto_pad='\\\\xff'"),
        (Field(name="pads", ints=[2**31, 0]), r"`padding` .* The node has kernel_shape=\[2\], pads=\[2147483648, 0\]"),
        (Field(name="strides", ints=[]), r"`strides` takes 1 .* strides=\[\]"),
    ],
)  # fmt: skip
def test_attributes_that_make_no_sense(more: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        from_onnx(pool(more))


def test_nodes_that_are_none() -> None:
    with pytest.raises(ValueError, match="`node` is a NoneType"):
        from_onnx(None)
    node = pool()
    node.attribute = []
    with pytest.raises(ValueError, match="`kernel_shape` is missing"):
        from_onnx(node)
    for sizes in ([], [2] * 4, [1] * 10**4):
        node.attribute = [Field(name="kernel_shape", ints=sizes)]
        with pytest.raises(ValueError, match=f"`kernel_shape` .* the node has {len(sizes)}"):
            from_onnx(node)
    node.attribute = [Field(name="kernel_shape", ints=[2**40])]
    with pytest.raises(ValueError, match=r"below 2\*\*31"):
        from_onnx(node)
