"""What PyTorch has and other backends do not: its kinds of tensors, and its rules for NaN and infinities."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from harness.keras_version import keras

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
