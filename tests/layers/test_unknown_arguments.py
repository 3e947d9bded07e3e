"""Arguments that a layer does not know: the error names the layer, and the argument that was probably meant."""

from __future__ import annotations

from typing import Any

import pytest

import keras_maxpool

MEANT = [
    ("MaxPooling", "stride", "strides"),
    ("MaxPooling", "kernel_size", "pool_size"),
    ("MaxPooling", "poolsize", "pool_size"),
    ("MaxPooling", "size", "pool_size"),
    ("MaxPooling", "dilation", "dilation_rate"),
    ("MaxPooling", "dilations", "dilation_rate"),
    ("MaxPooling", "return_argmax", "return_indices"),
    ("MaxPooling", "with_indices", "return_indices"),
    ("MaxPooling", "trainible", "trainable"),
    ("MaxPooling", "ksize", "pool_size"),
    ("MaxPooling", "pads", "padding"),
    ("MaxPooling", "Padding", "padding"),
    ("MaxPooling", "return_index", "return_indices"),
    ("MaxUnpooling", "size", "pool_size"),
    ("MaxUnpooling", "kernel_size", "pool_size"),
    ("MaxUnpooling", "outputsize", "output_size"),
    ("GlobalMaxPooling", "keep_dims", "keepdims"),
    ("GlobalMaxPooling", "return_argmax", "return_indices"),
    ("AdaptiveMaxPooling", "size", "output_size"),
    ("FractionalMaxPooling", "ratio", "pooling_ratio"),
]
NEEDED = {"AdaptiveMaxPooling": (2,), "FractionalMaxPooling": (2.0,)}


def layer_class(family: str, rank: int) -> Any:
    return getattr(keras_maxpool, f"{family}{rank}D")


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(("family", "name", "right"), MEANT)
def test_suggestion(family: str, name: str, right: str, rank: int) -> None:
    message = (
        f"{family}{rank}D does not know the argument '{name}'; received .*'{name}': 3.* "
        f"Write {right} in place of {name}. It takes "
    )
    with pytest.raises(ValueError, match=message):
        layer_class(family, rank)(*NEEDED.get(family, ()), **{name: 3})


def test_what_another_layer_has_is_no_suggestion() -> None:
    """And each of several unknown arguments is named."""
    with pytest.raises(ValueError, match="'keepdims', 'kernel_size'") as caught:
        keras_maxpool.MaxPooling2D(keepdims=True, kernel_size=3)
    assert "in place of keepdims" not in str(caught.value)
    assert "Write pool_size in place of kernel_size." in str(caught.value)
    with pytest.raises(ValueError, match="does not know the argument 'kernel_size'") as caught:
        keras_maxpool.GlobalMaxPooling2D(kernel_size=3)
    assert "in place of" not in str(caught.value)


@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("MaxPooling", "activation"),
        ("MaxPooling", "filters"),
        ("MaxPooling", "output_shape"),
        ("MaxPooling", "rate"),
        ("MaxPooling", "seeds"),
        ("MaxPooling", "storage_order"),
        ("GlobalMaxPooling", "stride"),
        ("AdaptiveMaxPooling", "training"),
        ("FractionalMaxPooling", "keepdim"),
        ("FractionalMaxPooling", "size"),
    ],
)
def test_what_means_something_else_is_no_suggestion(family: str, name: str) -> None:
    with pytest.raises(ValueError, match=f"does not know the argument '{name}'") as caught:
        layer_class(family, 2)(*NEEDED.get(family, ()), **{name: 3})
    assert "in place of" not in str(caught.value)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    ("family", "most"),
    [
        ("MaxPooling", 5),
        ("GlobalMaxPooling", 2),
        ("AdaptiveMaxPooling", 3),
        ("FractionalMaxPooling", 5),
        ("MaxUnpooling", 5),
    ],
)
def test_too_many_positions(family: str, most: int, rank: int) -> None:
    """Python's own error, about the class that the user wrote."""
    cls = layer_class(family, rank)
    message = rf"^{family}{rank}D\.__init__\(\) takes from . to {most + 1} positional arguments"
    with pytest.raises(TypeError, match=message):
        cls(*[2] * (most + 1))
    if family in NEEDED:
        with pytest.raises(TypeError, match=rf"^{family}{rank}D\.__init__\(\) missing 1 required"):
            cls()
