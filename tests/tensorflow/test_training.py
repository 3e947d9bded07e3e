"""Training as TensorFlow does it at scale: distribution, input pipelines, precision, and runs that go on and on."""

from __future__ import annotations

import gc
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from harness.keras_version import keras, keras_3_alone
from harness.processes import in_child

import keras_maxpool
from keras_maxpool.ops import max_pool

OPTIONS = [
    {"pool_size": 2},
    {"pool_size": 3, "strides": 2, "padding": 1},
    {"pool_size": 3, "strides": 1, "padding": "same", "dilation_rate": 2},
]


def model(options: dict, dtype: str | None = None) -> keras.Sequential:
    """A convolution, a pooling and a head, the same for every call."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            keras.layers.Conv2D(4, 3, padding="same", activation="relu", dtype=dtype),
            keras_maxpool.MaxPooling2D(**options, dtype=dtype),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(1, dtype="float32"),
        ]
    )


def data(samples: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(samples, 12, 12, 3)).astype("float32")
    return x, x.max((1, 2, 3), keepdims=False)[:, None]


def losses(made: keras.Model, samples: int = 12, **options: object) -> list[float]:
    """Of three epochs in batches of 4, in order."""
    made.compile("sgd", "mse", **options)
    history = made.fit(*data(samples), batch_size=4, epochs=3, shuffle=False, verbose=0)
    return history.history["loss"]


# Distribution. Logical devices have to be made before TensorFlow starts, so these run in processes of their own.


def two_devices() -> tf.distribute.Strategy:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def mirrored() -> None:
    strategy = two_devices()
    for options in OPTIONS:
        with strategy.scope():
            several = model(options)
        np.testing.assert_allclose(losses(several), losses(model(options)), rtol=1e-5)


def replica_without_samples() -> None:
    """A last batch of one sample leaves one of two replicas none, at which the built-in's gradient ends the process."""
    strategy = two_devices()

    def trained(pool: keras.Layer) -> list[float]:
        keras.utils.set_random_seed(0)
        # No convolution: TensorFlow's own gives wrong shapes for no samples.
        head = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(1)]
        with strategy.scope():
            made = keras.Sequential([keras.Input((12, 12, 3)), Scale(), pool, *head])
        return losses(made, samples=9)

    for options in OPTIONS:
        ours = trained(keras_maxpool.MaxPooling2D(**options))
        assert np.all(np.isfinite(ours))
        if options == {"pool_size": 2}:
            np.testing.assert_allclose(ours, trained(Blocks()), rtol=1e-5)


class Blocks(keras.layers.Layer):
    """Max pooling 2 of 12 by 12 without any pooling operation."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_max(tf.reshape(x, [-1, 6, 2, 6, 2, 3]), [2, 4])


class Scale(keras.layers.Layer):
    """A weight before the pooling, so that its gradient is asked for."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.factor = self.add_weight(shape=(), initializer="ones")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x * self.factor


@pytest.mark.slow
def test_mirrored_over_two_devices() -> None:
    in_child(__file__, "mirrored")


@pytest.mark.slow
def test_a_replica_without_samples() -> None:
    in_child(__file__, "replica_without_samples")


WORKER = """
import json
from harness.keras_version import keras
import test_training as t
import tensorflow as tf
strategy = tf.distribute.MultiWorkerMirroredStrategy()
with strategy.scope():
    made = t.model(t.OPTIONS[1])
    optimizer = keras.optimizers.SGD()
    optimizer.build(made.trainable_variables)
options = tf.data.Options()
options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
batches = tf.data.Dataset.from_tensor_slices(t.data()).batch(4).with_options(options)

def replica(x, y):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum((made(x, training=True) - y) ** 2) / 4
    weights = made.trainable_variables
    optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights))
    return loss

@tf.function
def step(batch):
    return strategy.reduce("sum", strategy.run(replica, batch), None)

distributed = strategy.experimental_distribute_dataset(batches)
print("LOSSES", json.dumps([[float(step(batch)) for batch in distributed] for _ in range(3)]))
"""


@pytest.mark.slow
def test_two_workers() -> None:
    """MultiWorkerMirroredStrategy over two processes of this machine."""
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER],
            env={
                **os.environ,
                "PYTHONPATH": path,
                "TF_CONFIG": json.dumps(
                    {"cluster": cluster, "task": {"type": "worker", "index": index}}
                ),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(2)
    ]
    try:
        results = [worker.communicate(timeout=240) for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0], results[0][1][-3000:]
    of_workers = [json.loads(out.split("LOSSES", 1)[1]) for out, _ in results]
    np.testing.assert_allclose(of_workers[0], of_workers[1], rtol=1e-6)
    # An epoch's loss is the mean of its steps' here.
    np.testing.assert_allclose(np.mean(of_workers[0], 1), losses(model(OPTIONS[1])), rtol=1e-5)


