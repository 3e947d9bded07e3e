"""PyTorch's modules as layers: the same values, bit for bit, and the way back."""

import keras
import numpy as np
import pytest
from harness.install import needs
from harness.runner import as_array

import keras_maxpool
from keras_maxpool.tools.convert import from_torch, to_torch_kwargs

torch = needs("torch")
nn = torch.nn
MAX = keras_maxpool.MaxPooling2D
RANKS = pytest.mark.parametrize("rank", [1, 2, 3])


def to_torch(x, data_format="channels_last"):
    return torch.from_numpy(x if data_format == "channels_first" else np.moveaxis(x, -1, 1).copy())


def check(y, wanted, data_format="channels_last"):
    y = as_array(y) if data_format == "channels_first" else np.moveaxis(as_array(y), -1, 1)
    np.testing.assert_array_equal(y, wanted.numpy(), strict=True)


def example(rank):
    """Few different values, so that there are ties."""
    shape = (2, *(9, 11, 8)[:rank], 6)
    return np.random.default_rng(0).integers(-9, 9, shape).astype("float32")


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@RANKS
def test_max_pool(rank, data_format):
    kind, x = getattr(nn, f"MaxPool{rank}d"), example(rank)
    for arguments in (
        {"kernel_size": (3, 2, 4)[:rank], "stride": (1, 2, 2)[:rank], "padding": (1, 0, 2)[:rank]},
        {"kernel_size": 3, "stride": 2, "ceil_mode": True},
        {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True},
        {"kernel_size": 3, "stride": 1, "dilation": 2, "padding": 1, "return_indices": True},
        {"kernel_size": 2, "return_indices": True},
    ):
        module = kind(**arguments)
        layer = from_torch(module, data_format=data_format)
        assert type(layer) is getattr(keras_maxpool, f"MaxPooling{rank}D")
        got, wanted = layer(x), module(to_torch(x, data_format))
        if module.return_indices:
            (got, indices), (wanted, winners) = got, wanted
            check(indices, winners, data_format)
        check(got, wanted, data_format)
        again = kind(**to_torch_kwargs(layer))
        for name in ("kernel_size", "stride", "padding", "dilation"):
            value = getattr(module, name)
            assert getattr(again, name) == ((value,) * rank if isinstance(value, int) else value)
        assert (again.ceil_mode, again.return_indices) == (module.ceil_mode, module.return_indices)
    x = np.where(x > 8, np.nan, x)
    layer = from_torch(module, nonfinite="ieee", data_format=data_format)
    check(layer(x)[0], module(to_torch(x, data_format))[0], data_format)
    assert (layer.nonfinite, from_torch(module).nonfinite) == ("ieee", "backend")


@RANKS
def test_max_unpool(rank):
    x = example(rank)
    # Windows side by side: where values meet, PyTorch keeps one of them.
    for padding in (0, 1):
        pool = getattr(nn, f"MaxPool{rank}d")(3, padding=padding, return_indices=True)
        module = getattr(nn, f"MaxUnpool{rank}d")(3, padding=padding)
        sizes = [(n + 2 * padding) // 3 * 3 - 2 * padding for n in x.shape[1:-1]]
        exact = x[(slice(None), *map(slice, sizes))]
        for given, size in ((exact, None), (x, x.shape[1:-1])):
            layer = from_torch(module, name="up", output_size=size)
            wanted = module(*pool(to_torch(given)), output_size=size)
            check(layer(*from_torch(pool)(given)), wanted)
        assert layer.name == "up"
        kwargs = to_torch_kwargs(layer)
        assert kwargs == {key: getattr(type(module)(**kwargs), key) for key in kwargs}
        assert kwargs["padding"] == (padding,) * rank


@RANKS
def test_adaptive(rank):
    x = example(rank)
    for size in (3, (4, None, 5)[:rank] if rank > 1 else (4,)):
        module = getattr(nn, f"AdaptiveMaxPool{rank}d")(size, return_indices=True)
        layer = from_torch(module)
        for got, wanted in zip(layer(x), module(to_torch(x)), strict=True):
            check(got, wanted)
        again = type(module)(**to_torch_kwargs(layer))
        assert again(to_torch(x))[0].shape == wanted.shape


def test_fractional():
    for rank, kernel in ((2, 2), (3, 3)):
        x, ratio = example(rank), (0.5, 0.7, 0.6)[:rank]
        module = getattr(nn, f"FractionalMaxPool{rank}d")(kernel, output_ratio=ratio)
        layer = from_torch(module, seed=3)
        assert (layer.overlapping, layer.pseudo_random, layer.seed) == (kernel == 3, True, 3)
        assert np.moveaxis(as_array(layer(x)), -1, 1).shape == module(to_torch(x)).shape
        kwargs = to_torch_kwargs(layer)
        assert kwargs["kernel_size"] == kernel
        np.testing.assert_allclose(kwargs["output_ratio"], module.output_ratio)
        type(module)(**kwargs)


def fractional(size, output_ratio=0.5, **options):
    return nn.FractionalMaxPool2d(size, output_ratio=output_ratio, **options)


def test_refused_modules():
    for module, words in (
        (nn.AvgPool2d(2), "`module` is a AvgPool2d; from_torch takes MaxPool1d/2d/3d"),
        (nn.ReLU(), "`module` is a ReLU"),
        (fractional(2, None, output_size=4), "`output_size` of FractionalMaxPool2d"),
        (fractional(4), "`kernel_size` .* must be 2 or 3"),
        (fractional((2, 3)), "`kernel_size` .* must be 2 or 3"),
        (fractional(2, _random_samples=torch.zeros((2, 3, 2))), "`_random_samples`"),
    ):
        with pytest.raises(ValueError, match=words):
            from_torch(module)


def test_named_padding_that_pytorch_has():
    for layer, padding in (
        (MAX(5, strides=1, padding="same"), (2, 2)),
        (MAX(5, strides=1, padding="same_lower"), (2, 2)),
        (keras_maxpool.MaxPooling1D(1, strides=1, padding="causal"), (0,)),
    ):
        x, kwargs = example(layer.rank), to_torch_kwargs(layer)
        assert kwargs["padding"] == padding
        check(layer(x), getattr(nn, f"MaxPool{layer.rank}d")(**kwargs)(to_torch(x)))


PADDING = "`padding` of 'max_pooling.* does not exist in PyTorch"
CONVENTION = "`indices_convention` of 'max_.* does not exist in PyTo"
REFUSED = "`layer` is a {}; to_torch_kwargs"


def test_layers_that_pytorch_has_not():
    for layer, words in (
        (MAX(3, strides=2, padding="same"), PADDING),
        (MAX(3, padding=((1, 0), (0, 0))), PADDING),
        (MAX(3, padding=2), PADDING),
        (MAX(3, strides=1, padding="same", dilation_rate=3), PADDING),
        (keras_maxpool.MaxPooling1D(2, strides=1, padding="causal"), PADDING),
        (MAX(indices_convention="tensorflow"), CONVENTION),
        (keras_maxpool.MaxUnpooling2D(indices_convention="tensorflow"), CONVENTION),
        (keras.layers.MaxPooling2D(2), REFUSED.format("MaxPooling2D")),
        (keras_maxpool.GlobalMaxPooling2D(), REFUSED.format("GlobalMaxPooling2D")),
        (nn.MaxPool2d(2), REFUSED.format("MaxPool2d")),
    ):
        with pytest.raises(ValueError, match=words):
            to_torch_kwargs(layer)
