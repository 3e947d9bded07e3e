"""Two JAX primitives that are each other's transpose: elements selected at winners, and sums spread back to them.

Together they make gradients of every order, forward and reverse, and can be mapped. JAX's `custom_vjp` has no forward
mode, and its `linear_call` cannot be mapped (JAX 0.10).
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from keras_maxpool.backend.jax import views
from keras_maxpool.backend.jax.views import Pooling

select_p = Primitive("max_pool_select")
spread_p = Primitive("max_pool_spread")


def select(x: jax.Array, winners: Sequence[jax.Array], pooling: Pooling) -> jax.Array:
    """Returns the elements of `x` at the winners, 0 where there is none."""
    return select_p.bind(x, *winners, pooling=pooling, shape=x.shape)


def _select(x: jax.Array, *winners: jax.Array, pooling: Pooling, shape: tuple[int, ...]) -> Any:
    return views.selected(x, winners, pooling, 0)


def _spread(y: jax.Array, *winners: jax.Array, pooling: Pooling, shape: tuple[int, ...]) -> Any:
    return views.spread(y, winners, pooling, shape)


def _register(primitive: Primitive, function: Callable[..., Any], transpose: Primitive) -> None:
    """Defines a primitive by a function that is linear in its first argument."""
    primitive.def_impl(partial(jax.jit, static_argnames=("pooling", "shape"))(function))
    primitive.def_abstract_eval(_abstract(function))
    mlir.register_lowering(primitive, mlir.lower_fun(function, multiple_results=False))
    ad.primitive_jvps[primitive] = partial(_jvp, primitive)
    ad.primitive_transposes[primitive] = partial(_transpose, transpose)
    batching.primitive_batchers[primitive] = partial(_batch, primitive)


def _abstract(function: Callable[..., Any]) -> Callable[..., Any]:
    def shape_of(x: Any, *winners: Any, **params: Any) -> Any:
        shapes = (jax.ShapeDtypeStruct(a.shape, a.dtype) for a in (x, *winners))
        out = jax.eval_shape(partial(function, **params), *shapes)
        # With how it is sharded over a mesh.
        return x.update(shape=out.shape, dtype=out.dtype)

    return shape_of


def _jvp(primitive: Primitive, primals: Any, tangents: Any, **params: Any) -> Any:
    _, *winners = primals
    y = primitive.bind(*primals, **params)
    tangent = tangents[0]
    if type(tangent) is ad.Zero:
        return y, ad.Zero.from_primal_value(y)
    return y, primitive.bind(tangent, *winners, **params)


def _transpose(transpose: Primitive, upstream: Any, x: Any, *winners: Any, **params: Any) -> Any:
    none = [None] * len(winners)
    if type(upstream) is ad.Zero:
        return [ad.Zero(x.aval), *none]
    return [transpose.bind(upstream, *winners, **params), *none]


def _batch(
    primitive: Primitive,
    values: Sequence[Any],
    axes: Sequence[Any],
    *,
    pooling: Pooling,
    shape: tuple[int, ...],
) -> Any:
    """Maps the primitive over a new first axis."""
    size = next(v.shape[a] for v, a in zip(values, axes, strict=True) if a is not None)
    moved = [
        jnp.broadcast_to(value, (size, *value.shape))
        if axis is None
        else jnp.moveaxis(value, axis, 0)
        for value, axis in zip(values, axes, strict=True)
    ]
    steps = tuple(replace(step, axis=step.axis + 1) for step in pooling.steps)
    pooling = Pooling(((0, 0), *pooling.pads), steps)
    return primitive.bind(*moved, pooling=pooling, shape=(size, *shape)), 0


_register(select_p, _select, spread_p)
_register(spread_p, _spread, select_p)


@partial(jax.custom_jvp, nondiff_argnums=(2, 3))
def maxima(x: jax.Array, visible: jax.Array | None, pooling: Pooling, lowest: float) -> jax.Array:
    """Returns the maxima of windows, with gradients that go to the first one of each."""
    if visible is None:
        return views.maxima(x, pooling, lowest)
    return views.first_maxima(x, visible, pooling, lowest)[0]


@maxima.defjvp
def _maxima_jvp(pooling: Pooling, lowest: float, primals: Any, tangents: Any) -> Any:
    x, visible = primals
    y, winners = views.first_maxima(x, visible, pooling, lowest)
    return y, select(tangents[0], winners, pooling)
