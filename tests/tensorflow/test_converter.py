"""What is traced by a converter, here a stand-in of its name, holds what its runtime has, or is refused."""

from contextlib import nullcontext
from functools import partial
from types import SimpleNamespace

import pytest
import tensorflow as tf
from export.export_cases import of_dtype
from harness.assertions import assert_all_same

from keras_maxpool import ops
from keras_maxpool.backend.tensorflow import converter

by_runtime = pytest.mark.parametrize("runtime", ["LiteRT", "ONNX", "OpenVINO"])


def traced(runtime, function, spec, **settings):
    """The function in a graph that a method of a converter to the runtime, of these settings, has traced."""
    name = "tensorflow.lite.python.lite" if settings else f"keras.src.export.{runtime.lower()}"
    module = {"__name__": name}
    exec("def trace(self, function, spec): return function.get_concrete_function(spec)", module)
    exporter = SimpleNamespace(**settings) if settings else None
    return module["trace"](exporter, tf.function(function, autograph=False), spec)


def refused(error, match, runtime, *of_function, **how):
    """The error of a conversion. LiteRT's converter drops it, so that there it is a warning, too."""
    warned = pytest.warns(UserWarning, match=match) if runtime == "LiteRT" else nullcontext()
    with warned, pytest.raises(error, match=match) as info:
        traced(runtime, *of_function, **how)
    return str(info.value)


def operations(graph):
    return {op.type for op in graph.graph.get_operations()}


def spec(rank=2, dtype="float32", size=6):
    return tf.TensorSpec([None, *[size] * rank, 3], dtype)


pool = partial(ops.max_pool, pool_size=2)
pool_with_indices = partial(pool, return_indices=True)


def test_operations_where_nobody_converts():
    found = []
    graph = tf.function(lambda x: found.append(converter.target()) or pool(x), autograph=False)
    assert "MaxPool3D" in operations(graph.get_concrete_function(spec(3)))
    assert found == [(None, None)]


@by_runtime
def test_operations(runtime):
    assert "MaxPool" in operations(traced(runtime, pool, spec()))
    assert ("MaxPool3D" in operations(traced(runtime, pool, spec(3)))) == (runtime != "LiteRT")
    indices = operations(traced(runtime, pool_with_indices, spec()))
    assert ("MaxPoolWithArgmax" in indices) == (runtime == "ONNX")
    integers = operations(traced(runtime, pool_with_indices, spec(dtype="int8")))
    assert not {"MaxPool", "MaxPoolWithArgmax", "Greater"} & integers


@pytest.mark.parametrize(
    ("runtime", "dtype"),
    [
        *(("LiteRT", "int16"), ("ONNX", "int8"), ("OpenVINO", "uint8")),
        *(("LiteRT", "float32"), ("ONNX", "float16"), ("OpenVINO", "float16")),
    ],
)
def test_equal_values(runtime, dtype):
    """A dtype that travels inside a wider one: windows of padding alone too hold its own smallest number."""
    ends, (model, [x]) = tf.as_dtype(dtype), of_dtype(dtype, False)
    x[0, :2, :2], x[1, :2, :2] = ends.min, ends.max
    got = traced(runtime, model, spec(dtype=dtype, size=None))(tf.constant(x))
    assert_all_same(got, *model(x))
    if not ends.is_floating:  # of which padding has no element to repeat
        alone = lambda x: ops.max_pool(x[:, :0], 2, padding=1)  # noqa: E731
        assert (
            (traced(runtime, alone, spec(dtype=dtype))(tf.constant(x[:, :6])) == ends.min)
            .numpy()
            .all()
        )


@pytest.mark.parametrize(
    ("runtime", "dtype"),
    [("LiteRT", "float16"), ("LiteRT", "int64"), ("ONNX", "uint32"), ("OpenVINO", "int32")],
)
@pytest.mark.parametrize(
    "operation", [pool, ops.global_max_pool, lambda x: ops.adaptive_max_pool(x, 2)]
)
def test_refused(runtime, dtype, operation):
    start = f"^{runtime} cannot pool inputs of dtype {dtype}; it takes "
    message = refused(TypeError, start, runtime, operation, spec(dtype=dtype))
    assert message.endswith('. Give the layer dtype="float32", or cast before and after it.')
    assert dtype not in message.split("it takes ")[1].split(".")[0].split(", ")


@by_runtime
@pytest.mark.parametrize("implementation", ["direct", "separable", "shifted"])
def test_forced_kernels(runtime, implementation):
    pooled = partial(ops.max_pool, pool_size=2, implementation=implementation)
    traced(runtime, pooled, spec())
    if (runtime, implementation) == ("LiteRT", "direct"):
        missing = r'in LiteRT, which has no .* Write implementation="aut'
        refused(ValueError, missing, runtime, pooled, spec(3))
    else:
        traced(runtime, pooled, spec(3))
    if implementation == "shifted":
        traced(runtime, pooled, spec(dtype="int16"))
    else:
        whole = f"no integers in {runtime}; received .* int32"
        refused(TypeError, whole, runtime, pooled, spec(dtype="int16"))


@pytest.mark.parametrize("pseudo_random", [True, False])
@by_runtime
def test_fractional_regions(runtime, pseudo_random):
    pooled = partial(ops.fractional_max_pool, pooling_ratio=1.5, pseudo_random=pseudo_random)
    traced(runtime, pooled, spec())
    if runtime == "ONNX" and pseudo_random:
        traced(runtime, pooled, spec(size=None))
    else:
        why = rf"{runtime} has .* \(None, None\). Pass the sizes"
        refused(ValueError, why, runtime, pooled, spec(size=None))


INT16 = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
DATA = {"optimizations": ["DEFAULT"], "representative_dataset": iter}
WIDE = DATA | {"target_spec": SimpleNamespace(supported_ops=[INT16])}


@pytest.mark.parametrize(
    ("bits", "settings"),
    [
        (None, {"optimizations": ["DEFAULT"]}),
        (None, {"representative_dataset": iter}),
        (8, DATA),
        (8, DATA | {"target_spec": SimpleNamespace(supported_ops=[])}),
        (16, WIDE),
        (None, {"kwargs": {"optimizations": ["DEFAULT"]}}),  # as Keras's own exporter holds them
        (8, {"kwargs": DATA}),
        (16, {"kwargs": DATA | {"target_spec": {"supported_ops": [INT16]}}}),
    ],
)
def test_quantization_is_known(bits, settings):
    found = []
    traced("LiteRT", lambda x: found.append(converter.target()[1]) or x, spec(), **settings)
    assert found == [bits]


def test_what_is_not_quantised():
    """Gaps without elements to repeat; indices that are computed with in 16 bits."""
    gaps = partial(ops.max_pool, pool_size=2, strides=1, padding=4, dilation_rate=4)
    traced("LiteRT", gaps, spec(), **DATA)
    for unfit in (spec(size=3), spec(size=None)):
        traced("LiteRT", gaps, unfit, optimizations=["DEFAULT"])
        why = r"received dilation_rate=\(4, 4\) for spatial sizes"
        refused(ValueError, why, "LiteRT", gaps, unfit, **DATA)
    traced("LiteRT", pool_with_indices, spec(), **WIDE)
    for function in (
        lambda x: ops.max_unpool(*pool_with_indices(x), 2),
        lambda x: ops.global_max_pool(x, return_indices=True)[1],
    ):
        traced("LiteRT", function, spec(), **DATA)
        why = "`return_indices` does not go through 16-bit"
        refused(ValueError, why, "LiteRT", function, spec(), **WIDE)
