"""How results are checked of every pooling whose gradients go to the first maximum."""

import numpy as np
import reference
from harness.assertions import assert_all_same
from harness.runner import EVERY_MODE, forward_mode, run, second_order, with_gradient

TRACED = [mode for mode in EVERY_MODE if mode != "eager"]


def with_ends(x):
    """Integers with both ends of their dtype's range among them."""
    limits, rng = np.iinfo(x.dtype), np.random.default_rng(4)
    x = np.where(rng.random(x.shape) < 0.1, limits.max, x).astype(x.dtype)
    x[..., 0] = limits.min
    return x


def check(
    pool, x, pooled, mode="eager", data_format="channels_last", *, masks=(), all_derivatives=False
):
    """Values, indices and, of floats, the gradient; or the second-order derivatives and the tangent, too.

    `x` and the reference's results have channels last; `pool` takes `x` and the masks, and has `data_format`.
    """
    values, indices = pooled
    rng = np.random.default_rng(1)
    upstream = rng.integers(1, 4, values.shape).astype(x.dtype)  # whose sums are exact
    tangent = rng.integers(1, 5, x.shape).astype(x.dtype)
    along = reference.gather(2 * tangent, indices)
    is_integer = x.dtype.kind in "iu"

    def gradient(upstream):
        return reference.gradient(x.shape, indices, upstream, dtype=x.dtype)

    def results(x, upstream, tangent, *masks):
        if is_integer:
            return pool(x, *masks)
        found = [*with_gradient(lambda x: pool(x, *masks))(x, upstream)]
        if all_derivatives:
            found += second_order(lambda x: pool(x, *masks)[0])(x, upstream, tangent)
            found += forward_mode(lambda x: pool(x, *masks)[0])(x, tangent)
        return found

    wanted = [values, indices]
    wanted += [] if is_integer else [gradient(upstream)]
    if all_derivatives:
        wanted += [along, gradient(2 * upstream * along), values, along]
    arrays = [x, upstream, tangent]
    if data_format == "channels_first":
        arrays, wanted = (list(map(reference.channels_first, a)) for a in (arrays, wanted))
    assert_all_same(run(results, mode, *arrays, *masks), *wanted)