# Input pipelines


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_in_a_parallel_map(options: dict) -> None:
    x, _ = data()
    mapped = (
        tf.data.Dataset.from_tensor_slices(x)
        .batch(2)
        .map(lambda batch: max_pool(batch, **options), num_parallel_calls=4)
    )
    inside = np.concatenate([batch.numpy() for batch in mapped])
    np.testing.assert_array_equal(inside, max_pool(x, **options).numpy())


# How a step is made


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy: str, options: dict) -> None:
    """Near the losses in float32, and going down as they do."""
    mixed = losses(model(options, policy))
    np.testing.assert_allclose(mixed, losses(model(options)), rtol=0.05)


@keras_3_alone
def test_gradient_accumulation() -> None:
    def optimizer() -> keras.optimizers.Optimizer:
        return keras.optimizers.SGD(0.01, gradient_accumulation_steps=2)

    def trained(made: keras.Model) -> list[float]:
        made.compile(optimizer(), "mse")
        return made.fit(*data(), batch_size=4, epochs=3, shuffle=False, verbose=0).history["loss"]

    twin = keras.models.clone_model(
        model(OPTIONS[0]),
        clone_function=lambda layer: (
            keras.layers.MaxPooling2D(2)
            if isinstance(layer, keras_maxpool.MaxPooling2D)
            else layer.__class__.from_config(layer.get_config())
        ),
    )
    twin.set_weights(model(OPTIONS[0]).get_weights())
    np.testing.assert_allclose(trained(model(OPTIONS[0])), trained(twin), rtol=1e-6)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_steps_per_execution(options: dict) -> None:
    """Three batches an epoch, in executions of two and one."""
    together = losses(model(options), steps_per_execution=2)
    np.testing.assert_allclose(together[-1], losses(model(options))[-1], rtol=1e-5)


@pytest.mark.parametrize("jit_compile", [False, True], ids=["graph", "xla"])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_rematerialised(options: dict, jit_compile: bool) -> None:
    scope = getattr(keras, "RematScope", None)
    if scope is None:
        pytest.skip("keras.RematScope needs a newer Keras: pip install -U keras")
    again = model(options)
    with scope(mode="full"):
        pool = keras_maxpool.MaxPooling2D(**options)
    # The layer alone: Keras's Sequential fails in that scope.
    again = keras.Sequential([again.layers[0], pool, *again.layers[2:]])
    once = losses(model(options), jit_compile=jit_compile)
    np.testing.assert_allclose(losses(again, jit_compile=jit_compile), once, rtol=1e-5)


def determinism() -> None:
    tf.config.experimental.enable_op_determinism()
    for options in OPTIONS:
        assert losses(model(options)) == losses(model(options))
        x = tf.constant(data()[0])
        for jit_compile in (False, True):

            @tf.function(jit_compile=jit_compile)
            def gradient(x: tf.Tensor, options: dict = options) -> tf.Tensor:
                with tf.GradientTape() as tape:
                    tape.watch(x)
                    y = max_pool(x, **options)
                return tape.gradient(y, x)

            np.testing.assert_array_equal(gradient(x), gradient(x))


def test_op_determinism() -> None:
    in_child(__file__, "determinism")


# Runs that go on


def resident() -> int:
    """This process's resident memory, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def traces(step: Callable) -> int:
    return step.experimental_get_tracing_count()


def long_run() -> None:
    layers = [keras_maxpool.MaxPooling2D(**options) for options in OPTIONS]

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])])
    def step(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.add_n([tf.reduce_sum(layer(x)) for layer in layers])
        return tape.gradient(total, x)

    rng = np.random.default_rng(0)
    after = {}
    for number in range(2000):
        shape = (rng.integers(1, 9), *rng.integers(5, 41, 2), 3)
        assert step(tf.constant(rng.normal(size=shape).astype("float32"))).shape == shape
        if number in (499, 1999):
            gc.collect()
            after[number] = resident()
    assert traces(step) == 1
    assert after[1999] < after[499] + 20 * 2**20, after


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc"
)
def test_two_thousand_steps_of_random_sizes() -> None:
    """Memory and the number of traces stay bounded."""
    in_child(__file__, "long_run")


def eager_run() -> None:
    """Eager gradients of large inputs go through functions of their own, whose traces must not pile up either."""
    layer = keras_maxpool.MaxPooling2D(3, 2, "same")
    rng = np.random.default_rng(0)
    after = {}
    for number in range(300):
        x = tf.constant(rng.normal(size=(2, *rng.integers(100, 140, 2), 8)).astype("float32"))
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        assert tape.gradient(y, x).shape == x.shape
        if number in (99, 299):
            gc.collect()
            after[number] = resident()
    # oneDNN keeps what it made for each of the latest 1,024 shapes.
    assert after[299] < after[99] + 60 * 2**20, after


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc"
)
def test_three_hundred_eager_gradients_of_random_sizes() -> None:
    in_child(__file__, "eager_run")
