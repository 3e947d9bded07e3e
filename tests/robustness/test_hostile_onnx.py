"""Damaged and hostile ONNX nodes: a layer, or an error that names the attribute and shows its value."""

import copy
import re
import tracemalloc
from types import SimpleNamespace as Field

import pytest
from harness.install import needs

from keras_maxpool.tools.convert import from_onnx

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

NODES = (
    {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]},
    {"kernel_shape": [3], "auto_pad": "SAME_LOWER", "ceil_mode": 1},
    {"kernel_shape": [2, 2], "dilations": [2, 1], "storage_order": 1},
    {"op_type": "MaxUnpool", "kernel_shape": [2, 2], "strides": [2, 2]},
)


def refusal(node):
    """What a refused node is told, by a ValueError."""
    try:
        from_onnx(node)
    except ValueError as error:
        return str(error)
    return ""


def test_edited_nodes():
    helper = needs("onnx.helper")
    edits = []
    for attributes in NODES:
        options = {"op_type": "MaxPool", "inputs": ["x", "i"], "outputs": ["y"]} | attributes
        node = helper.make_node(**options)
        for place, attribute in enumerate(node.attribute):
            for value in VALUES:
                # ONNX cannot tell what an empty list holds: integers.
                kind = 7 if value == [] else None
                changed = copy.deepcopy(node)
                made = helper.make_attribute(attribute.name, value, attr_type=kind)
                changed.attribute[place].CopyFrom(made)
                edits.append((attribute.name, value, changed))
            changed = copy.deepcopy(node)
            changed.attribute.append(attribute)
            edits.append((attribute.name, "repeated", changed))
    refusals = 0
    tracemalloc.start()
    for name, value, node in edits:
        said = refusal(node)
        refusals += bool(said)
        names = {name, ARGUMENTS.get(name, name)}
        assert not said or any(f"{n}=" in said or f"`{n}`" in said for n in names), (value, said)
        told = r'received|the node has|is missing|no attribute|="VALID" has'
        assert re.search(told, said) or (value != "repeated" and not said), (name, value, said)
    assert len(edits) / 2 < refusals < len(edits) - 5
    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("attribute", "words"),
    [
        ({"name": "kernel_shape", "ints": [3]}, r"twice .* 'y'; .*=\[2\] and kernel_shape=\[3\]"),
        ({"name": "ceil_mode", "i": 2**40}, "takes 0 or 1; received ceil_mode=1099511627776"),
        ({"name": "ceil_mode", "type": 1, "f": 1.0}, "an integer; .*=1.0, of ONNX's type 1"),
        ({"name": "storage_order", "i": 2}, "takes 0 or 1; received storage_order=2"),
        ({"name": "strides", "type": 4}, "`strides` takes a list of integers; .* strides=None"),
        ({"name": "strides", "type": 6, "floats": [2.0]}, r"=\[2.0\], of ONNX's type 6"),
        ({"name": "auto_pad", "s": b"\xff"}, r"`auto_pad` is unknown; .* auto_pad='\\\\xff'"),
    ],
)
def test_attributes_that_make_no_sense(attribute, words):
    """Without ONNX."""
    attributes = [Field(name="kernel_shape", ints=[2], type=7), Field(**attribute)]
    node = Field(op_type="MaxPool", input=["x"], output=["y"], attribute=attributes)
    with pytest.raises(ValueError, match=words):
        from_onnx(node)
    assert "`node` is a NoneType" in refusal(None)
