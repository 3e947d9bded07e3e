"""The same values and the same gradients in whatever way TensorFlow runs a pooling.

Inputs are full of ties, so that a gradient that went to another maximum would show. Upstream gradients are small whole
numbers, so that sums are exact.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import reference
import tensorflow as tf
from harness.assertions import assert_same
from harness.cases import FLOATS, Case, Config, case, distinct, ties, wild
from harness.keras_version import keras
from harness.processes import in_child
from harness.runner import MODES, run, with_gradient
from harness.runner_tensorflow import Function

import keras_maxpool
from keras_maxpool.ops import max_pool

KERNELS = ("auto", "direct", "separable", "shifted")
PLAIN = {
    1: Config((9,), 3, 2, "same"),
    2: Config((5, 6), (3, 2), (2, 1), "same"),
    3: Config((4, 5, 3), (2, 3, 2), (2, 1, 2), "same"),
}
GAPS = {
    1: Config((9,), 3, 2, ((2, 1),), 2, True),
    2: Config((5, 6), (3, 2), (2, 1), ((1, 2), (0, 1)), (1, 2)),
    3: Config((4, 5, 3), (2, 3, 2), (2, 1, 2), ((1, 0), (1, 1), (0, 1)), (2, 1, 1)),
}


def pooling(config: Config, **options: object) -> Function:
    return lambda x: max_pool(x, **config.arguments, data_format="channels_last", **options)


by_rank = pytest.mark.parametrize("rank", [1, 2, 3], ids="{}d".format)
by_mode = pytest.mark.parametrize("mode", MODES)
# Every kernel in every rank; "auto" and the kernels that can do it also with gaps.
by_kernel = pytest.mark.parametrize(
    ("implementation", "config"),
    [(kernel, PLAIN[rank]) for rank in PLAIN for kernel in KERNELS]
    + [("auto", GAPS[2]), ("shifted", GAPS[2])],
    ids=str,
)


# The ways to run: each takes a pooling, an input and an upstream gradient, and gives values and gradient.


def eager(pool: Function, x: tf.Tensor, upstream: tf.Tensor) -> tuple:
    return with_gradient(pool)(x, upstream)


def graph(pool: Function, x: tf.Tensor, upstream: tf.Tensor) -> tuple:
    return tf.function(with_gradient(pool))(x, upstream)


def xla(pool: Function, x: tf.Tensor, upstream: tf.Tensor) -> tuple:
    return tf.function(with_gradient(pool), jit_compile=True)(x, upstream)


def tape_around_graph(pool: Function, x: tf.Tensor, upstream: tf.Tensor) -> tuple:
    """The pooling is traced without knowing of a gradient."""
    return with_gradient(tf.function(pool))(x, upstream)


def tape_around_xla(pool: Function, x: tf.Tensor, upstream: tf.Tensor) -> tuple:
    return with_gradient(tf.function(pool, jit_compile=True))(x, upstream)


def xla_inside_graph(pool: Function, x: tf.Tensor, upstream: tf.Tensor) -> tuple:
    return tf.function(with_gradient(tf.function(pool, jit_compile=True)))(x, upstream)


def graph_inside_xla(pool: Function, x: tf.Tensor, upstream: tf.Tensor) -> tuple:
    return tf.function(with_gradient(tf.function(pool)), jit_compile=True)(x, upstream)


def tf_gradients(pool: Function, x: tf.Tensor, upstream: tf.Tensor) -> tuple:
    """Without any tape."""

    @tf.function
    def function(x: tf.Tensor, upstream: tf.Tensor) -> tuple:
        values = pool(x)
        return values, tf.gradients(values, x, grad_ys=upstream)[0]

    return function(x, upstream)


def unknown_batch(pool: Function, x: tf.Tensor, upstream: tf.Tensor) -> tuple:
    specs = [tf.TensorSpec([None, *t.shape[1:]], t.dtype) for t in (x, upstream)]
    return tf.function(with_gradient(pool), input_signature=specs)(x, upstream)


def unknown_batch_and_outer_tape(pool: Function, x: tf.Tensor, upstream: tf.Tensor) -> tuple:
    spec = tf.TensorSpec([None, *x.shape[1:]], x.dtype)
    return with_gradient(tf.function(pool, input_signature=[spec]))(x, upstream)


def data_map(pool: Function, x: tf.Tensor, upstream: tf.Tensor) -> tuple:
    """Batches of one, in parallel."""
    data = tf.data.Dataset.from_tensor_slices((x, upstream)).batch(1)
    results = list(data.map(with_gradient(pool), num_parallel_calls=2))
    return tuple(tf.concat(parts, 0) for parts in zip(*results, strict=True))


def vectorized_map(pool: Function, x: tf.Tensor, upstream: tf.Tensor) -> tuple:
    """Each sample on its own, and its gradient with it."""

    def one(sample: tuple) -> tuple:
        values, gradient = with_gradient(pool)(sample[0][None], sample[1][None])
        return values[0], gradient[0]

    # No fallback: a loop would be right, and slow.
    return tf.vectorized_map(one, (x, upstream), fallback_to_while_loop=False)


def vectorized_map_in_graph(pool: Function, x: tf.Tensor, upstream: tf.Tensor) -> tuple:
    return tf.function(lambda x, upstream: vectorized_map(pool, x, upstream))(x, upstream)


def map_fn(pool: Function, x: tf.Tensor, upstream: tf.Tensor) -> tuple:
    """Each sample on its own in a loop."""

    @tf.function
    def function(x: tf.Tensor, upstream: tf.Tensor) -> tuple:
        with tf.GradientTape() as tape:
            tape.watch(x)
            values = tf.map_fn(lambda sample: pool(sample[None])[0], x)
        return values, tape.gradient(values, x, output_gradients=upstream)

    return function(x, upstream)


def cond(pool: Function, x: tf.Tensor, upstream: tf.Tensor) -> tuple:
    """In one branch, with the tape around both."""
    branch = lambda x: tf.cond(tf.size(x) > 1, lambda: pool(x), lambda: 0 * pool(x))  # noqa: E731
    return tf.function(with_gradient(branch))(x, upstream)


WITH_EVERY_KERNEL = (
    *(eager, graph, xla, tape_around_graph, tf_gradients, unknown_batch),
    *(unknown_batch_and_outer_tape, data_map, vectorized_map, map_fn, cond),
)
# What differs from those above in ways that no kernel sees, and is slow.
WITH_AUTO = (tape_around_xla, xla_inside_graph, graph_inside_xla, vectorized_map_in_graph)


def name_of(value: object) -> str | None:
    return getattr(value, "__name__", None)


def check_way(way: Function, implementation: str, config: Config) -> None:
    given = case(config, ties, batch=3)
    pool = pooling(config, implementation=implementation)
    values, gradient = way(pool, tf.constant(given.x), tf.constant(given.upstream))
    assert_same(values.numpy(), given.values)
    assert_same(gradient.numpy(), given.gradient)


@by_kernel
@pytest.mark.parametrize("way", WITH_EVERY_KERNEL, ids=name_of)
def test_values_and_gradients(way: Function, implementation: str, config: Config) -> None:
    check_way(way, implementation, config)


@by_rank
@pytest.mark.parametrize("way", WITH_AUTO, ids=name_of)
def test_nested_ways(way: Function, rank: int) -> None:
    check_way(way, "auto", PLAIN[rank])


@by_kernel
def test_data_map_of_unknown_batch(implementation: str, config: Config) -> None:
    """Forward only, as a data pipeline would; the last batch is a smaller one."""
    given = case(config, distinct, batch=3)
    data = tf.data.Dataset.from_tensor_slices(given.x).batch(2)
    data = data.map(
        pooling(config, implementation=implementation), num_parallel_calls=tf.data.AUTOTUNE
    )
    assert data.element_spec.shape.as_list() == [None, *given.values.shape[1:]]
    assert_same(np.concatenate([np.asarray(part) for part in data]), given.values)


# Jacobians


def jacobian_of(given: Case) -> np.ndarray:
    """One where an output comes from an input, zero elsewhere: (*output, *input)."""
    result = np.zeros((*given.values.shape, *given.x.shape), "float32")
    for output in np.ndindex(*given.values.shape):
        spatial = np.unravel_index(given.indices[output], given.x.shape[1:-1])
        result[(*output, output[0], *spatial, output[-1])] = 1
    return result


def jacobian(pool: Function, pfor: bool = True) -> Function:
    def function(x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape(persistent=not pfor) as tape:
            tape.watch(x)
            values = pool(x)
        return tape.jacobian(values, x, experimental_use_pfor=pfor)

    return function


@by_kernel
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_jacobian(mode: str, implementation: str, config: Config) -> None:
    # A known limit, in README: a graph's jacobian vectorises MaxPool3DGrad, which then shares ties out.
    limited = mode == "graph" and implementation == "direct" and config.rank == 3
    given = case(config, distinct if limited else ties)
    pool = pooling(config, implementation=implementation)
    assert_same(run(jacobian(pool), mode, given.x), jacobian_of(given))


@by_rank
@pytest.mark.parametrize(("mode", "pfor"), [("xla", True), ("graph", False)])
def test_jacobian_in_xla_and_by_a_loop(mode: str, pfor: bool, rank: int) -> None:
    given = case(PLAIN[rank], ties)
    pool = pooling(PLAIN[rank])
    assert_same(run(jacobian(pool, pfor), mode, given.x), jacobian_of(given))


@by_rank
def test_batch_jacobian(rank: int) -> None:
    given = case(PLAIN[rank], ties)
    with tf.GradientTape() as tape:
        x = tf.constant(given.x)
        tape.watch(x)
        values = pooling(PLAIN[rank])(x)
    whole = jacobian_of(given)
    expected = np.stack([np.take(whole[i], i, rank + 1) for i in range(len(given.x))])
    assert_same(tape.batch_jacobian(values, x).numpy(), expected)


# Second order and forward mode

# Where input and output have one size, and a kernel of the second order may write over what it reads.
LEVEL = [Config((5, 6), 3, 1, "same"), Config((1, 1), 3, 2, "same"), Config((5, 6), 1, 1)]

DTYPES_AND_KERNELS = [
    *(("float32", kernel, PLAIN[rank]) for rank in PLAIN for kernel in KERNELS),
    *(("float32", kernel, LEVEL[0]) for kernel in KERNELS),
    *(("float32", "auto", config) for config in LEVEL[1:]),
    *(("float32", "auto", GAPS[rank]) for rank in GAPS),
    *((dtype, "auto", PLAIN[rank]) for rank in PLAIN for dtype in FLOATS if dtype != "float32"),
]
by_dtype_and_kernel = pytest.mark.parametrize(
    ("mode", "dtype", "implementation", "config"),
    [
        (mode, *row)
        for mode in MODES
        for row in DTYPES_AND_KERNELS
        # Compiling is slow: the kernels in 2D.
        if mode != "xla" or row[0] != "float32" or row[1] == "auto" or row[2] == PLAIN[2]
    ],
    ids=str,
)


def tangent_for(config: Config, dtype: str) -> np.ndarray:
    """Whole numbers in the shape of the input, small enough that sums of products are exact."""
    x = case(config, distinct, dtype).x
    return (x.astype("int64") % 7 - 3).astype(x.dtype)


def second_order(pool: Function) -> Function:
    """How the gradient changes with the upstream gradient, and with the input behind a square.

    For twice the tangent: nothing else holds on to that tensor, so that a kernel may write into it.
    """

    def function(x: tf.Tensor, upstream: tf.Tensor, tangent: tf.Tensor) -> tuple:
        tangent += tangent
        with tf.GradientTape() as outer:
            outer.watch(upstream)
            _, gradient = with_gradient(pool)(x, upstream)
        by_upstream = outer.gradient(gradient, upstream, output_gradients=tangent)
        with tf.GradientTape() as outer:
            outer.watch(x)
            _, gradient = with_gradient(lambda x: tf.square(pool(x)))(x, upstream)
        return by_upstream, outer.gradient(gradient, x, output_gradients=tangent)

    return function


@by_dtype_and_kernel
def test_second_order(mode: str, dtype: str, implementation: str, config: Config) -> None:
    given, tangent = case(config, ties, dtype), tangent_for(config, dtype)
    pool = pooling(config, implementation=implementation)
    by_upstream, by_input = run(second_order(pool), mode, given.x, given.upstream, tangent)
    passed_back = reference.gather(2 * tangent, given.indices)
    assert_same(by_upstream, passed_back)
    to_values = 2 * given.upstream * passed_back
    expected = reference.gradient(given.x.shape, given.indices, to_values, dtype=given.x.dtype)
    assert_same(by_input, expected)


def forward_mode(pool: Function) -> Function:
    """Values and their derivative along twice the tangent, for the reason given at `second_order`."""

    def function(x: tf.Tensor, tangent: tf.Tensor) -> tuple:
        with tf.autodiff.ForwardAccumulator(x, tangent + tangent) as accumulator:
            values = pool(x)
        return values, accumulator.jvp(values)

    return function


@by_dtype_and_kernel
def test_forward_mode(mode: str, dtype: str, implementation: str, config: Config) -> None:
    given, tangent = case(config, ties, dtype), tangent_for(config, dtype)
    if mode == "xla" and implementation == "direct":
        # A known limit, in README: forward mode sees through to TensorFlow's own rule for ties.
        given = case(config, distinct, dtype)
    pool = pooling(config, implementation=implementation)
    values, derivative = run(forward_mode(pool), mode, given.x, tangent)
    assert_same(values, given.values)
    assert_same(derivative, reference.gather(2 * tangent, given.indices))


@pytest.mark.parametrize("config", [*PLAIN.values(), LEVEL[0]], ids=str)
def test_forward_mode_through_a_traced_function(config: Config) -> None:
    """TensorFlow derives it from the function's gradient, differentiated again."""
    given, tangent = case(config, ties), tangent_for(config, "float32")
    pool = tf.function(pooling(config))
    values, derivative = run(forward_mode(pool), "eager", given.x, tangent)
    assert_same(values, given.values)
    assert_same(derivative, reference.gather(2 * tangent, given.indices))


