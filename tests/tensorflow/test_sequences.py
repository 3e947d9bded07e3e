"""Graham's pooling sequences: his formula, the random order, evenness, and the same numbers in every mode."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf
from harness.runner import MODES, run
from harness.runner_tensorflow import nodes
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import regions as reference_regions

from keras_maxpool.backend.tensorflow import sequences

SIZES = [(9, 6), (10, 7), (10, 5), (7, 7), (25, 14), (23, 3), (5, 1), (200_003, 100_001)]


def bits_of(seed: int, *counts: int) -> list[tf.Tensor]:
    return sequences.random_bits(tf.constant([seed, 0], tf.int64), list(counts))


@pytest.mark.parametrize(("size", "outputs"), SIZES[:-1])
def test_pseudo_random_is_grahams(size: int, outputs: int) -> None:
    """Each of the phases is his formula for some u, with neither end forced; he counts from 1."""
    for phase in range(outputs):
        got = sequences.pseudo_random(size, outputs, tf.constant([phase]))
        wanted = reference_regions.graham(size, outputs, Fraction(phase + 1, size))
        assert (got + 1).numpy().tolist() == wanted
        assert wanted[0] == 1
        assert wanted[-1] == size + 1


@pytest.mark.parametrize(("size", "outputs"), SIZES)
@pytest.mark.parametrize("name", ["random", "pseudo_random"])
def test_lengths(name: str, size: int, outputs: int) -> None:
    """All of the axis, in regions of floor(alpha) and ceil(alpha)."""
    (bits,) = bits_of(3, outputs)
    bounds = getattr(sequences, name)(size, outputs, bits).numpy()
    lengths = np.diff(bounds)
    short, longer = divmod(size, outputs)
    assert (bounds[0], bounds[-1], len(lengths)) == (0, size, outputs)
    assert sorted(lengths) == [short] * (outputs - longer) + [short + 1] * longer


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=9), st.integers(0, 30))
def test_random_orders_the_lengths(bits: list[int], more: int) -> None:
    """The i-th length is a long one where the i-th of the sorted bits' places is among the first."""
    size, outputs = len(bits) + more, len(bits)
    got = sequences.random(size, outputs, tf.constant(bits, tf.int32))
    assert got.numpy().tolist() == reference_regions.shuffled(size, outputs, bits)


@pytest.mark.parametrize("name", ["random", "pseudo_random"])
def test_long_regions_stand_anywhere(name: str) -> None:
    """Each place is a long one in its share of the draws."""
    size, outputs, draws = 10, 7, 1400
    sequence = getattr(sequences, name)
    (bits,) = bits_of(0, draws * outputs)
    bounds = tf.map_fn(
        lambda row: sequence(size, outputs, row),
        tf.reshape(bits, [draws, outputs]),
        fn_output_signature=tf.int64,
    )
    share = (np.diff(bounds.numpy()) == 2).mean(axis=0)
    # Four standard deviations of a share of 3 / 7.
    np.testing.assert_allclose(share, 3 / 7, atol=4 * (3 / 7 * 4 / 7 / draws) ** 0.5)


@pytest.mark.parametrize("mode", MODES)
def test_one_seed_gives_the_same_in_every_mode(mode: str) -> None:
    """Written down once: these hold for every version of the package, of TensorFlow and of Keras."""

    def draw(seed: tf.Tensor) -> tuple[tf.Tensor, ...]:
        rows, columns = sequences.random_bits(seed, [6, 7])
        return sequences.random(9, 6, rows), sequences.pseudo_random(10, 7, columns)

    got = run(draw, mode, np.array([7, 0], "int64"))
    assert [bounds.tolist() for bounds in got] == WRITTEN


@pytest.mark.parametrize("known", [True, False])
def test_known_seeds_leave_no_random_operation(known: bool) -> None:
    """And so a graph that can be exported to more places."""
    seed = tf.constant([7, 0], tf.int64)
    spec = tf.TensorSpec([2], tf.int64)
    traced = nodes(lambda given: sequences.random_bits(seed if known else given, [6, 7]), spec)
    assert any("Random" in node.op for node in traced) is not known


WRITTEN = [[0, 1, 3, 5, 7, 8, 9], [0, 1, 3, 4, 6, 7, 9, 10]]
