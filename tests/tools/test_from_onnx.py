"""ONNX's nodes as layers, beside the reference, and ONNX's reference evaluator where that is right (onnx 1.23.2).

It is not with SAME_LOWER (a window too few), asymmetric pads (an IndexError) and GlobalMaxPool of other ranks than 2.
"""

import numpy as np
import pytest
import reference
from harness.install import needs
from harness.runner import as_array

import keras_maxpool
from keras_maxpool.tools.convert import from_onnx

onnx, onnx_reference = needs("onnx"), needs("onnx.reference")


def node(kind="MaxPool", outputs=1, inputs=1, **attributes):
    names = [["y", "indices"][:outputs], ["x", "i", "shape"][:inputs]]
    return onnx.helper.make_node(kind, names[1], names[0], name="n", **attributes)


def run(given, x):
    """What the reference evaluator gives for one node, channels first."""
    info = onnx.helper.make_tensor_value_info
    floats = onnx.TensorProto.FLOAT
    outputs = [info(name, floats if name == "y" else 7, None) for name in given.output]
    graph = onnx.helper.make_graph([given], "g", [info("x", floats, x.shape)], outputs)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 22)])
    return onnx_reference.ReferenceEvaluator(model).run(None, {"x": x})


def example(rank):
    shape = (2, 3, *(9, 8, 7)[:rank])
    return np.random.default_rng(rank).integers(-9, 9, shape).astype("float32")


def first(y):
    return np.moveaxis(as_array(y), -1, 1)


def last(x):
    return np.moveaxis(x, 1, -1)


def cases(rank):
    """Attributes, and what they say in the reference's terms: window, strides, padding, dilation, ceil mode."""
    three, two, one = [3] * rank, [2] * rank, [1] * rank
    pads, rates = ((1, 0), (0, 2), (2, 1))[:rank], [2, 1, 3][:rank]
    both = [pair[side] for side in (0, 1) for pair in pads]
    mixed = [3, 2, 4][:rank], [1, 2, 3][:rank]
    same = [2, 3, 2][:rank], [2, 3, 1][:rank]
    plain, halved = {"kernel_shape": three}, {"kernel_shape": three, "strides": two}
    apart = {"kernel_shape": two, "strides": three, "pads": one * 2}
    auto = {"kernel_shape": same[0], "strides": same[1]}
    return {
        "plain": (plain | {"auto_pad": "NOTSET", "storage_order": 1}, (3, 1)),
        "strides": ({"kernel_shape": mixed[0], "strides": mixed[1]}, mixed),
        "pads": (plain | {"pads": both}, (3, 1, pads)),
        "dilations": ({"kernel_shape": two, "dilations": rates}, (2, 1, "valid", rates)),
        "ceil": (halved | {"ceil_mode": 1}, (3, 2, "valid", 1, True)),
        "ceil_drops": (apart | {"ceil_mode": 1}, (2, 3, 1, 1, True)),
        "valid": (halved | {"auto_pad": "VALID"}, (3, 2)),
        "upper": (auto | {"auto_pad": "SAME_UPPER", "ceil_mode": 1}, (*same, "same")),
        "lower": (auto | {"auto_pad": "SAME_LOWER"}, (*same, "same_lower")),
    }


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_max_pool(rank):
    x = example(rank)
    for name, (attributes, arguments) in cases(rank).items():
        given = node(**attributes)
        wanted = first(reference.pool(last(x), *arguments)[0])
        if name not in ("pads", "lower"):  # where the evaluator is wrong
            np.testing.assert_array_equal(run(given, x)[0], wanted, name, strict=True)
        np.testing.assert_array_equal(first(from_onnx(given)(last(x))), wanted, name, strict=True)
        layer = from_onnx(given, data_format="channels_first", nonfinite="ieee", name="pool")
        assert (layer.name, layer.nonfinite) == ("pool", "ieee")
        np.testing.assert_array_equal(layer(x), wanted, name, strict=True)


def test_indices():
    """The layer's own convention, whatever the node's order."""
    x = last(example(2))
    for order in (0, 1):
        given = node(outputs=2, kernel_shape=[2, 3], storage_order=order)
        for got, wanted in zip(from_onnx(given)(x), reference.pool(x, [2, 3], 1), strict=True):
            np.testing.assert_array_equal(got, wanted)
    dropped = onnx.helper.make_node("MaxPool", ["x"], ["y", ""], kernel_shape=[2])
    for given in (node(kernel_shape=[2]), dropped):
        assert not from_onnx(given).return_indices