@by_rank
@by_mode
def test_forward_over_reverse(mode: str, rank: int) -> None:
    """A Hessian-vector product, the cheap way."""
    given, tangent = case(PLAIN[rank], ties), tangent_for(PLAIN[rank], "float32")

    def function(x: tf.Tensor, upstream: tf.Tensor, tangent: tf.Tensor) -> tf.Tensor:
        with tf.autodiff.ForwardAccumulator(x, tangent) as accumulator:
            square = lambda x: tf.square(pooling(PLAIN[rank])(x))  # noqa: E731
            _, gradient = with_gradient(square)(x, upstream)
        return accumulator.jvp(gradient)

    actual = run(function, mode, given.x, given.upstream, tangent)
    to_values = 2 * given.upstream * reference.gather(tangent, given.indices)
    assert_same(
        actual, reference.gradient(given.x.shape, given.indices, to_values, dtype="float32")
    )


@pytest.mark.parametrize("implementation", KERNELS)
@by_mode
def test_ieee_second_order(mode: str, implementation: str) -> None:
    given, tangent = case(PLAIN[2], wild), tangent_for(PLAIN[2], "float32")
    pool = pooling(PLAIN[2], implementation=implementation, nonfinite="ieee")

    def function(x: tf.Tensor, upstream: tf.Tensor, tangent: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as outer:
            outer.watch(upstream)
            _, gradient = with_gradient(pool)(x, upstream)
        return outer.gradient(gradient, upstream, output_gradients=tangent + tangent)

    actual = run(function, mode, given.x, given.upstream, tangent)
    assert_same(actual, reference.gather(2 * tangent, given.indices))


@pytest.mark.parametrize("implementation", KERNELS)
@by_mode
def test_ieee_forward_mode(mode: str, implementation: str) -> None:
    given, tangent = case(PLAIN[2], wild), tangent_for(PLAIN[2], "float32")
    pool = pooling(PLAIN[2], implementation=implementation, nonfinite="ieee")
    values, derivative = run(forward_mode(pool), mode, given.x, tangent)
    assert_same(values, given.values)
    expected = reference.gather(2 * tangent, given.indices)
    if mode == "eager":
        assert_same(derivative, expected)
    elif mode == "graph" or implementation in ("auto", "shifted"):
        # A known limit, in README: traced, forward mode gives 0 where a NaN or a smallest value decides.
        ordinary = given.values > np.finfo("float32").min
        assert_same(np.where(ordinary, derivative, 0), np.where(ordinary, expected, 0))


# Layers in training


@keras.saving.register_keras_serializable("test_modes")
class Offset(keras.layers.Layer):
    """Adds a weight of the input's shape: a step of SGD writes the gradient into it."""

    def build(self, shape: tuple[int, ...]) -> None:
        self.offset = self.add_weight(shape=shape[1:], initializer="zeros", name="offset")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        return x + self.offset


def model_of(config: Config, x: np.ndarray, dtype: str | None = None, **options) -> keras.Model:
    arguments = config.arguments | {"data_format": "channels_last", "dtype": dtype} | options
    layer = getattr(keras_maxpool, f"MaxPool{config.rank}D")(**arguments)
    return keras.Sequential([keras.Input(x.shape[1:]), Offset(dtype=dtype), layer])


def loss(upstream: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Its gradient for the values is `upstream`."""
    return tf.reduce_sum(upstream * tf.cast(values, upstream.dtype))


COMPILED = {
    "eager": {"run_eagerly": True, "jit_compile": False},
    "graph": {"jit_compile": False},
    "xla": {"jit_compile": True},
}


@pytest.mark.parametrize(
    ("implementation", "config"),
    [*((kernel, PLAIN[2]) for kernel in KERNELS), ("auto", PLAIN[1]), ("auto", PLAIN[3])],
    ids=str,
)
@by_mode
def test_fit(mode: str, implementation: str, config: Config) -> None:
    given = case(config, ties)
    model = model_of(config, given.x, implementation=implementation)
    model.compile(keras.optimizers.SGD(1.0), loss, **COMPILED[mode])
    history = model.fit(given.x, given.upstream, batch_size=2, epochs=1, verbose=0)
    assert history.history["loss"] == [np.sum(given.upstream * given.values)]
    np.testing.assert_array_equal(model.get_weights()[0], -given.gradient.sum(0))


@pytest.mark.parametrize(("mode", "rank"), [("graph", 1), ("graph", 2), ("graph", 3), ("xla", 2)])
def test_fit_of_unknown_batch(mode: str, rank: int) -> None:
    """A dataset whose last batch is smaller: the steps are traced without a batch size."""
    given = case(PLAIN[rank], distinct, batch=3)
    x = given.x * 1000  # so that the first step's change leaves the order
    data = tf.data.Dataset.from_tensor_slices((x, given.upstream)).batch(2)
    assert data.element_spec[0].shape[0] is None
    model = model_of(PLAIN[rank], x)
    model.compile(keras.optimizers.SGD(1.0), loss, **COMPILED[mode])
    model.fit(data, epochs=1, shuffle=False, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], -given.gradient.sum(0))
    predicted = model.predict(data.map(lambda x, _: x), verbose=0)
    expected = reference.pool(x - given.gradient.sum(0), **PLAIN[rank].arguments).values
    assert_same(predicted, expected)


# Mixed precision


@by_rank
@by_mode
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy: str, mode: str, rank: int) -> None:
    """The layer pools what rounding leaves, new ties included; the gradient comes back in float32."""
    config, half = PLAIN[rank], policy.removeprefix("mixed_")
    to = tf.as_dtype(half).as_numpy_dtype
    x = case(config, ties).x + np.float32(1e-4) * case(config, distinct).x
    values, places = reference.pool(x.astype(to), **config.arguments)
    upstream = case(config, ties, half).upstream
    layer = getattr(keras_maxpool, f"MaxPool{rank}D")(
        **config.arguments, data_format="channels_last", dtype=policy
    )
    actual, gradient = run(with_gradient(layer), mode, x, upstream)
    assert_same(actual, values)
    assert_same(gradient, reference.gradient(x.shape, places, upstream, dtype="float32"))


@by_rank
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_fit_in_mixed_precision(policy: str, rank: int) -> None:
    given = case(PLAIN[rank], ties)
    # Keras multiplies a float16 loss by 2**15: powers of two keep that exact and small enough.
    upstream = given.upstream * np.float32(2**-8)
    model = model_of(PLAIN[rank], given.x, policy)
    model.compile(keras.optimizers.SGD(1.0), loss, jit_compile=False)
    model.fit(given.x, upstream, batch_size=2, epochs=1, verbose=0)
    assert model.layers[-1].output.dtype == policy.removeprefix("mixed_")
    np.testing.assert_array_equal(model.get_weights()[0], -given.gradient.sum(0) * 2**-8)


# In processes of their own, because these switches cannot be turned back


def check_everywhere() -> None:
    """All kernels in 2D, and the second order where XLA does not lend a gradient."""
    failures = []
    for config in (*PLAIN.values(), GAPS[2]):
        given, tangent = case(config, ties), tangent_for(config, "float32")
        for implementation in KERNELS if config is PLAIN[2] else ("auto",):
            pool = pooling(config, implementation=implementation)
            for mode in MODES if implementation == "auto" else MODES[:2]:
                values, gradient = run(with_gradient(pool), mode, given.x, given.upstream)
                expected = [
                    given.values,
                    given.gradient,
                    reference.gather(2 * tangent, given.indices),
                ]
                actual = [values, gradient, expected[2]]
                if mode != "xla":
                    both = run(second_order(pool), mode, given.x, given.upstream, tangent)
                    actual[2] = both[0]
                for what, a, e in zip(
                    ("values", "gradient", "second"), actual, expected, strict=True
                ):
                    if not np.array_equal(a, e):
                        failures.append(f"{what} {mode} {implementation} {config}")
    assert not failures, "\n".join(failures)


def with_determinism() -> None:
    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
    check_everywhere()


def without_onednn() -> None:
    check_everywhere()


def with_two_replicas() -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    assert strategy.num_replicas_in_sync == 2
    for config in PLAIN.values():
        for implementation in KERNELS if config is PLAIN[2] else ("auto",):
            check_replicas(strategy, pooling(config, implementation=implementation), config)
    # How Keras sums up over replicas depends on its version: the built-in's twin shows it.
    ours, builtin = (
        fit_replicas(strategy, package.MaxPool2D, PLAIN[2])
        for package in (keras_maxpool, keras.layers)
    )
    assert ours.any()
    assert_same(ours, builtin)


def check_replicas(strategy: tf.distribute.Strategy, pool: Function, config: Config) -> None:
    """Each of two replicas pools its half of a batch."""
    given = case(config, ties, batch=4)

    def split(array: np.ndarray) -> object:
        halves = array[:2], array[2:]
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(halves[context.replica_id_in_sync_group])
        )

    replicated = tf.function(lambda *inputs: strategy.run(with_gradient(pool), inputs))
    values, gradient = (
        np.concatenate(strategy.experimental_local_results(parts))
        for parts in replicated(split(given.x), split(given.upstream))
    )
    assert_same(values, given.values)
    assert_same(gradient, given.gradient)


def fit_replicas(strategy: tf.distribute.Strategy, layer: type, config: Config) -> np.ndarray:
    """The weight after one step."""
    given = case(config, distinct, batch=4)
    pool = layer(config.pool_size, config.strides, config.padding)
    with strategy.scope():
        model = keras.Sequential([keras.Input(given.x.shape[1:]), Offset(), pool])
        model.compile(keras.optimizers.SGD(1.0), loss, jit_compile=False)
    model.fit(given.x, given.upstream, batch_size=4, epochs=1, shuffle=False, verbose=0)
    return model.get_weights()[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "environment"),
    [
        (with_determinism, {}),
        (with_two_replicas, {}),
        # As on processors where TensorFlow has no oneDNN: graphs run other kernels there.
        (without_onednn, {"TF_ENABLE_ONEDNN_OPTS": "0"}),
    ],
    ids=lambda value: name_of(value) or "",
)
def test_in_a_process_of_its_own(function: Callable[[], None], environment: dict) -> None:
    in_child(__file__, function.__name__, **environment)


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("pool_size", [1, 2, 3])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_second_order_of_one_element_an_axis(rank: int, pool_size: int, known: bool) -> None:
    """Output and input have one shape there, in which TensorFlow's MaxPoolGradGrad overwrites its argument."""
    rng = np.random.default_rng(0)
    shape = (2, *[1] * rank, 5)
    x, upstream, further = (tf.constant(rng.normal(size=shape), tf.float32) for _ in range(3))
    spec = tf.TensorSpec(shape if known else (None, *[None] * rank, 5))

    @tf.function(input_signature=[spec, spec])
    def second(x: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as outer:
            outer.watch(upstream)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = max_pool(x, pool_size, 2, "same")
            gradient = inner.gradient(y, x, output_gradients=upstream)
        # Nothing else holds the tangent.
        return outer.gradient(gradient, upstream, output_gradients=further + 0.0)

    # Each window is its one element.
    np.testing.assert_array_equal(second(x, upstream), further)
