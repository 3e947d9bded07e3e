"""Turns ONNX's max pooling nodes into layers; never imports ONNX."""

from typing import Any

import keras

import keras_maxpool
from keras_maxpool import arguments

NAMED_PADDINGS = {"VALID": "valid", "SAME_UPPER": "same", "SAME_LOWER": "same_lower"}

FIELDS = {1: "f", 2: "i", 3: "s", 6: "floats", 7: "ints", 8: "strings"}
"""ONNX's numbers for the types of attributes, with the fields that hold the values."""

INT, STRING, INTS = 2, 3, 7
LISTS = (6, 7, 8)
WORDS = {INT: "an integer", STRING: "a string", INTS: "a list of integers"}
OTHERS = {"auto_pad": STRING, "ceil_mode": INT, "storage_order": INT}
"""The attributes that are no lists of integers."""

ATTRIBUTES = {
    "MaxPool": (
        *("auto_pad", "ceil_mode", "dilations"),
        *("kernel_shape", "pads", "storage_order", "strides"),
    ),
    "GlobalMaxPool": (),
    "MaxUnpool": ("kernel_shape", "pads", "strides"),
}


def from_onnx(
    node: Any,
    *,
    rank: int | None = None,
    data_format: str = "channels_last",
    nonfinite: str = "backend",
    **kwargs: Any,
) -> keras.layers.Layer:
    """Returns the layer that does what an ONNX node does.

    The conventions are those of https://onnx.ai/onnx/operators/: the node's fields are read, and ONNX itself is not
    needed.

    Args:
        node: an `onnx.NodeProto` of type MaxPool, GlobalMaxPool or MaxUnpool, or anything with its `op_type`, `input`,
            `output` and `attribute`.
        rank: the number of spatial axes, 1 to 3. GlobalMaxPool needs it, since its node does not hold it.
        data_format: that of the layer's tensors. ONNX's own are `"channels_first"`; a model in Keras is, as a
            rule, `"channels_last"`.
        nonfinite: how pooling treats NaN, as in `keras_maxpool.MaxPooling2D`. ONNX does not define it.
        **kwargs: more arguments for the layer, such as `name`, `dtype`, or `output_size` for unpooling.

    Returns:
        A `MaxPooling`, `GlobalMaxPooling` (with `keepdims=True`) or `MaxUnpooling` layer. A MaxPool node whose
        second output is used becomes a layer with `return_indices=True`, whose indices are this package's, for
        its unpooling layers. `keras_maxpool.ops.convert_indices` makes ONNX's of them, with `to="onnx"` for
        `storage_order` 0 and `to="onnx_column_major"` for 1, and with `source=` it reads those that come from ONNX.
        Several unpooled values with one index are added.

    Raises:
        TypeError: a `rank` that is no integer.
        ValueError: a node of another type; an attribute that is missing, unknown, or cannot be expressed.

    Example:
    >>> from types import SimpleNamespace as Field  # replaces onnx.helper.make_node
    >>> from keras_maxpool.tools.convert import from_onnx
    >>> attributes = [
    ...     Field(name="kernel_shape", ints=[3, 3]),
    ...     Field(name="strides", ints=[2, 2]),
    ...     Field(name="pads", ints=[0, 0, 1, 1]),
    ... ]
    >>> node = Field(op_type="MaxPool", input=["x"], output=["y"], attribute=attributes)
    >>> from_onnx(node).padding
    ((0, 1), (0, 1))
    """
    kind = getattr(node, "op_type", None)
    if kind not in ATTRIBUTES:
        raise ValueError(
            f"`node` is a {kind or type(node).__name__}; from_onnx takes an onnx.NodeProto of type "
            f"{', '.join(ATTRIBUTES)}, such as one of onnx.load(file).graph.node."
        )
    fields = _fields(node, kind)
    if kind == "GlobalMaxPool":
        if rank is None:
            raise ValueError(
                "GlobalMaxPool's node does not hold the number of spatial axes; pass rank=1, 2 or 3."
            )
        if arguments.one_int(rank, "rank", rank, "Write rank=1, 2 or 3.") not in (1, 2, 3):
            raise ValueError(f"`rank` of GlobalMaxPool is 1, 2 or 3; received rank={rank!r}.")
        options: dict[str, Any] = {"keepdims": True, "nonfinite": nonfinite}
        return _layer("GlobalMaxPooling", rank, options, data_format, kwargs)
    if "kernel_shape" not in fields:
        raise ValueError(f"`kernel_shape` is missing from the {kind} node {_name(node)}.")
    pool = fields["kernel_shape"]
    if len(pool) not in (1, 2, 3) or rank not in (None, len(pool)):
        raise ValueError(
            f"`kernel_shape` takes 1, 2 or 3 integers, one for each spatial axis; the node has {len(pool)}, and "
            f"rank={rank}."
        )
    options = {
        "pool_size": pool,
        # Unlike in Keras, strides are 1 by default.
        "strides": fields.get("strides", [1] * len(pool)),
        "padding": _padding(fields, len(pool)),
    }
    if kind == "MaxUnpool":
        if len(node.input) > 2 and node.input[2] and "output_size" not in kwargs:
            raise ValueError(
                f"`output_shape` of the MaxUnpool node {_name(node)} is a tensor, {node.input[2]!r}, which the node "
                "does not hold. Pass its spatial sizes as output_size=."
            )
        return _layer("MaxUnpooling", len(pool), options, data_format, kwargs, fields)
    options |= {
        "dilation_rate": fields.get("dilations", [1] * len(pool)),
        "ceil_mode": _ceil_mode(fields),
        "return_indices": len(node.output) > 1 and bool(node.output[1]),
        "nonfinite": nonfinite,
    }
    return _layer("MaxPooling", len(pool), options, data_format, kwargs, fields)


