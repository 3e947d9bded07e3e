"""Training as TensorFlow does it: fit in every mode, precision, distribution, and what cannot be switched back."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.assertions import assert_same
from harness.cases import GAPS, PLAIN, Config, case, distinct, ties
from harness.keras_version import keras
from harness.processes import in_child, run_code
from harness.runner import run, with_gradient

import keras_maxpool
from keras_maxpool.backend.tensorflow import plan
from keras_maxpool.backend.tensorflow import pool as backend_pool
from keras_maxpool.geometry.window import parse
from keras_maxpool.ops import max_pool


@keras.saving.register_keras_serializable("test_training")
class Offset(keras.layers.Layer):
    """Adds a weight of the input's shape: a step of SGD writes the gradient into it."""

    def build(self, shape):
        self.offset = self.add_weight(shape=shape[1:], initializer="zeros", name="offset")

    def call(self, x):
        return x + self.offset


def pool_of(config, **options):
    layer = getattr(keras_maxpool, f"MaxPool{config.rank}D")
    return layer(**config.arguments, data_format="channels_last", **options)


def model_of(x, pool, dtype=None):
    return keras.Sequential([keras.Input(x.shape[1:]), Offset(dtype=dtype), pool])


def loss(upstream, values):
    """Its gradient for the values is `upstream`."""
    return tf.reduce_sum(upstream * tf.cast(values, upstream.dtype))


COMPILED = {
    "eager": {"run_eagerly": True, "jit_compile": False},
    "graph": {"jit_compile": False},
    "graph, several steps": {"jit_compile": False, "steps_per_execution": 2},
    "xla": {"jit_compile": True},
}


@pytest.mark.parametrize(
    ("mode", "config", "remade"),
    [("graph", PLAIN[1], False), ("graph", PLAIN[3], False)]
    + [(mode, PLAIN[2], False) for mode in COMPILED]
    + [(mode, config, True) for mode in ("graph", "xla") for config in (PLAIN[2], GAPS)],
    ids=str,
)
def test_fit(mode, config, remade):
    """Of a dataset whose last batch is smaller: the steps are traced without a batch size."""
    if remade and not hasattr(keras, "RematScope"):
        pytest.skip("keras.RematScope needs a newer Keras: pip install -U keras")
    with keras.RematScope(mode="full") if remade else nullcontext():
        pool = pool_of(config)
    given = case(config, distinct, batch=3)
    x = given.x * 1000  # so that the first step's change leaves the order
    data = tf.data.Dataset.from_tensor_slices((x, given.upstream)).batch(2)
    assert data.element_spec[0].shape[0] is None
    model = model_of(x, pool)
    model.compile(keras.optimizers.SGD(1.0), loss, **COMPILED[mode])
    model.fit(data, epochs=1, shuffle=False, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], -given.gradient.sum(0))
    predicted = model.predict(data.map(lambda x, _: x), verbose=0)
    expected = reference.pool(x - given.gradient.sum(0), **config.arguments).values
    assert_same(predicted, expected)


@pytest.mark.parametrize(
    ("policy", "mode"),
    [("mixed_float16", "eager"), ("mixed_float16", "graph"), ("mixed_bfloat16", "xla")],
)
def test_fit_in_mixed_precision(policy, mode):
    given = case(PLAIN[2], ties)
    # Keras multiplies a float16 loss by 2**15: powers of two keep that exact and small enough.
    upstream = given.upstream * np.float32(2**-8)
    model = model_of(given.x, pool_of(PLAIN[2], dtype=policy), policy)
    model.compile(keras.optimizers.SGD(1.0), loss, **COMPILED[mode])
    model.fit(given.x, upstream, batch_size=2, epochs=1, verbose=0)
    assert model.layers[-1].output.dtype == policy.removeprefix("mixed_")
    np.testing.assert_array_equal(model.get_weights()[0], -given.gradient.sum(0) * 2**-8)


def test_traces_of_eager_gradients_do_not_pile_up(monkeypatch):
    """Those of large inputs go through a function of their own, for sizes that are unknown from the second on."""
    monkeypatch.setattr(plan, "LARGE", 1)
    for cache in (plan.choose, backend_pool._one_function, backend_pool._traced_gradient):
        cache.cache_clear()
    for size in range(5, 14, 2):
        given = case(Config((size, size + 1), 3, 2, "same"), ties)
        pool = lambda x: max_pool(x, 3, 2, "same")  # noqa: E731
        _, gradient = run(with_gradient(pool), "eager", given.x, given.upstream)
        assert_same(gradient, given.gradient)
    for cache in (plan.choose, backend_pool._one_function):
        cache.cache_clear()
    assert backend_pool._traced_gradient.cache_info().currsize == 1
    key = parse(2, 3, 2, "same", 1, False), "channels_last", "auto", 3
    assert backend_pool._traced_gradient(*key).experimental_get_tracing_count() == 2


# In processes of their own: devices have to be made before TensorFlow starts, and the other switches stay.


def with_two_replicas():
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    assert strategy.num_replicas_in_sync == 2
    for config in PLAIN.values():
        given = case(config, distinct, batch=4)
        # How Keras sums up over replicas depends on its version: the built-in's twin shows it.
        builtin = getattr(keras.layers, f"MaxPooling{config.rank}D")
        twin = builtin(config.pool_size, config.strides, config.padding)
        ours, theirs = (fit_replicas(strategy, given, pool) for pool in (pool_of(config), twin))
        assert ours.any()
        assert_same(ours, theirs)
    # A last batch of one sample leaves one replica none, at which the built-in's gradient ends the process.
    once = fit_replicas(strategy, case(PLAIN[2], distinct, batch=5), pool_of(PLAIN[2]))
    assert once.any()
    assert np.isfinite(once).all()


def fit_replicas(strategy, given, pool):
    """The weight after an epoch in batches of 4."""
    with strategy.scope():
        model = model_of(given.x, pool)
        model.compile(keras.optimizers.SGD(1.0), loss, jit_compile=False)
    model.fit(given.x, given.upstream, batch_size=4, epochs=1, shuffle=False, verbose=0)
    return model.get_weights()[0]


@pytest.mark.slow
def test_two_replicas():
    in_child(__file__, "with_two_replicas")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "environment"),
    [
        ("tf.config.experimental.enable_op_determinism()", {}),
        # As on processors where TensorFlow has no oneDNN: graphs run other kernels there.
        ("pass", {"TF_ENABLE_ONEDNN_OPTS": "0"}),
    ],
    ids=["determinism", "without oneDNN"],
)
def test_other_kernels_of_tensorflow(setting, environment):
    """They pass the tests of the ways to run a pooling."""
    ways = str(Path(__file__).with_name("test_ways.py"))
    run_tests = f"raise SystemExit(pytest.main(['-n0', '-q', '-pno:cacheprovider', {ways!r}]))"
    child = run_code(f"import pytest, tensorflow as tf\n{setting}\n{run_tests}", 900, **environment)
    assert child.returncode == 0, child.stdout[-4000:]
