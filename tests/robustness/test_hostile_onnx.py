"""Damaged and hostile ONNX nodes: a layer, or an error that names the attribute and shows its value."""

from __future__ import annotations

import copy
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

    make = onnx.helper.make_attribute
    for place, attribute in enumerate(node.attribute):
        name = attribute.name
        for value in VALUES:
            # ONNX cannot tell what an empty list holds: integers.
            changed = copy.deepcopy(node)
            changed.attribute[place].CopyFrom(
                make(name, value, attr_type=7 if value == [] else None)
            )
            yield name, f"changed to {value}", changed
        changed = copy.deepcopy(node)
        changed.attribute.append(attribute)
        yield name, "repeated", changed


def refused(name: str, node: Any) -> str:
    """What a refused node is told, in words of which one names an attribute, the operator or an argument."""
    try:
        from_onnx(node, rank=None if node.op_type != "GlobalMaxPool" else 2)
    except ValueError as error:
        said = str(error)
        told = r"received|the node has|is missing|is a |no attribute|=\"VALID\" has"
        assert re.search(r"`\w+`|no attribute of", said), (name, said)
        assert re.search(told, said), (name, said)
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


@pytest.mark.parametrize(
    ("kernels", "name", "values", "words"),
    [
        ([], "", {}, "`kernel_shape` is missing"),
        ([()], "", {}, "`kernel_shape` .* the node has 0"),
        ([(2,) * 4], "", {}, "`kernel_shape` .* the node has 4"),
        ([(1,) * 10**4], "", {}, "`kernel_shape` .* the node has 10000"),
        ([(2**40,)], "", {}, r"below 2\*\*31"),
        ([(2,), (3,)], "", {}, r"twice in the MaxPool node 'y'; .*=\[2\] and kernel_shape=\[3\]"),
        ([(2,)], "ceil_mode", {"i": 2**40}, "takes 0 or 1; received ceil_mode=1099511627776"),
        ([(2,)], "ceil_mode", {"i": -1}, "`ceil_mode` takes 0 or 1; received ceil_mode=-1"),
        ([(2,)], "ceil_mode", {"type": 1, "f": 1.0}, "takes an integer; .*=1.0, of ONNX's type 1"),
        ([(2,)], "storage_order", {"i": 2}, "takes 0 or 1; received storage_order=2"),
        ([(2,)], "strides", {"type": 4}, "`strides` takes a list of integers; .* strides=None"),
        ([(2,)], "strides", {"type": 6, "floats": [2.0]}, r"strides=\[2.0\], of ONNX's type 6"),
        ([(2,)], "strides", {"ints": []}, r"`strides` takes 1 .* strides=\[\]"),
        ([(2,)], "auto_pad", {"s": b"\xff"}, r"`auto_pad` is unknown; .* auto_pad='\\\\xff'"),
        ([(2,)], "pads", {"ints": [2**31, 0]}, r"`padding` .*=\[2\], pads=\[2147483648, 0\]"),
    ],
)
def test_attributes_that_make_no_sense(kernels: list, name: str, values: dict, words: str) -> None:
    attributes = [Field(name="kernel_shape", ints=[*sizes], type=7) for sizes in kernels]
    attributes += [Field(name=name, **values)] if name else []
    node = Field(op_type="MaxPool", input=["x"], output=["y"], attribute=attributes)
    with pytest.raises(ValueError, match=words):
        from_onnx(node)


def test_a_node_that_is_none() -> None:
    with pytest.raises(ValueError, match="`node` is a NoneType"):
        from_onnx(None)
