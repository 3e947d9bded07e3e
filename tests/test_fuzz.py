"""Any pooling, drawn by hypothesis, against the oracle, and against PyTorch and the built-in layers where they can.

The default run draws a few hundred. `pytest -m fuzz` draws 20,000 more, each part in a process of its own, since
compiled programs stay in memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import oracle
import pytest
import tensorflow as tf
from either_keras import layers
from fuzzing import Example, examples
from hypothesis import HealthCheck, given, seed, settings
from running import assert_same, in_child, in_mode

from keras_maxpool.ops import max_pool

QUICK = settings(max_examples=300, deadline=None, derandomize=True, database=None)
PARTS = 20
LONG = settings(
    max_examples=1_000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)


def fits(example: Example) -> bool:
    """Whether the oracle finds windows; ours must raise a ValueError if not."""
    try:
        oracle.pool(np.zeros((1, *example.spatial, 1)), **example.arguments)
    except ValueError:
        return False
    return all(_pads_are_short(example))


def _pads_are_short(example: Example) -> list[bool]:
    """The op refuses explicit pads of the dilated window's length, axis by axis."""

    def each(value: object) -> tuple:
        return value if isinstance(value, tuple) else (value,) * example.rank

    named = example.arguments
    if isinstance(named["padding"], str):
        return [True]
    lengths = [
        (pool - 1) * rate + 1
        for pool, rate in zip(each(named["pool_size"]), each(named["dilation_rate"]), strict=True)
    ]
    return [
        np.max(pads) < length for pads, length in zip(each(named["padding"]), lengths, strict=True)
    ]


