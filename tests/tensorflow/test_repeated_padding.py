"""Graphs that may be quantised later: padding repeats elements, and no graph holds a number far from its inputs."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from export.export_cases import CASES, Case
from harness.cases import Config, case, ties
from harness.runner import run
from harness.runner_tensorflow import nodes

import keras_maxpool
from keras_maxpool.backend.tensorflow import converter, padding
from keras_maxpool.backend.tensorflow.context import Context


@pytest.mark.parametrize("pads", [(0, 0), (1, 0), (0, 2), (3, 4)])
def test_the_nearest_element(pads: tuple[int, int]) -> None:
    x = np.arange(5.0)[None, :, None]
    got = padding.pad(tf.constant(x), [pads], Context("graph", repeats=True), [1])
    np.testing.assert_array_equal(got, np.pad(x, [(0, 0), pads, (0, 0)], "edge"))


def test_the_nearest_element_at_whole_gaps() -> None:
    x = tf.reshape(tf.range(5), [1, 5, 1])
    got = tf.reshape(padding.pad(x, [(5, 4)], Context("graph", repeats=True), [2]), [-1])
    np.testing.assert_array_equal(got, [1, 0, 1, 0, 1, 0, 1, 2, 3, 4, 3, 4, 3, 4])


def numbers(definitions: list) -> np.ndarray:
    """All floats that stand in the nodes of a graph."""
    of_nodes = [
        tf.make_ndarray(node.attr["value"].tensor).ravel().astype(float)
        for node in definitions
        if node.op == "Const" and node.attr["dtype"].type == tf.float32.as_datatype_enum
    ]
    return np.concatenate([[0.0], *of_nodes])


PADDED = (
    *(
        "same_lower",
        "padding",
        "pairs",
        "dilated",
        "dilated_strided",
        "ceil",
        "shifted_same",
        "causal",
    ),
    *("indices_padding", "indices_ceil", "first_padding"),
)
NEAR = [c for c in CASES if c.option in PADDED and c.rank != 3] + [
    c for c in CASES if c.option in ("padding", "indices_padding") and c.rank == 3
]


@pytest.mark.parametrize("option", NEAR, ids=str)
def test_no_far_number(option: Case) -> None:
    model = option.model()
    spec = tf.TensorSpec((2, *model.inputs[0].shape[1:]))
    assert np.abs(numbers(nodes(model, spec))).max() < 1e3


@pytest.mark.parametrize("name", ["mask-2d", "mask_global-2d", "ieee-2d", "global_ieee-2d"])
def test_no_far_number_for_a_quantising_runtime(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    [option] = [c for c in CASES if str(c) == name]
    model = option.model()
    specs = [tf.TensorSpec((2, *x.shape[1:]), x.dtype) for x in model.inputs]
    monkeypatch.setattr(converter, "target", lambda: ("LiteRT", 8))
    given = [specs] if len(specs) > 1 else specs
    assert np.abs(numbers(nodes(model, *given))).max() < 1e3


@pytest.mark.parametrize("sizes", [(3, 3), (3, 8)])
def test_no_far_number_where_gaps_are_longer_than_the_axis(sizes: tuple[int, int]) -> None:
    for how in (
        {"pool_size": 3, "padding": "same", "dilation_rate": 4},
        {"pool_size": (1, 3), "padding": ((0, 0), (1, 1)), "dilation_rate": (5, 1)},
    ):

        def pooled(x: tf.Tensor, how: dict = how) -> tf.Tensor:
            return keras_maxpool.ops.max_pool(x, strides=1, **how)

        assert np.abs(numbers(nodes(pooled, tf.TensorSpec((2, *sizes, 3))))).max() < 1e3


def test_a_tape_sees_numbers() -> None:
    """The gradient through repeated elements takes longer."""

    def gradient(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = keras_maxpool.ops.max_pool(x, 3, 2, 1)
        return tape.gradient(y, x)

    spec = tf.TensorSpec((2, 6, 6, 3))
    assert "GatherV2" not in {node.op for node in nodes(gradient, spec)}
    assert "GatherV2" in {
        node.op for node in nodes(lambda x: keras_maxpool.ops.max_pool(x, 3, 2, 1), spec)
    }


CONFIGS = [
    Config((9,), 3, 2, "same", dilation_rate=2),
    Config((3,), 3, 1, "same", dilation_rate=4),  # the middle of each window is real
    Config((3, 5), (1, 3), 1, ((0, 0), (1, 1)), dilation_rate=(5, 1)),
    Config((5, 6), 3, 2, 1),
    Config((5, 6), (3, 2), 1, ((2, 2), (1, 0)), dilation_rate=(1, 3)),
    Config((4, 5, 3), 3, 2, 1),
]


@pytest.mark.parametrize("implementation", ["auto", "shifted"])
@pytest.mark.parametrize("config", CONFIGS, ids=str)
def test_a_gradient_that_is_asked_for_later(config: Config, implementation: str) -> None:
    """The graph was traced without a tape: ties go to the first element even so, not to a repeated one's place."""
    x, upstream, places, values, gradient = case(config, ties)
    spec = tf.TensorSpec(x.shape)

    def pooled(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        how = {"implementation": implementation, "return_indices": True}
        return keras_maxpool.ops.max_pool(x, **config.arguments, **how)

    traced = tf.function(pooled).get_concrete_function(spec)

    def later(x: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y, indices = traced(x)
        return y, indices, tape.gradient(y, x, output_gradients=upstream)

    for got, wanted in zip(
        run(later, "eager", x, upstream), (values, places, gradient), strict=True
    ):
        np.testing.assert_array_equal(got, wanted)
