"""What JAX alone has: its exports, its data parallelism, and 32 bits where 64 are not enabled."""

import jax
import numpy as np
import pytest
from harness.assertions import assert_same
from harness.cases import CHOSEN, Config, case
from harness.keras_version import keras
from harness.processes import in_child

import keras_maxpool
from keras_maxpool import ops


@pytest.mark.parametrize(
    ("shape", "pool", "strides"),
    [((2, 11, 10, 8), 3, 3), ((2, 512, 512, 16), 4, 3), ((2, 512, 512, 16), 9, 1)],
)
def test_padded_without_a_copy(shape: tuple[int, ...], pool: int, strides: int) -> None:
    """By XLA's own operation, with many channels, and in large tensors."""
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    pooling = lambda x: ops.max_pool(x, pool, strides, "same")  # noqa: E731
    assert "reduce_window" in str(jax.make_jaxpr(pooling)(x))
    assert_same(pooling(x), keras.ops.max_pool(x, pool, strides, "same"))


def test_fractional_pooling_of_unknown_sizes_is_refused() -> None:
    (rows,) = jax.export.symbolic_shape("rows")
    x = jax.ShapeDtypeStruct((2, rows, 8, 3), "float32")
    pool = jax.jit(lambda x: ops.fractional_max_pool(x, 1.5, seed=0))
    with pytest.raises(ValueError, match=r"spatial sizes that are known.*\(2, rows, 8"):
        jax.export.export(pool)(x)


def test_an_export_of_what_a_pooling_left() -> None:
    """Of whose sizes JAX cannot tell that none is 0 and no product is negative."""
    x = case(Config((9, 11), 2)).x
    rows, columns = jax.export.symbolic_shape("rows, columns")

    def function(x: jax.Array) -> tuple:
        left, pull = jax.vjp(lambda x: ops.max_pool(ops.max_pool(x, 2), 2), x)
        zero = left.astype(int) * 0
        pooled = ops.adaptive_max_pool(left, 2), ops.global_max_pool(left, return_indices=True)
        return *pooled[0], *pooled[1], ops.max_unpool(left, zero, 2), pull(left)[0]

    spec = jax.ShapeDtypeStruct((2, rows, columns, 3), x.dtype)
    exported = jax.export.export(jax.jit(function))(spec)
    for found, wanted in zip(exported.call(x), function(x), strict=True):
        assert_same(found, wanted)


def test_an_export_of_unknown_channels_and_with_a_mask() -> None:
    """The mask is an input of its own, whose sizes JAX does not know to be the same."""
    symbols = jax.export.symbolic_shape("a, b, c, d, e, f")
    x = case(Config((7, 9), 2)).x
    layers = [keras_maxpool.MaxPool2D(3, 2, "same"), keras_maxpool.GlobalMaxPool2D()]
    function = jax.jit(lambda x, mask: [layer(x, mask=mask) for layer in layers])
    for shape, of_mask in (((2, 7, 9, symbols[0]), (2, 7, 9)), ((*symbols[:3], 3), symbols[3:])):
        specs = jax.ShapeDtypeStruct(shape, x.dtype), jax.ShapeDtypeStruct(of_mask, bool)
        exported = jax.export.export(function)(*specs)
        for found, wanted in zip(
            exported.call(x, x[..., 0] > 0), function(x, x[..., 0] > 0), strict=True
        ):
            assert_same(found, wanted)


def test_a_mapped_gradient_of_nothing() -> None:
    gradient = jax.vmap(jax.grad(lambda x: ops.max_pool(x, 2).sum()))
    assert gradient(np.zeros((0, 2, 4, 4, 3), "float32")).shape == (0, 2, 4, 4, 3)


def test_indices_have_32_bits() -> None:
    config = CHOSEN[10]
    given = case(config)
    with jax.enable_x64(False):
        values, indices = ops.max_pool(given.x, **config.arguments, return_indices=True)
        assert (values.dtype, indices.dtype) == ("float32", "int32")
        np.testing.assert_array_equal(indices, given.indices)
        _, symbolic = keras_maxpool.MaxPool2D(return_indices=True)(keras.Input((4, 4, 1)))
        assert symbolic.dtype == "int32"
        for pool in (ops.global_max_pool, lambda x, **o: ops.adaptive_max_pool(x, 2, **o)):
            assert pool(given.x, return_indices=True)[1].dtype == "int32"
    _, indices = ops.max_pool(given.x, **config.arguments, return_indices=True)
    assert indices.dtype == "int64"


def test_a_volume_that_32_bits_do_not_count() -> None:
    with jax.enable_x64(False):
        inputs = keras.Input((2**16, 2**15, 1))
        with pytest.raises(ValueError, match=r"fewer than 2\*\*31 .* JAX_ENABLE_X64=1"):
            ops.max_pool(inputs, return_indices=True)


@pytest.mark.parametrize("function", ["train_on_eight_devices", "pool_over_a_mesh"])
def test_data_parallel(function: str) -> None:
    """Over eight virtual devices, as `keras.distribution` places a batch, and as JAX's own meshes do."""
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    assert in_child(__file__, function, **flags).split() == ["8", "equal"]


def pool_over_a_mesh() -> None:
    """In `shard_map`, and of arrays whose type tells how they are sharded."""
    print(len(jax.devices()))
    x = np.random.default_rng(0).integers(0, 3, (8, 6, 6, 4)).astype("float32")
    spec = jax.sharding.PartitionSpec("data")
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    explicit = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Explicit,))
    sharded = jax.device_put(x, jax.sharding.NamedSharding(explicit, spec))
    for pool in (
        *(lambda x: ops.max_pool(x, 2), lambda x: ops.max_pool(x, 3, 2, "same")),
        *(lambda x: ops.max_pool(x, 2, mask=x[..., 0] > 0), lambda x: ops.adaptive_max_pool(x, 4)),
        lambda x: ops.max_unpool(*ops.max_pool(x, 2, return_indices=True), 2),
    ):
        gradient = jax.grad(lambda x, pool=pool: jax.numpy.square(pool(x)).sum())
        over_mesh = jax.shard_map(gradient, mesh=mesh, in_specs=spec, out_specs=spec)
        for function, given in ((over_mesh, x), (gradient, sharded), (pool, sharded)):
            wanted = (pool if function is pool else gradient)(x)
            np.testing.assert_array_equal(jax.jit(function)(given), wanted)
    print("equal")


def train_on_eight_devices() -> None:
    losses = []
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(16, 8, 8, 2)).astype("float32"), rng.integers(0, 3, 16)
    print(len(jax.devices()))
    for distribution in (None, keras.distribution.DataParallel()):
        keras.distribution.set_distribution(distribution)
        keras.utils.set_random_seed(0)
        layers = [keras_maxpool.MaxPool2D(3, 2, "same"), keras.layers.Flatten()]
        model = keras.Sequential([*layers, keras.layers.Dense(3)])
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        history = model.fit(x, y, batch_size=16, epochs=2, shuffle=False, verbose=0).history
        losses.append(history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-5)
    print("equal")
