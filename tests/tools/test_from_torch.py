"""PyTorch's modules as layers: the same values, bit for bit, and the way back."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from harness.install import needs

import keras_maxpool
from keras_maxpool.tools.convert import from_torch, to_torch_kwargs

torch = needs("torch")

FORMATS = ("channels_last", "channels_first")


def to_torch(x: np.ndarray, data_format: str) -> Any:
    return torch.from_numpy(x if data_format == "channels_first" else np.moveaxis(x, -1, 1).copy())


def from_layer(y: Any, data_format: str) -> np.ndarray:
    return np.asarray(y) if data_format == "channels_first" else np.moveaxis(np.asarray(y), -1, 1)


def example(rank: int, seed: int = 0) -> np.ndarray:
    """Few different values, so that there are ties."""
    shape = (2, *(9, 11, 8)[:rank], 6)
    return np.random.default_rng(seed).integers(-9, 9, shape).astype("float32")


def pools(rank: int) -> list[Any]:
    kind = getattr(torch.nn, f"MaxPool{rank}d")
    three = (3, 2, 4)[:rank]
    return [
        kind(2),
        kind(3, stride=2, padding=1),
        kind(three, stride=(1, 2, 2)[:rank], padding=(1, 0, 2)[:rank]),
        kind(3, stride=2, ceil_mode=True),
        kind(2, stride=3, padding=1, ceil_mode=True),
        kind(2, stride=1, dilation=2),
        kind(3, stride=1, dilation=2, padding=1, return_indices=True),
        kind(2, return_indices=True),
    ]


@pytest.mark.parametrize("data_format", FORMATS)
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_max_pool(rank: int, data_format: str) -> None:
    x = example(rank)
    for module in pools(rank):
        wanted = module(to_torch(x, data_format))
        layer = from_torch(module, data_format=data_format)
        assert type(layer) is getattr(keras_maxpool, f"MaxPooling{rank}D")
        got = layer(x)
        if module.return_indices:
            (got, indices), (wanted, places) = got, wanted
            np.testing.assert_array_equal(
                from_layer(indices, data_format), places.numpy(), strict=True
            )
        np.testing.assert_array_equal(from_layer(got, data_format), wanted.numpy(), strict=True)
        again = type(module)(**to_torch_kwargs(layer))
        for name in ("kernel_size", "stride", "padding", "dilation"):
            value = getattr(module, name)
            value = (value,) * rank if isinstance(value, int) else value
            assert getattr(again, name) == value
        assert (again.ceil_mode, again.return_indices) == (module.ceil_mode, module.return_indices)


def test_nan() -> None:
    x = np.array([1, np.nan, 3, -np.inf, -np.inf, 2], "float32").reshape(1, 6, 1)
    module = torch.nn.MaxPool1d(2)
    layer = from_torch(module, nonfinite="ieee")
    wanted = module(to_torch(x, "channels_last")).numpy()
    np.testing.assert_array_equal(from_layer(layer(x), "channels_last"), wanted)
    assert from_torch(module).nonfinite == "backend"


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_max_unpool(rank: int) -> None:
    x = example(rank)
    # Windows side by side: where values meet, PyTorch keeps one of them.
    for padding in (0, 1):
        pool = getattr(torch.nn, f"MaxPool{rank}d")(3, padding=padding, return_indices=True)
        module = getattr(torch.nn, f"MaxUnpool{rank}d")(3, padding=padding)
        sizes = [(n + 2 * padding) // 3 * 3 - 2 * padding for n in x.shape[1:-1]]
        exact = x[(slice(None), *map(slice, sizes))]
        for given, size in ((exact, None), (x, x.shape[1:-1])):
            wanted = module(*pool(to_torch(given, "channels_last")), output_size=size)
            layer = from_torch(module, name="up", output_size=size)
            got = layer(*from_torch(pool)(given))
            np.testing.assert_array_equal(
                from_layer(got, "channels_last"), wanted.numpy(), strict=True
            )
        assert layer.name == "up"
        kwargs = to_torch_kwargs(layer)
        assert kwargs == {key: getattr(type(module)(**kwargs), key) for key in kwargs}
        assert kwargs["padding"] == (padding,) * rank


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_adaptive(rank: int) -> None:
    x = example(rank)
    for size in (3, (4, None, 5)[:rank] if rank > 1 else (4,)):
        module = getattr(torch.nn, f"AdaptiveMaxPool{rank}d")(size, return_indices=True)
        layer = from_torch(module)
        for got, wanted in zip(layer(x), module(to_torch(x, "channels_last")), strict=True):
            np.testing.assert_array_equal(
                from_layer(got, "channels_last"), wanted.numpy(), strict=True
            )
        again = type(module)(**to_torch_kwargs(layer))
        assert again(to_torch(x, "channels_last"))[0].shape == wanted.shape


@pytest.mark.parametrize("kernel", [2, 3])
@pytest.mark.parametrize("rank", [2, 3])
def test_fractional(rank: int, kernel: int) -> None:
    x = example(rank)
    module = getattr(torch.nn, f"FractionalMaxPool{rank}d")(
        kernel, output_ratio=(0.5, 0.7, 0.6)[:rank]
    )
    layer = from_torch(module, seed=3)
    assert (layer.overlapping, layer.pseudo_random, layer.seed) == (kernel == 3, True, 3)
    wanted = module(to_torch(x, "channels_last"))
    assert from_layer(layer(x), "channels_last").shape == wanted.shape
    kwargs = to_torch_kwargs(layer)
    assert kwargs["kernel_size"] == kernel
    np.testing.assert_allclose(kwargs["output_ratio"], module.output_ratio)
    type(module)(**kwargs)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (torch.nn.AvgPool2d(2), "`module` is a AvgPool2d; from_torch takes MaxPool1d/2d/3d"),
        (torch.nn.ReLU(), "`module` is a ReLU"),
        (torch.nn.FractionalMaxPool2d(2, output_size=4), "`output_size` of FractionalMaxPool2d"),
        (torch.nn.FractionalMaxPool2d(4, output_ratio=0.5), "`kernel_size` .* must be 2 or 3"),
        (torch.nn.FractionalMaxPool2d((2, 3), output_ratio=0.5), "`kernel_size` .* must be 2 or 3"),
        (
            torch.nn.FractionalMaxPool2d(
                2, output_ratio=0.5, _random_samples=torch.zeros((2, 3, 2))
            ),
            "`_random_samples`",
        ),
    ],
)
def test_refused_modules(module: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        from_torch(module)


MAX = keras_maxpool.MaxPooling2D


@pytest.mark.parametrize(
    ("layer", "padding"),
    [
        (MAX(5, strides=1, padding="same"), (2, 2)),
        (MAX(5, strides=1, padding="same_lower"), (2, 2)),
        (MAX(1, strides=1, padding="same"), (0, 0)),
        (keras_maxpool.MaxPooling1D(1, strides=1, padding="causal"), (0,)),
    ],
)
def test_named_padding_that_pytorch_has(layer: Any, padding: tuple[int, ...]) -> None:
    x = example(layer.rank)
    kwargs = to_torch_kwargs(layer)
    assert kwargs["padding"] == padding
    wanted = from_layer(layer(x), "channels_last")
    got = getattr(torch.nn, f"MaxPool{layer.rank}d")(**kwargs)(to_torch(x, "channels_last"))
    np.testing.assert_array_equal(got.numpy(), wanted, strict=True)


@pytest.mark.parametrize(
    "layer",
    [
        MAX(3, strides=2, padding="same"),
        MAX(2, strides=1, padding="same"),
        MAX(3, padding=((1, 0), (0, 0))),
        MAX(3, padding=2),
        MAX(3, strides=1, padding="same", dilation_rate=3),
        keras_maxpool.MaxPooling1D(2, strides=1, padding="causal"),
    ],
    ids=lambda layer: str(layer.padding),
)
def test_padding_that_pytorch_has_not(layer: Any) -> None:
    with pytest.raises(ValueError, match=r"`padding` of 'max_pooling.* does not exist in PyTorch"):
        to_torch_kwargs(layer)


@pytest.mark.parametrize("kind", [keras_maxpool.MaxPooling2D, keras_maxpool.MaxUnpooling2D])
def test_indices_that_pytorch_has_not(kind: Any) -> None:
    layer = kind(indices_convention="tensorflow")
    with pytest.raises(ValueError, match=r"`indices_convention` of 'max_.* does not exist in PyTo"):
        to_torch_kwargs(layer)


@pytest.mark.parametrize(
    "layer",
    [keras.layers.MaxPooling2D(2), keras_maxpool.GlobalMaxPooling2D(), torch.nn.MaxPool2d(2)],
)
def test_refused_layers(layer: Any) -> None:
    with pytest.raises(ValueError, match=f"`layer` is a {type(layer).__name__}; to_torch_kwargs"):
        to_torch_kwargs(layer)


# --- The worked example ---


def test_resnet18_stem() -> None:
    """torchvision's stem: convolution 7x7 stride 2, batch normalization, ReLU, pooling 3x3 stride 2 padding 1."""
    torch.manual_seed(0)
    stem = torch.nn.Sequential(
        torch.nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
        torch.nn.BatchNorm2d(64),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(3, stride=2, padding=1),
    ).eval()
    torch.nn.init.normal_(stem[1].weight)  # some below 0
    model = keras.Sequential(
        [
            keras.Input((64, 48, 3)),
            keras.layers.ZeroPadding2D(3),
            keras.layers.Conv2D(64, 7, strides=2, use_bias=False),
            keras.layers.BatchNormalization(epsilon=stem[1].eps),
            keras.layers.ReLU(),
            from_torch(stem[3], name="pool"),
        ]
    )
    parts = (stem[1].weight, stem[1].bias, stem[1].running_mean, stem[1].running_var)
    model.layers[1].set_weights([stem[0].weight.detach().numpy().transpose(2, 3, 1, 0)])
    model.layers[2].set_weights([part.detach().numpy() for part in parts])
    x = np.random.default_rng(0).standard_normal((2, 64, 48, 3), np.float32)
    with torch.no_grad():
        inside = stem[:3](to_torch(x, "channels_last"))
        wanted = stem[3](inside)
    assert model.output_shape == (None, 16, 12, 64)
    # Convolutions differ in rounding, poolings in nothing.
    np.testing.assert_allclose(from_layer(model(x), "channels_last"), wanted, rtol=1e-4, atol=1e-5)
    given = np.moveaxis(inside.numpy(), 1, -1)
    got = from_layer(model.layers[-1](given), "channels_last")
    np.testing.assert_array_equal(got, wanted.numpy(), strict=True)


def test_yolo_spp() -> None:
    """YOLO's spatial pyramid: the input beside three poolings of it, which keep its size."""
    modules = [torch.nn.MaxPool2d(k, stride=1, padding=k // 2) for k in (5, 9, 13)]
    inputs = keras.Input((20, 17, 8))
    pooled = [from_torch(module)(inputs) for module in modules]
    model = keras.Model(inputs, keras.layers.Concatenate()([inputs, *pooled]))
    x = np.random.default_rng(1).standard_normal((2, 20, 17, 8), np.float32)
    y = to_torch(x, "channels_last")
    wanted = torch.cat([y, *(module(y) for module in modules)], 1)
    got = from_layer(model(x), "channels_last")
    np.testing.assert_array_equal(got, wanted.numpy(), strict=True)
