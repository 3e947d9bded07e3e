"""ONNX's max pooling nodes as layers; ONNX is never imported."""

from collections.abc import Sequence
from typing import Any

import keras

import keras_maxpool

NAMED_PADDINGS = {"VALID": "valid", "SAME_UPPER": "same", "SAME_LOWER": "same_lower"}

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
    """The layer that does what an ONNX node does.

    The conventions are those of https://onnx.ai/onnx/operators/: the node's fields are read, and ONNX itself is not
    needed.

    Args:
        node: an `onnx.NodeProto` of type MaxPool, GlobalMaxPool or MaxUnpool, or anything with its `op_type`, `input`,
            `output` and `attribute`.
        rank: the number of spatial axes, 1 to 3. GlobalMaxPool needs it, since its node does not tell.
        data_format: that of the layer's tensors. ONNX's own are `"channels_first"`; a model in Keras is, as a
            rule, `"channels_last"`.
        nonfinite: what NaN gives in pooling, as `keras_maxpool.MaxPooling2D` takes it. ONNX says nothing of it.
        **kwargs: more arguments for the layer, such as `name`, `dtype`, or `output_size` for unpooling.

    Returns:
        A `MaxPooling`, `GlobalMaxPooling` (with `keepdims=True`) or `MaxUnpooling` layer. A MaxPool node whose
        second output is used becomes a layer with `return_indices=True`, whose indices are this package's: they suit
        its unpooling layers. `keras_maxpool.ops.convert_indices` makes ONNX's of them, with `to="onnx"` for
        `storage_order` 0 and `to="onnx_column_major"` for 1, and with `source=` it reads those that come from ONNX.
        Unpooled values that meet at one place are added.

    Raises:
        ValueError: a node of another type; an attribute that is missing, unknown, or cannot be expressed.

    Example:
    >>> from types import SimpleNamespace as Field  # stands in for onnx.helper.make_node
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
            f"`node` is a {kind or type(node).__name__}; from_onnx takes {', '.join(ATTRIBUTES)} nodes."
        )
    fields = {attribute.name: attribute for attribute in node.attribute}
    for name in fields.keys() - set(ATTRIBUTES[kind]):
        raise ValueError(
            f"`{name}` is no attribute of {kind} that from_onnx knows; "
            f"it knows {', '.join(ATTRIBUTES[kind]) or 'none'}."
        )
    if kind == "GlobalMaxPool":
        if rank is None:
            raise ValueError(
                "GlobalMaxPool's node does not tell how many spatial axes there are; pass rank=1, 2 or 3."
            )
        options: dict[str, Any] = {"keepdims": True, "nonfinite": nonfinite}
        return _layer("GlobalMaxPooling", rank, rank, options, data_format, kwargs)
    if "kernel_shape" not in fields:
        raise ValueError(f"`kernel_shape` is missing from the {kind} node {_name(node)}.")
    pool = list(fields["kernel_shape"].ints)
    options = {
        "pool_size": pool,
        # Not those of Keras: a window moves by one step unless told otherwise.
        "strides": _ints(fields, "strides", [1] * len(pool)),
        "padding": _padding(fields, len(pool)),
    }
    if kind == "MaxUnpool":
        if len(node.input) > 2 and node.input[2] and "output_size" not in kwargs:
            raise ValueError(
                f"`output_shape` of the MaxUnpool node {_name(node)} is a tensor, {node.input[2]!r}, which the node "
                "does not hold. Pass its spatial sizes as output_size=."
            )
        return _layer("MaxUnpooling", len(pool), rank, options, data_format, kwargs)
    options |= {
        "dilation_rate": _ints(fields, "dilations", [1] * len(pool)),
        "ceil_mode": _ceil_mode(fields),
        "return_indices": len(node.output) > 1 and bool(node.output[1]),
        "nonfinite": nonfinite,
    }
    return _layer("MaxPooling", len(pool), rank, options, data_format, kwargs)


def _layer(
    family: str,
    found: int,
    rank: int | None,
    options: dict[str, Any],
    data_format: str,
    kwargs: dict[str, Any],
) -> keras.layers.Layer:
    if found not in (1, 2, 3) or rank not in (None, found):
        raise ValueError(
            f"{family} exists for 1, 2 and 3 spatial axes; the node has {found}, and rank={rank}."
        )
    return getattr(keras_maxpool, f"{family}{found}D")(**options, data_format=data_format, **kwargs)


def _name(node: Any) -> str:
    """The node's name, or that of its output."""
    return repr(getattr(node, "name", "") or next(iter(node.output), ""))


def _ints(fields: dict[str, Any], name: str, default: Sequence[int]) -> list[int]:
    return list(fields[name].ints) if name in fields else list(default)


def _auto_pad(fields: dict[str, Any]) -> str:
    if "auto_pad" not in fields:
        return "NOTSET"
    text = fields["auto_pad"].s
    return text.decode(errors="backslashreplace") if isinstance(text, bytes) else text


def _padding(fields: dict[str, Any], rank: int) -> Any:
    """Begins and ends as pairs, or the name of an automatic padding."""
    auto_pad, pads = _auto_pad(fields), _ints(fields, "pads", [0] * 2 * rank)
    if auto_pad == "NOTSET":
        if len(pads) != 2 * rank:
            raise ValueError(
                f"`pads` takes a begin and an end for each of {rank} axes, all begins first; received pads={pads}."
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
    ceil = "ceil_mode" in fields and bool(fields["ceil_mode"].i)
    if ceil and _auto_pad(fields) == "VALID":
        # The operator's page says that nothing changes, ONNX's own shape inference says otherwise.
        raise ValueError(
            '`ceil_mode` with auto_pad="VALID" has no agreed meaning: the specification rounds down, others up. '
            "Write pads of zeros in place of auto_pad."
        )
    # With SAME_UPPER and SAME_LOWER the size is rounded up anyway.
    return ceil and _auto_pad(fields) == "NOTSET"
