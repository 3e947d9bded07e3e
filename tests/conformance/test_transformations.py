"""Transformations that JAX and PyTorch share, against the reference's maxima; for TensorFlow's see tests/tensorflow."""

import importlib

import numpy as np
import pytest
import reference
from harness.assertions import assert_same
from harness.cases import CHOSEN, Config, case, distinct, ties
from harness.runner import BACKEND, as_tensor

if BACKEND == "tensorflow":
    pytest.skip("What only JAX and PyTorch have: KERAS_BACKEND=jax pytest", allow_module_level=True)

func = importlib.import_module({"jax": "jax", "torch": "torch.func"}[BACKEND])
by_config = pytest.mark.parametrize("config", [CHOSEN[0], CHOSEN[10], CHOSEN[16]], ids=str)


@by_config
@pytest.mark.parametrize("nonfinite", ["backend", "ieee"])
def test_jacobians_and_hessian_of_ties(nonfinite: str, config: Config) -> None:
    """The Hessian of the sum of squared maxima is 2 J'J."""
    given, pool = case(config, ties, batch=1), config.pooling(nonfinite=nonfinite)
    x, jacobian = as_tensor(given.x), reference.jacobian(given.x.shape, given.indices)
    for transform in (func.jacfwd, func.jacrev):
        assert_same(transform(pool)(x), jacobian)
    hessian = func.hessian(lambda x: (pool(x) ** 2).sum())(x)
    flat = jacobian.reshape(-1, given.x.size)
    assert_same(hessian.reshape(2 * [given.x.size]), 2 * flat.T @ flat)


@by_config
def test_mapped(config: Config) -> None:
    """Over an axis that is not the first, with one upstream gradient for all; on JAX rematerialized."""
    several = [case(config, fill) for fill in (ties, distinct)]
    upstream = as_tensor(several[0].upstream)
    pool = func.checkpoint(config.pooling()) if BACKEND == "jax" else config.pooling()
    gradient = lambda x: func.vjp(pool, x)[1](upstream)[0]  # noqa: E731
    actual = func.vmap(gradient, 1, 1)(as_tensor(np.stack([given.x for given in several], 1)))
    for i, given in enumerate(several):
        expected = reference.gradient(
            given.x.shape, given.indices, several[0].upstream, dtype="float32"
        )
        assert_same(actual[:, i], expected)
