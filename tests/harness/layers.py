"""Every public layer: the families with the arguments that they need, and inputs for them."""

from typing import Any

import numpy as np
import pytest
import reference

import keras_maxpool
from harness.keras_version import keras
from keras_maxpool import ops

RANKS = (1, 2, 3)
SPATIAL = {1: (9,), 2: (9, 8), 3: (5, 6, 6)}
FAMILIES: dict[str, dict[str, Any]] = {
    "MaxPooling": {},
    "GlobalMaxPooling": {},
    "AdaptiveMaxPooling": {"output_size": 2},
    "FractionalMaxPooling": {"pooling_ratio": 1.5},
    "MaxUnpooling": {},
}
OPS = {
    "MaxPooling": ops.max_pool,
    "GlobalMaxPooling": ops.global_max_pool,
    "AdaptiveMaxPooling": ops.adaptive_max_pool,
    "FractionalMaxPooling": ops.fractional_max_pool,
    "MaxUnpooling": ops.max_unpool,
}

by_rank = pytest.mark.parametrize("rank", RANKS, ids="{}d".format)
by_family = pytest.mark.parametrize("family", FAMILIES)
every_layer = pytest.mark.parametrize(
    ("family", "rank"),
    [pytest.param(family, rank, id=f"{family}{rank}D") for family in FAMILIES for rank in RANKS],
)


def layer_class(family: str, rank: int, index: int = 0) -> Any:
    """The class by one of its two spellings, in turn."""
    spelling = family.replace("ooling", "ool") if index % 2 else family
    return getattr(keras_maxpool, f"{spelling}{rank}D")


def layer(family: str, rank: int, **options: Any) -> Any:
    """A layer with the arguments that its family needs."""
    return layer_class(family, rank)(**FAMILIES[family] | options)


def inputs_of(family: str, rank: int, batch: int = 2, channels: int = 2) -> list[np.ndarray]:
    """Normal numbers; for unpooling the values and indices of a pooling."""
    shape = (batch, *SPATIAL[rank], channels)
    x = np.random.default_rng(rank).normal(size=shape).astype("float32")
    return list(reference.pool(x)) if family == "MaxUnpooling" else [x]


def model_of(pool: Any, arrays: list[np.ndarray]) -> Any:
    """A functional model of one layer."""
    inputs = [keras.Input(array.shape[1:], dtype=array.dtype.name) for array in arrays]
    return keras.Model(inputs, pool(*inputs))
