"""JAX's transformations of pooling: against the reference's maxima, and each other."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import reference
from harness.cases import CHOSEN, Config, case, ties
from harness.processes import in_child
from harness.runner import run

from keras_maxpool import ops

CONFIGS = [CHOSEN[0], CHOSEN[10], CHOSEN[16]]
by_config = pytest.mark.parametrize("config", CONFIGS, ids=str)


def pooling(config: Config, **options: Any) -> Any:
    return lambda x: ops.max_pool(x, **config.arguments, **options)


def selection(config: Config, x: np.ndarray) -> np.ndarray:
    """The Jacobian of pooling, by the reference's indices: (outputs, inputs)."""
    _, indices = reference.pool(x, **config.arguments)
    batch, *sizes, channels = indices.shape
    jacobian = np.zeros((*indices.shape, *x.shape), x.dtype)
    spatial = x.shape[1:-1]
    for at in np.ndindex(batch, *sizes, channels):
        if indices[at] >= 0:
            element = np.unravel_index(indices[at], spatial)
            jacobian[(*at, at[0], *map(int, element), at[-1])] = 1
    return jacobian


@by_config
@pytest.mark.parametrize("jacobian", [jax.jacfwd, jax.jacrev])
def test_jacobians_of_ties(jacobian: Any, config: Config) -> None:
    x = case(config, ties, batch=1).x
    actual = jax.jit(jacobian(pooling(config)))(x)
    np.testing.assert_array_equal(actual, selection(config, x))


@by_config
def test_hessian(config: Config) -> None:
    """That of the sum of squared maxima is 2 J'J."""
    x = case(config, ties, batch=1).x
    jacobian = selection(config, x).reshape(-1, x.size)
    loss = lambda x: jnp.square(pooling(config)(x)).sum()  # noqa: E731
    actual = jax.jit(jax.hessian(loss))(x).reshape(x.size, x.size)
    np.testing.assert_array_equal(actual, 2 * jacobian.T @ jacobian)


@by_config
def test_mapped_and_rematerialized(config: Config) -> None:
    """Over an axis that is not the first, with one upstream gradient for all: of each sample on its own."""
    cases = [case(config, ties, batch=2)]
    x, dy = cases[0].x, cases[0].upstream

    def gradient(x: jax.Array, dy: jax.Array) -> jax.Array:
        return jax.vjp(jax.checkpoint(pooling(config)), x)[1](dy)[0]

    def mapped(x: jax.Array) -> jax.Array:
        return jax.vmap(gradient, in_axes=(1, None), out_axes=1)(x, dy[:1])

    def stacked() -> np.ndarray:
        return np.stack([x, x[:, ::-1]], 1)[:1]

    (actual,) = [run(mapped, "jit", stacked())]
    for i in range(2):
        one = stacked()[:, i]
        _, indices = reference.pool(one, **config.arguments)
        expected = reference.gradient(one.shape, indices, dy[:1], dtype=x.dtype)
        np.testing.assert_array_equal(actual[:, i], expected)


def test_a_batch_of_unknown_size_is_exported() -> None:
    config = CONFIGS[1]
    x = case(config, ties).x
    (batch,) = jax.export.symbolic_shape("batch")
    spec = jax.ShapeDtypeStruct((batch, *x.shape[1:]), x.dtype)
    values, indices = jax.export.export(jax.jit(pooling(config, return_indices=True)))(spec).call(x)
    np.testing.assert_array_equal(values, case(config, ties).values)
    np.testing.assert_array_equal(indices, case(config, ties).indices)


def test_an_export_of_unknown_sizes_is_refused() -> None:
    (rows,) = jax.export.symbolic_shape("rows")
    x = jax.ShapeDtypeStruct((2, rows, 8, 3), "float32")
    for op in (
        lambda x: ops.max_pool(x, 2),
        lambda x: ops.adaptive_max_pool(x, 2),
        lambda x: ops.fractional_max_pool(x, 1.5, seed=0),
        lambda x: ops.max_unpool(x, x.astype("int32"), 2),
    ):
        with pytest.raises(ValueError, match=r"On JAX, spatial sizes must be known.*\(2, rows, 8"):
            jax.export.export(jax.jit(op))(x)


def test_data_parallel() -> None:
    """Over eight virtual devices, as `keras.distribution` places a batch."""
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    assert in_child(__file__, "train_on_eight_devices", **flags).split() == ["8", "equal"]


def train_on_eight_devices() -> None:
    import keras

    import keras_maxpool

    losses = []
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 8, 8, 2)).astype("float32"), rng.integers(0, 3, 16)
    print(len(jax.devices()))
    for distribution in (None, keras.distribution.DataParallel()):
        keras.distribution.set_distribution(distribution)
        keras.utils.set_random_seed(0)
        layers = [keras_maxpool.MaxPool2D(3, 2, "same"), keras.layers.Flatten()]
        model = keras.Sequential([*layers, keras.layers.Dense(3)])
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        history = model.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0).history
        losses.append(history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-5)
    print("equal")