def _fields(node: Any, kind: str) -> dict[str, Any]:
    """Returns the node's attributes: lists of integers, integers, and text."""
    fields: dict[str, Any] = {}
    for attribute in node.attribute:
        name = attribute.name
        if name not in ATTRIBUTES[kind]:
            raise ValueError(
                f"`{name}` is no attribute of {kind} that from_onnx knows; "
                f"it knows {', '.join(ATTRIBUTES[kind]) or 'none'}."
            )
        if name in fields:
            raise ValueError(
                f"`{name}` occurs twice in the {kind} node {_name(node)}; received {name}={fields[name]!r} and "
                f"{name}={_value(attribute)!r}. Leave one of them out."
            )
        fields[name] = _value(attribute)
    for name in ("ceil_mode", "storage_order"):
        if fields.get(name, 0) not in (0, 1):
            raise ValueError(f"`{name}` takes 0 or 1; received {name}={fields[name]!r}.")
    return fields


def _value(attribute: Any) -> Any:
    """Returns an attribute's value, if it has the type that its name asks for."""
    name = attribute.name
    wanted = OTHERS.get(name, INTS)
    # Objects like ONNX's attributes need not have a type.
    found = getattr(attribute, "type", 0) or wanted
    value = getattr(attribute, FIELDS.get(found, ""), None)
    if found in LISTS and value is not None:
        value = list(value)
    if found != wanted or value is None:
        raise ValueError(
            f"`{name}` takes {WORDS[wanted]}; received {name}={value!r}, of ONNX's type {found} instead of {wanted}. "
            f"Make it with onnx.helper.make_attribute from {WORDS[wanted]}."
        )
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value


def _layer(
    family: str,
    rank: int,
    options: dict[str, Any],
    data_format: str,
    kwargs: dict[str, Any],
    fields: dict[str, Any] | None = None,
) -> keras.layers.Layer:
    """Returns the layer, or raises an error that shows the node's attributes beside the layer's arguments."""
    make = getattr(keras_maxpool, f"{family}{rank}D")
    try:
        return make(**options, data_format=data_format, **kwargs)
    except ValueError as error:
        if not fields:
            raise
        shown = ", ".join(f"{name}={value!r}" for name, value in fields.items())
        raise ValueError(f"{error} The node has {shown}.") from error


def _name(node: Any) -> str:
    """Returns the node's name, or that of its output."""
    return repr(getattr(node, "name", "") or next(iter(node.output), ""))


def _padding(fields: dict[str, Any], rank: int) -> Any:
    """Returns begins and ends as pairs, or the name of an automatic padding."""
    auto_pad, pads = fields.get("auto_pad", "NOTSET"), fields.get("pads", [0] * 2 * rank)
    if auto_pad == "NOTSET":
        if len(pads) != 2 * rank:
            raise ValueError(
                f"`pads` takes a begin and an end for each of {rank} axes, all begins first; received pads={pads} "
                f"with kernel_shape={fields['kernel_shape']}."
            )
        return list(zip(pads[:rank], pads[rank:], strict=True))
    if auto_pad not in NAMED_PADDINGS:
        raise ValueError(
            f"`auto_pad` is unknown; received auto_pad={auto_pad!r}. ONNX has NOTSET, {', '.join(NAMED_PADDINGS)}."
        )
    if any(pads):
        raise ValueError(
            f"`auto_pad` and `pads` contradict each other; received auto_pad={auto_pad!r}, pads={pads}. "
            "Leave one of them out."
        )
    return NAMED_PADDINGS[auto_pad]


def _ceil_mode(fields: dict[str, Any]) -> bool:
    ceil, auto_pad = fields.get("ceil_mode", 0) == 1, fields.get("auto_pad", "NOTSET")
    if ceil and auto_pad == "VALID":
        # The operator's page says that nothing changes, ONNX's own shape inference says otherwise.
        raise ValueError(
            '`ceil_mode` with auto_pad="VALID" has no agreed meaning: the specification rounds down, others up. '
            "Write pads of zeros instead of auto_pad."
        )
    # With SAME_UPPER and SAME_LOWER the size is rounded up anyway.
    return ceil and auto_pad == "NOTSET"
