"""The runner of JAX: op by op, and compiled. What it offers is described in `harness.runner`."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

MODES = ("eager", "jit")
UNKNOWN = None

Function = Callable[..., Any]
as_tensor, as_array = jnp.asarray, np.asarray


def in_mode(function: Function, mode: str) -> Function:
    return jax.jit(function) if mode == "jit" else function


def with_gradient(pool: Function) -> Function:
    def function(x: jax.Array, upstream: jax.Array) -> tuple[jax.Array, ...]:
        def first_and_others(x: jax.Array) -> tuple[jax.Array, tuple]:
            results = pool(x)
            values, *others = results if isinstance(results, tuple) else (results,)
            return values, tuple(others)

        if not jnp.issubdtype(x.dtype, jnp.floating):
            values, others = first_and_others(x)
            return values, *others, None
        values, pull, others = jax.vjp(first_and_others, x, has_aux=True)
        return values, *others, pull(upstream)[0]

    return function


def second_order(pool: Function) -> Function:
    """How the gradient changes with the upstream gradient, and with the input behind a square."""

    def function(x: jax.Array, upstream: jax.Array, tangent: jax.Array) -> tuple:
        tangent = tangent + tangent

        def gradient(f: Function, x: jax.Array, upstream: jax.Array) -> jax.Array:
            return jax.vjp(f, x)[1](upstream)[0]

        by_upstream = jax.vjp(lambda dy: gradient(pool, x, dy), upstream)[1](tangent)[0]
        behind = jax.vjp(lambda x: gradient(lambda x: jnp.square(pool(x)), x, upstream), x)
        return by_upstream, behind[1](tangent)[0]

    return function


def forward_mode(pool: Function) -> Function:
    def function(x: jax.Array, tangent: jax.Array) -> tuple:
        return jax.jvp(pool, (x,), (tangent + tangent,))

    return function


def random_bits(seed: int, count: int) -> np.ndarray:
    from keras_maxpool.backend.jax.sequences import random_bits

    return np.asarray(random_bits(jnp.array([seed, 0, 0, 0], jnp.uint32), count)).view(np.int32)
