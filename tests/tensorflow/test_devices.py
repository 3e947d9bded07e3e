"""On devices that nobody has measured the plan is TensorFlow's own operation: other roads, the same values."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from keras_maxpool.backend.tensorflow import context
from keras_maxpool.ops import max_pool


def results(jit_compile: bool | None, x: tf.Tensor, data_format: str) -> list[tf.Tensor]:
    def function(x: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = max_pool(x, 3, 2, "same", data_format)
        return [y, tape.gradient(y, x)]

    traced = tf.function(function, jit_compile=jit_compile)
    return function(x) if jit_compile is None else traced(x)


def test_what_this_machine_has() -> None:
    kinds = {device.device_type for device in tf.config.list_physical_devices()}
    assert context.is_on_cpu() == (kinds == {"CPU"})


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("jit_compile", [None, False, True], ids=["eager", "graph", "xla"])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_plain_plan(
    rank: int, jit_compile: bool | None, data_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = tf.constant(np.random.default_rng(rank).integers(0, 3, [2, *[6] * rank, 4]), "float32")
    wanted = results(jit_compile, x, data_format)
    monkeypatch.setattr(context, "is_on_cpu", lambda: False)
    for one, other in zip(results(jit_compile, x, data_format), wanted, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