def test_global():
    for rank in (1, 2, 3):
        x = example(rank)
        wanted = x.max(tuple(range(2, rank + 2)), keepdims=True)
        if rank == 2:
            np.testing.assert_array_equal(run(node("GlobalMaxPool"), x)[0], wanted, strict=True)
        layer = from_onnx(node("GlobalMaxPool"), rank=rank)
        np.testing.assert_array_equal(first(layer(last(x))), wanted, strict=True)


def test_unpool():
    """The example of ONNX's own page of MaxUnpool, with indices from ONNX; and behind a node, a shape from a tensor."""
    values = np.array([[[[1, 2], [3, 4]]]], "float32")
    indices = np.array([[[[5, 7], [13, 15]]]], "int64")
    layer = from_onnx(node("MaxUnpool", inputs=2, kernel_shape=[2, 2], strides=[2, 2]))
    converted = keras_maxpool.ops.convert_indices(last(indices), (1, 4, 4, 1), source="onnx")
    wanted = np.zeros((4, 4), "float32")
    wanted[1::2, 1::2] = [[1, 2], [3, 4]]
    np.testing.assert_array_equal(layer(last(values), converted)[0, ..., 0], wanted, strict=True)
    assert from_onnx(node("MaxUnpool", inputs=2, kernel_shape=[2])).strides == (1,)

    x = example(2)
    options = {"kernel_shape": [3, 3], "strides": [3, 3], "pads": [1, 1, 1, 1]}
    values, indices = from_onnx(node(outputs=2, **options))(last(x))
    with pytest.raises(ValueError, match="`output_shape` of the MaxUnpool node 'n' is a tensor"):
        from_onnx(node("MaxUnpool", inputs=3, **options))
    layer = from_onnx(node("MaxUnpool", inputs=3, **options), output_size=x.shape[2:])
    unpooled = first(layer(values, indices))
    assert unpooled.shape == x.shape
    np.testing.assert_array_equal(unpooled[unpooled != 0], x[unpooled != 0])
    assert (unpooled != 0).sum() == np.count_nonzero(values)


FORMAT = r"`data_format` is unknown; received data_format='x'.* The node has kernel_shape=\[2\]"


def test_refused_nodes():
    for given, options, words in (
        (
            node("AveragePool", kernel_shape=[2]),
            {},
            "is a AveragePool; from_onnx .*of type MaxPool, ",
        ),
        (node(), {}, "`kernel_shape` is missing from the MaxPool node 'n'"),
        (node(kernel_shape=[2], p=2), {}, "`p` is no attribute of MaxPool"),
        (node("MaxUnpool", kernel_shape=[2], auto_pad="VALID"), {}, "`auto_pad` is no attribute"),
        (node(kernel_shape=[2] * 4), {}, "the node has 4"),
        (node(kernel_shape=[2] * 2), {"rank": 3}, "the node has 2, and rank=3"),
        (node("GlobalMaxPool"), {}, "pass rank=1, 2 or 3"),
        (node("GlobalMaxPool"), {"rank": 4}, "received rank=4"),
        (node(kernel_shape=[2, 2], pads=[1, 1]), {}, "`pads` takes a begin and an end"),
        (node(kernel_shape=[2], pads=[-1, 0]), {}, "`padding` must not be negative"),
        (node(kernel_shape=[2], auto_pad="SAME"), {}, "`auto_pad` is unknown; received .*'SAME'"),
        (node(kernel_shape=[2], auto_pad="VALID", pads=[1, 0]), {}, "contradict each other"),
        (node(kernel_shape=[2], auto_pad="VALID", ceil_mode=1), {}, "`ceil_mode` with auto_pad"),
        (node(kernel_shape=[2], pads=[2, 2]), {}, "`padding` must be smaller than the window"),
        # Of an argument that is not the node's: the node is shown, but not blamed.
        (node(kernel_shape=[2]), {"data_format": "x"}, FORMAT),
    ):
        with pytest.raises(ValueError, match=words):
            from_onnx(given, **options)
    with pytest.raises(TypeError, match="`rank` takes integers, not booleans; received rank=True"):
        from_onnx(node("GlobalMaxPool"), rank=True)
