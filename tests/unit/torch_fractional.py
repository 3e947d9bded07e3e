"""What PyTorch's fractional max pooling returns, and over which regions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import reference
from harness.install import needs
from reference import regions


class Case(NamedTuple):
    """One call, channels last."""

    x: np.ndarray
    cuts: list[regions.Cut]
    upstream: np.ndarray
    results: tuple[np.ndarray, np.ndarray, np.ndarray]
    """The values, the indices and the gradient."""


def cases(rank: int) -> Iterator[Case]:
    """Inputs with ties, and random samples, from which the regions follow. PyTorch has ranks 2 and 3."""
    torch = needs("torch")
    function = getattr(torch.nn.functional, f"fractional_max_pool{rank}d")
    rng = np.random.default_rng(3)
    for outputs, pool in [((4, 5, 3), (2, 2, 2)), ((6, 3, 2), (3, 2, 1)), ((1, 4, 3), (2, 3, 3))]:
        spatial, sizes, window = (9, 7, 6)[:rank], outputs[:rank], pool[:rank]
        x = rng.integers(-1, 2, (2, *spatial, 3)).astype("float32")
        u = rng.random(rank, "float32")
        # In 2D PyTorch's samples are the last axis's first; in 3D they are in the axes' order.
        order = u[::-1] if rank == 2 else u
        tensor = torch.tensor(reference.channels_first(x).copy(), requires_grad=True)
        output, indices = function(
            tensor,
            window,
            output_size=sizes,
            return_indices=True,
            _random_samples=torch.tensor(np.broadcast_to(order, (2, 3, rank)).copy()),
        )
        upstream = rng.integers(1, 4, output.shape).astype("float32")
        output.backward(torch.tensor(upstream))
        results = output.detach(), indices, tensor.grad
        axes = zip(spatial, sizes, window, u.tolist(), strict=True)
        yield Case(
            x,
            [regions.pytorch(*axis) for axis in axes],
            reference.channels_last(upstream),
            tuple(reference.channels_last(result.numpy()) for result in results),
        )
