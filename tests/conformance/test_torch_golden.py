"""`max_pool` against the golden file of PyTorch's values and gradients, in three modes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from golden import torch_golden

from keras_maxpool.ops import max_pool

CASES = list(torch_golden.load())
ORDER = np.random.default_rng(0).permutation(len(CASES))
IN_GRAPH = [CASES[i] for i in sorted(ORDER[: len(CASES) // 3])]
IN_XLA = [CASES[i] for i in sorted(ORDER[: len(CASES) // 10])]  # compiling is slow


def pool_and_gradient(case: torch_golden.Case) -> Callable[[tf.Tensor, tf.Tensor], tuple]:
    """A function of x and the upstream gradient; gives the values and the gradient for x."""
    nonfinite = "backend" if case.finite else "ieee"

    def function(x: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            values = max_pool(
                x, **case.arguments, data_format="channels_first", nonfinite=nonfinite
            )
        return values, tape.gradient(values, x, output_gradients=upstream)

    return function


def check(case: torch_golden.Case, function: Callable[[tf.Tensor, tf.Tensor], tuple]) -> None:
    """Exact: the upstream gradients are small integers, so their sums have no rounding."""
    values, gradient = function(tf.constant(case.x), tf.constant(case.upstream))
    np.testing.assert_array_equal(values, case.values)
    np.testing.assert_array_equal(gradient, case.gradient)


def by_name(cases: list[torch_golden.Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])


@by_name(CASES)
def test_eager(case: torch_golden.Case) -> None:
    check(case, pool_and_gradient(case))


@by_name(IN_GRAPH)
def test_graph(case: torch_golden.Case) -> None:
    check(case, tf.function(pool_and_gradient(case)))


@by_name(IN_XLA)
def test_xla(case: torch_golden.Case) -> None:
    check(case, tf.function(pool_and_gradient(case), jit_compile=True))
