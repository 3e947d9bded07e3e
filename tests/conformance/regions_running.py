"""What the tests of all poolings over regions share: results in pairs, upstream gradients, cuts, saved files."""

from __future__ import annotations

import copy
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tensorflow as tf
from harness.keras_version import keras
from reference import regions as reference_regions


def with_both(pool: Callable[..., Any]) -> Callable[..., tuple[tf.Tensor, ...]]:
    """From a function that gives pairs, one that gives the values, the places and the gradient."""

    def function(x: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            values, places = pool(x)
        return values, places, tape.gradient(values, x, output_gradients=upstream)

    return function


def upstream_for(values: np.ndarray) -> np.ndarray:
    """Small integers, whose sums are exact in every dtype."""
    return np.random.default_rng(1).integers(1, 4, values.shape).astype(values.dtype)


def fractional_cuts(
    spatial: Sequence[int],
    outputs: Sequence[int],
    seed: int,
    pseudo_random: bool,
    overlapping: bool,
) -> list[reference_regions.Cut]:
    """The regions of a seed, from TensorFlow's random numbers by Graham's rules: nothing of the package's."""
    counts = [1] * len(spatial) if pseudo_random else outputs
    bits = tf.random.stateless_uniform(
        [sum(counts)], tf.constant([seed, 0], tf.int64), None, None, tf.int32, alg="philox"
    )
    of_axes = np.split(bits.numpy(), np.cumsum(counts)[:-1])
    sequence = reference_regions.pseudo_random if pseudo_random else reference_regions.shuffled
    return [
        reference_regions.from_bounds(sequence(n, m, b.tolist()), n, overlapping)
        for n, m, b in zip(spatial, outputs, of_axes, strict=True)
    ]


def rename(path: Path, old: str, new: str) -> None:
    """Changes a layer's name in a saved .keras or .h5 file."""

    def edit(text: str) -> str:
        assert f"keras_maxpool>{old}" in text
        return text.replace(old, new)

    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = edit(file.attrs["model_config"])
        return
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = edit(members["config.json"].decode()).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def copied_by(way: str, model: keras.Model) -> keras.Model:
    """A copy, made by one of the ways that Keras has."""
    if way == "clone":
        return keras.models.clone_model(model)
    if way == "deepcopy":
        return copy.deepcopy(model)
    if way == "from_config":
        return keras.Model.from_config(model.get_config())
    return keras.models.model_from_json(model.to_json())
