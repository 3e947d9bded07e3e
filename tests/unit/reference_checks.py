"""The reference beside PyTorch's answers, golden or live."""

from __future__ import annotations

import numpy as np
import reference
from golden import make_adaptive_golden, torch_golden
from reference import regions


def assert_as_pytorch(case: torch_golden.Case | make_adaptive_golden.Case) -> None:
    """The reference's values, places and gradient are those of the case."""
    values, places = answer(case)
    np.testing.assert_array_equal(values, case.values)
    np.testing.assert_array_equal(places, case.indices)
    gradient = reference.gradient(
        case.x.shape, places, case.upstream, dtype=case.x.dtype, data_format="channels_first"
    )
    np.testing.assert_array_equal(gradient, case.gradient)


def answer(case: torch_golden.Case | make_adaptive_golden.Case) -> reference.Pooled:
    """The reference's own, channels first as the case is."""
    if isinstance(case, torch_golden.Case):
        return reference.pool(case.x, **case.arguments, data_format="channels_first")
    axes = zip(case.x.shape[2:], case.output_size, strict=True)
    cuts = [regions.adaptive(*axis) for axis in axes]
    pooled = regions.pool(reference.channels_last(case.x), cuts)
    return reference.Pooled(*map(reference.channels_first, pooled))
