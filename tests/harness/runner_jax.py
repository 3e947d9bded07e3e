"""The runner of JAX: op by op, compiled, and exported. What it offers is described in `harness.runner`."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

MODES = ("eager", "jit")
UNKNOWN = "unknown"

Function = Callable[..., Any]
as_tensor, as_array = jnp.asarray, np.asarray


def in_mode(function: Function, mode: str) -> Function:
    def exported(*arrays: jax.Array) -> Any:
        """By one symbol for all sizes that are equal; those of 1 stay, as they may be for broadcasting."""
        sizes = sorted({size for array in arrays for size in array.shape if size > 1})
        symbols = jax.export.symbolic_shape(",".join(f"n{size}" for size in sizes))
        of_size = dict(zip(sizes, symbols, strict=True))
        specs = [
            jax.ShapeDtypeStruct([of_size.get(size, size) for size in array.shape], array.dtype)
            for array in arrays
        ]
        return jax.export.export(jax.jit(function))(*specs).call(*arrays)

    return {"eager": lambda f: f, "jit": jax.jit, UNKNOWN: lambda f: exported}[mode](function)


def of_shape(x: jax.Array, shape: tuple) -> jax.Array:
    """Returns `x`, for whose sizes an export has other symbols than for `shape`."""
    behind = [(0, n - m, 0) for n, m in zip(shape, x.shape, strict=True)]
    return jax.lax.pad(x, jnp.zeros([], x.dtype), behind)


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
        return values, *others, pull(of_shape(upstream, values.shape))[0]

    return function


def second_order(pool: Function) -> Function:
    """How the gradient changes with the upstream gradient, and with the input behind a square."""

    def function(x: jax.Array, upstream: jax.Array, tangent: jax.Array) -> tuple:
        tangent = tangent + tangent

        def gradient(f: Function, x: jax.Array, upstream: jax.Array) -> jax.Array:
            values, pull = jax.vjp(f, x)
            return pull(of_shape(upstream, values.shape))[0]

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
