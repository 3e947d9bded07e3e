"""The reference against ONNX's reference evaluator, where that follows ONNX."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import reference
from harness.install import needs


@pytest.fixture
def onnx() -> Any:
    needs("onnx")
    import onnx.reference

    return onnx


def run(onnx: Any, operator: str, *inputs: np.ndarray, outputs: int = 1, **attributes: Any) -> list:
    """Runs one node."""
    declare, dtype_of = onnx.helper.make_tensor_value_info, onnx.helper.np_dtype_to_tensor_dtype
    feeds = {f"input{i}": array for i, array in enumerate(inputs)}
    names = [f"output{i}" for i in range(outputs)]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(operator, list(feeds), names, **attributes)],
        "pool",
        [declare(name, dtype_of(array.dtype), array.shape) for name, array in feeds.items()],
        [declare(name, onnx.TensorProto.FLOAT, None) for name in names],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 12)])
    return onnx.reference.ReferenceEvaluator(model).run(None, feeds)


def draw(rng: np.random.Generator, most: int | list[int], rank: int) -> tuple[int, ...]:
    """An integer from 1 to `most` for each axis."""
    return tuple(rng.integers(1, most, rank, endpoint=True).tolist())


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("padding", ["VALID", "SAME_UPPER", "pads", "pads and ceil_mode"])
def test_max_pool(onnx: Any, padding: str, rank: int) -> None:
    """Values and indices, where onnx 1.23's reference follows ONNX. Left out:

    - strides and dilations of 1 alone: a second implementation, which swaps pads between axes in
      2D, ignores or refuses them in 1D and 3D, and has wrong indices;
    - SAME_UPPER with a stride longer than the window: it crops instead of padding nothing;
    - SAME_LOWER with any other stride or dilation: it rounds down the output and pads the end;
    - a window of padding alone: it gives 0 or NaN.
    """
    rng = np.random.default_rng([rank, len(padding)])
    ceil_mode = padding == "pads and ceil_mode"
    done = 0
    while done < 15:
        spatial = draw(rng, (12, 9, 5)[rank - 1], rank)
        pool, strides, dilation = draw(rng, 4, rank), draw(rng, 3, rank), draw(rng, 2, rank)
        lengths = [(k - 1) * d + 1 for k, d in zip(pool, dilation, strict=True)]
        attributes = {"kernel_shape": pool, "strides": strides, "dilations": dilation}
        if padding in ("VALID", "SAME_UPPER"):
            attributes["auto_pad"] = padding
            pads = ("valid" if padding == "VALID" else "same",) * rank
        else:
            before, after = [tuple(n - 1 for n in draw(rng, lengths, rank)) for _ in range(2)]
            attributes |= {"pads": before + after, "ceil_mode": int(ceil_mode)}
            pads = tuple(zip(before, after, strict=True))
        axes = zip(spatial, pool, strides, pads, dilation, [ceil_mode] * rank, strict=True)
        try:
            only_padding = any(reference.sees_only_padding(*axis) for axis in axes)
        except ValueError:  # the window is larger than the input
            continue
        longer = any(stride > length for stride, length in zip(strides, lengths, strict=True))
        if only_padding or set(strides + dilation) == {1} or (padding == "SAME_UPPER" and longer):
            continue
        x = rng.integers(-4, 5, (2, 2, *spatial)).astype(np.float32)
        values, indices = run(onnx, "MaxPool", x, outputs=2, **attributes)
        arguments = pool, strides, pads, dilation, ceil_mode
        pooled = reference.pool(x, *arguments, data_format="channels_first")
        np.testing.assert_array_equal(pooled.values, values, str(attributes))
        # ONNX counts on through the channels and samples.
        planes = np.arange(4).reshape(2, 2, *(1,) * rank) * math.prod(spatial)
        np.testing.assert_array_equal(pooled.indices + planes, indices, str(attributes))
        done += 1


def test_same_lower(onnx: Any) -> None:
    """Values, in 2D and with strides and dilations of 1: all that ONNX's reference gets right."""
    rng = np.random.default_rng(0)
    for _ in range(15):
        pool = draw(rng, 5, 2)
        x = rng.integers(-4, 5, (2, 2, *draw(rng, 9, 2))).astype(np.float32)
        attributes = {"kernel_shape": pool, "strides": (1, 1), "auto_pad": "SAME_LOWER"}
        (values,) = run(onnx, "MaxPool", x, **attributes)
        pooled = reference.pool(x, pool, 1, "same_lower", data_format="channels_first")
        np.testing.assert_array_equal(pooled.values, values, str(attributes))
