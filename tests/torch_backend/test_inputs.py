"""What PyTorch has and other backends do not: its dtypes, its kinds of tensors, and that it stands alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from harness.keras_version import keras
from harness.processes import run_code

import keras_maxpool
from keras_maxpool import ops


def test_a_sparse_tensor() -> None:
    with pytest.raises(TypeError, match=r"sparse.*to_dense\(\)"):
        ops.max_pool(torch.eye(4).to_sparse()[None, ..., None])


def test_variables_and_parameters() -> None:
    x = np.arange(8, dtype="float32").reshape(1, 8, 1)
    parameter = torch.nn.Parameter(torch.tensor(x))
    for given in (keras.Variable(x), parameter):
        assert ops.max_pool(given, 4).flatten().tolist() == [3, 7]
    ops.max_pool(parameter, 4).sum().backward()
    assert parameter.grad.flatten().tolist() == [0, 0, 0, 1, 0, 0, 0, 1]


def test_the_last_nan_takes_the_gradient_only_as_backend() -> None:
    """PyTorch's own rule, which nonfinite="ieee" replaces by the contract's, the first."""
    x = torch.tensor([1, np.nan, 2, np.nan])[None, :, None].requires_grad_()
    for nonfinite, at in (("backend", 3), ("ieee", 1)):
        y, index = ops.max_pool(x, 4, return_indices=True, nonfinite=nonfinite)
        (gradient,) = torch.autograd.grad(y, x)
        assert y.isnan().all()
        assert index.item() == at
        assert gradient.flatten().tolist() == [float(i == at) for i in range(4)]


@pytest.mark.parametrize("channels", [1, 8])
def test_volumes_of_infinities(channels: int) -> None:
    """PyTorch 2.13 has the indices of other windows, in 3D with channels last in memory."""
    x = torch.full((1, 4, 4, 4, channels), -torch.inf)
    _, indices = ops.max_pool(x, 2, return_indices=True, nonfinite="ieee")
    assert indices[..., -1].flatten().tolist() == [0, 2, 8, 10, 32, 34, 40, 42]


def test_the_same_regions_as_on_tensorflow() -> None:
    """The bits of a seed are those that TensorFlow draws, of which these were printed there."""
    from keras_maxpool.backend.torch.sequences import random_bits

    bits = random_bits([torch.tensor(word) for word in (7, 0, 0, 0)], 6).to(torch.int32).tolist()
    assert bits == [-60841913, 232131072, -1643682478, -2066582124, 713621471, 1599440409]


def test_training() -> None:
    """The losses of `fit` are those with Keras's own layers."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 9, 9, 2)).astype("float32"), rng.integers(0, 3, 16)
    losses = []
    for module in (keras.layers, keras_maxpool):
        keras.utils.set_random_seed(0)
        parts = [keras.layers.Conv2D(4, 3), module.MaxPool2D(3, 2, "same"), keras.layers.Flatten()]
        model = keras.Sequential([*parts, keras.layers.Dense(3)])
        model.compile("sgd", "mse")
        history = model.fit(x, np.eye(3)[y], epochs=2, shuffle=False, verbose=0).history
        losses.append(history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-6)


def test_nothing_imports_tensorflow_or_jax() -> None:
    # Keras itself imports JAX where that is installed.
    code = (
        "import sys, keras; before = set(sys.modules); import keras_maxpool; "
        "print(sorted({'tensorflow', 'jax'} & (sys.modules.keys() - before)), "
        "'tensorflow' in sys.modules)"
    )
    child = run_code(code, KERAS_BACKEND="torch")
    assert child.stdout.strip() == "[] False", child.stderr
