"""What is said of oneDNN, beside what TensorFlow's own functions do in a graph."""

from __future__ import annotations

import pytest
import tensorflow as tf

from keras_maxpool.backend.tensorflow import onednn


def of_a_tie(data_format: str, dtype: str) -> float:
    """What one window of zeros passes on of a gradient of 1, or 0 where it cannot."""
    shape = [1 if letter in "NC" else 2 for letter in data_format]

    @tf.function
    def gradient(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.nn.max_pool(x, shape, shape, "VALID", data_format)
        return tape.gradient(y, x)

    try:
        return float(tf.reduce_sum(tf.cast(gradient(tf.zeros(shape, dtype)), tf.float32)))
    except (tf.errors.OpError, TypeError):
        return 0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_who_wins_a_tie_in_3d(dtype: str) -> None:
    assert onednn.favours_first_in_3d(dtype) == (of_a_tie("NDHWC", dtype) == 1)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float64"])
@pytest.mark.parametrize(("rank", "data_format"), [(2, "NCHW"), (3, "NCDHW")])
def test_who_takes_channels_first(rank: int, data_format: str, dtype: str) -> None:
    assert onednn.takes_channels_first(dtype, rank) == (of_a_tie(data_format, dtype) == 1)


@pytest.mark.parametrize(("rank", "data_format"), [(2, "NCHW"), (3, "NCDHW")])
def test_each_rank_is_asked_for(
    rank: int, data_format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {data_format: 1.0}
    monkeypatch.setattr(onednn, "_gradient_of_a_tie", lambda dtype, name: answers.get(name, 4.0))
    takes = onednn.takes_channels_first.__wrapped__
    assert [takes("float32", n) for n in (2, 3)] == [rank == 2, rank == 3]
