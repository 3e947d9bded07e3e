"""The regions of fractional pooling."""

import numpy as np
from harness.runner import random_bits
from reference import regions


def fractional_cuts(spatial, outputs, seed, pseudo_random, overlapping):
    """The regions of a seed, from the backend's random numbers by Graham's rules: nothing of the package's."""
    counts = [1] * len(spatial) if pseudo_random else outputs
    of_axes = np.split(random_bits(seed, sum(counts)), np.cumsum(counts)[:-1])
    sequence = regions.pseudo_random if pseudo_random else regions.shuffled
    return [
        regions.from_bounds(sequence(n, m, bits.tolist()), n, overlapping)
        for n, m, bits in zip(spatial, outputs, of_axes, strict=True)
    ]