def check(example: Example) -> None:
    """Values, indices, the gradient and its own gradient."""
    options = {
        **example.arguments,
        "data_format": example.data_format,
        "nonfinite": example.nonfinite,
        "implementation": example.implementation,
    }
    x = example.input()

    def pool(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return max_pool(x, **options, return_indices=True)

    if not fits(example):
        with pytest.raises(ValueError, match=r"window|padding"):
            in_mode(pool, example.mode)(tf.constant(x))
        return
    wanted, places = oracle.pool(x, **example.arguments, data_format=example.data_format)
    values, indices = in_mode(pool, example.mode)(tf.constant(x))
    if example.layout == "denormal" and example.is_float:
        # TensorFlow's processor mode takes denormal numbers for zeros, so that any of them may win.
        smallest = np.finfo(np.float32 if x.dtype.kind != "f" else x.dtype).tiny
        np.testing.assert_allclose(values.numpy()[places >= 0], wanted[places >= 0], atol=smallest)
        np.testing.assert_array_equal(indices.numpy() < 0, places < 0)
        return
    if example.nonfinite == "backend":
        # A window of padding alone: -inf by IEEE, TensorFlow's lowest number otherwise.
        alone = places < 0
        values = np.where(alone, wanted, values.numpy()).astype(wanted.dtype)
        assert_same(values, wanted)
    else:
        assert_same(values.numpy(), wanted)
    assert_same(indices.numpy(), places)
    if example.is_float:
        check_gradients(example, options, x, places)


def check_gradients(example: Example, options: dict, x: np.ndarray, places: np.ndarray) -> None:
    """Small whole numbers, whose sums are exact in every dtype."""
    rng = np.random.default_rng(example.seed)
    upstream = rng.integers(-2, 3, places.shape).astype(x.dtype)
    further = rng.integers(-2, 3, x.shape).astype(x.dtype)

    def derive(x: tf.Tensor, upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as outer:
            outer.watch(upstream)
            with tf.GradientTape() as inner:
                inner.watch(x)
                values = max_pool(x, **options)
            gradient = inner.gradient(values, x, output_gradients=upstream)
        return gradient, outer.gradient(gradient, upstream, output_gradients=further)

    gradient, second = in_mode(derive, example.mode)(tf.constant(x), tf.constant(upstream))
    layout = {"data_format": example.data_format}
    assert_same(
        gradient.numpy(), oracle.gradient(x.shape, places, upstream, dtype=x.dtype, **layout)
    )
    second = tf.zeros_like(upstream) if second is None else second
    assert_same(second.numpy(), oracle.gather(further, places, **layout))


@QUICK
@given(examples())
def test_against_the_oracle(example: Example) -> None:
    check(example)


def at_length(check: Callable[[Example], None]) -> None:
    """One part of the examples, in this process."""
    seed(int(os.environ["KERAS_MAXPOOL_FUZZ_PART"]))(LONG(given(examples())(check)))()


def oracle_at_length() -> None:
    at_length(check)


def check_builtin(example: Example) -> None:
    """Bit for bit the built-in layer's values, wherever it can do the same."""
    named = example.arguments
    plain = (named["dilation_rate"], named["ceil_mode"]) == (1, False)
    can = named["padding"] in ("valid", "same") and example.dtype in ("float32", "bfloat16")
    some = 0 not in (example.batch, *example.spatial, example.channels)
    if not (plain and can and some and fits(example)):
        return
    if example.layout in ("nan", "infinite", "extremes", "denormal"):
        return
    layer = getattr(layers, f"MaxPooling{example.rank}D")
    theirs = layer(named["pool_size"], named["strides"], named["padding"], example.data_format)
    theirs.dtype_policy = example.dtype
    x = tf.constant(example.input())
    ours = in_mode(lambda x: max_pool(x, **named, data_format=example.data_format), example.mode)
    assert_same(ours(x).numpy(), in_mode(theirs.call, example.mode)(x).numpy())


@QUICK
@given(examples())
def test_against_the_builtin(example: Example) -> None:
    check_builtin(example)


def check_torch(example: Example) -> None:
    """PyTorch's values and indices, wherever it can do the same."""
    torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'keras_maxpool[peers]'")
    named = example.arguments
    padding = 0 if named["padding"] == "valid" else named["padding"]
    pads = padding if isinstance(padding, tuple) else (padding,)
    if not all(isinstance(pad, int) for pad in pads) or example.dtype not in ("float32", "float64"):
        return
    # It wants pads of half the window at most; of several NaN it takes the last one.
    if not fits(example) or example.layout in ("nan", "denormal"):
        return
    # In 3D it forgets the depth of a -inf that wins.
    if example.rank == 3 and example.layout == "infinite":
        return
    if 0 in (example.batch, *example.spatial, example.channels):
        return
    pool = getattr(torch.nn.functional, f"max_pool{example.rank}d")
    x = example.input()
    first = np.moveaxis(x, -1, 1) if example.data_format == "channels_last" else x
    try:
        values, indices = pool(
            torch.from_numpy(np.ascontiguousarray(first)),
            *(named["pool_size"], named["strides"], padding, named["dilation_rate"]),
            ceil_mode=named["ceil_mode"],
            return_indices=True,
        )
    except RuntimeError:
        # What PyTorch refuses: longer pads, and windows that it does not let hang over.
        return
    ours = max_pool(
        first, **named, data_format="channels_first", nonfinite="ieee", return_indices=True
    )
    seen = ours[1].numpy() >= 0
    assert_same(ours[0].numpy()[seen], values.numpy()[seen])
    assert_same(ours[1].numpy()[seen], indices.numpy()[seen])


@QUICK
@given(examples())
def test_against_pytorch(example: Example) -> None:
    check_torch(example)


def check_peers(example: Example) -> None:
    check_builtin(example)
    check_torch(example)


def peers_at_length() -> None:
    at_length(check_peers)


@pytest.mark.fuzz
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("against", [oracle_at_length, peers_at_length])
def test_at_length(against: Callable[[], None], part: int) -> None:
    in_child(__file__, against.__name__, 3600, KERAS_MAXPOOL_FUZZ_PART=str(part))
