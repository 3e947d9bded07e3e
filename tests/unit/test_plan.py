"""The plan: a pure table, so each row is stated here as it is there, and no tensor is made."""

from itertools import product

import pytest

from keras_maxpool import arguments
from keras_maxpool.backend.tensorflow import plan
from keras_maxpool.backend.tensorflow.context import Context
from keras_maxpool.geometry.window import parse

DTYPES = arguments.DTYPES
_, *KERNELS = arguments.IMPLEMENTATIONS
MODES = ("eager", "graph", "xla")
NATIVE = ("float32", "bfloat16")


def window(rank, dilation=1, padding="valid"):
    return parse(rank, 3, 2, padding, dilation, False)


WINDOWS = [window(*of) for of in product((1, 2, 3), (1, 2), ("valid", "same", 1))]


def choose(implementation, of, dtype, mode, onednn=True):
    """The kernel for small inputs of many channels, and the one whose gradient a tape gets."""
    shape = 1, *[9] * of.rank, 64
    work = plan.Work(of, dtype, Context(mode, taped=True), shape, onednn_3d=onednn)
    chosen = plan.choose(implementation, work)
    own = chosen.gradient == plan.OWN
    return chosen.kernel, chosen.kernel if own else chosen.gradient


def has_one_operation(of, dtype):
    """TensorFlow has, unless it dilates or is 3D in a dtype that MaxPool3D lacks."""
    return not of.dilated and (of.rank < 3 or dtype in NATIVE)


def test_auto():
    """One operation where there is one; views in XLA, with every gradient; the operation on other devices."""
    for of, dtype in product(WINDOWS, DTYPES):
        operation = "direct" if has_one_operation(of, dtype) else "separable"
        for mode in ("eager", "graph"):
            kernel, gradient = choose("auto", of, dtype, mode)
            assert kernel == operation
            assert gradient in (*KERNELS, plan.GRAPH)
        short = of.rank == 1 and dtype == "float32" and not (of.dilated or of.needs_pads)
        views = "direct" if short else "shifted"
        assert choose("auto", of, dtype, "xla") == (views, "shifted")
        for mode in MODES:
            # Where nothing was measured nothing is better; only who wins a tie is still looked after.
            context = Context(mode, taped=True, on_cpu=False)
            other = plan.Work(of, dtype, context, (plan.LARGE, *[9] * of.rank, 1))
            assert plan.choose("auto", other).kernel == operation
            assert plan.choose("auto", other).gradient != plan.GRAPH


def test_a_forced_kernel_computes_the_values():
    for implementation, of, mode in product(KERNELS, WINDOWS, MODES):
        if implementation != "direct" or not of.dilated:
            kernel, gradient = choose(implementation, of, "float32", mode)
            assert kernel == implementation
            assert mode != "xla" or gradient == "shifted"


def test_whose_gradient_is_used():
    for implementations, rank, mode, onednn, gradient in [
        *((["direct"], rank, mode, False, "direct") for rank in (1, 2) for mode in MODES[:2]),
        # MaxPool3D's own gradient goes to every tied element, but for oneDNN's, which only graphs run.
        (["direct"], 3, "graph", True, "direct"),
        (["direct", "separable"], 3, "graph", False, "separable"),
        (["shifted"], 3, "graph", False, "shifted"),
        (KERNELS, 3, "eager", True, plan.GRAPH),
    ]:
        for implementation, dtype in product(implementations, NATIVE):
            _, chosen = choose(implementation, window(rank), dtype, mode, onednn)
            assert chosen == gradient, (implementation, rank, mode, onednn)


def chosen(mode, pool, shape, taped=True, implementation="auto", dtype="float32", **facts):
    """The plan for windows of a size, a step and a padding."""
    of_context = {name: facts.pop(name) for name in ("has_tangent", "repeats") if name in facts}
    of = parse(len(shape) - 2, *pool, 1, False)
    context = Context(mode, taped, **of_context)
    return plan.choose(implementation, plan.Work(of, dtype, context, shape, **facts))


def test_large_windows_and_few_channels_are_pooled_by_axis():
    for shape, pool, stride, *by_axis in [
        # In a graph, forward and with the gradient.
        *(((8, 40, 40, 256), 5, 1, False, False), ((8, 40, 40, 256), 13, 1, True, True)),
        *(((64, 224, 224, 1), 2, 2, False, True), ((64, 224, 224, 3), 2, 2, False, False)),
        ((64, 224, 224, 1), 3, 2, False, True),
        *(((2, 512, 512, 3), 5, 1, True, True), ((26, 39, 44, 57, 2), 6, 1, True, True)),
        # Windows that do not overlap read each element once; small inputs do not pay for more operations.
        *(((2, 19, 18, 21, 25), 9, 9, False, False), ((8, 8, 8, 8), 7, 1, False, False)),
        # Sizes may be unknown; one axis is pooled directly whatever its window.
        *(((None, None, None, 256), 13, 1, True, True), ((None,) * 4, 3, 2, False, False)),
        ((8, 9999, 3), 99, 1, False, False),
    ]:
        for taped, wanted in zip((False, True), by_axis, strict=True):
            found = chosen("graph", (pool, stride, "same"), shape, taped, onednn_3d=True)
            assert found.kernel == ("separable" if wanted else "direct"), (shape, pool, taped)
    # Eager operations take longer to start.
    for mode, kernel in (("graph", "separable"), ("eager", "direct")):
        assert chosen(mode, (5, 1, "same"), (1, 10, 10, 10, 64), False).kernel == kernel


def test_xla_scatters():
    """In its own operations, where windows of float32 do not overlap and few channels are adjacent."""
    for pool, stride, padding, channels, taped, kernel in [
        *((2, 2, "valid", 12, False, "direct"), (2, 2, "same", 12, False, "direct")),
        *((3, 3, "valid", 15, True, "direct"), (3, 3, "valid", 16, True, "shifted")),
        *((4, 4, "same", 3, False, "direct"), (4, 4, "same", 3, True, "direct")),
        *((4, 3, "valid", 3, True, "shifted"), (4, 4, 1, 3, True, "shifted")),
        *((6, 6, "same", 60, False, "direct"), (6, 6, "valid", 60, False, "shifted")),
    ]:
        found = chosen("xla", (pool, stride, padding), (8, 32, 32, channels), taped)
        own = kernel == "shifted" or (pool >= plan.LONG and taped)
        gradient = plan.OWN if own else "shifted"
        assert (found.kernel, found.gradient) == (kernel, gradient), (pool, channels, taped)
    image = 8, 32, 32, 3
    for shape, options, kernel in [
        ((8, 9, 9, 9, 3), {}, "separable"),
        *((image, {"has_tangent": True}, "shifted"), (image, {"dtype": "float64"}, "shifted")),
    ]:
        assert chosen("xla", (4, 4, "same"), shape, **options)[1:3] == (kernel, plan.OWN)


@pytest.mark.parametrize("implementation", ["auto", *KERNELS])
def test_eager_gradients_in_a_graph(implementation):
    """Of large inputs, in 3D, and where the output may have the input's shape; not of series of few channels."""
    small, large, usual, same = (1, 9, 9, 64), (64, 64, 64, 1), (3, 2, "valid"), (3, 1, "same")
    for pool, shape, in_graph in [
        *((usual, small, False), (usual, large, True), (usual, (63, *large[1:]), False)),
        *((usual, (1, 9, 9, 9, 2), True), (same, small, True), ((1, 2, "valid"), large, False)),
        *((same, (64, 4096, 2), False), ((3, 3, "same"), (64, 4096, 2), True)),
        (same, (64, 4096, 3), True),
    ]:
        for mode, has_tangent in (("eager", False), ("graph", False), ("eager", True)):
            facts = {"implementation": implementation, "has_tangent": has_tangent}
            found = chosen(mode, pool, shape, **facts).gradient == plan.GRAPH
            assert found is (in_graph and mode == "eager" and not has_tangent), (pool, shape, mode)


def test_gradients_of_16_bits_are_summed_in_32():
    widened = {("float16", "eager"), ("float16", "graph"), ("bfloat16", "xla")}
    for dtype, mode in product(("float16", "bfloat16", "float32", "float64"), MODES):
        found = chosen(mode, (3, 2, "valid"), (1, 9, 9, 64), dtype=dtype)
        assert found.widened is ((dtype, mode) in widened)


def test_without_a_gradient_none_is_needed():
    """And oneDNN is not claimed by default."""
    for dtype, mode, taped, gradient in [
        *(("int32", "graph", True, plan.OWN), ("uint8", "xla", True, plan.OWN)),
        *(("float16", "eager", False, plan.OWN), ("float32", "graph", False, "separable")),
    ]:
        found = chosen(mode, (3, 2, "valid"), (plan.LARGE, 9, 9, 9, 64), taped, dtype=dtype)
        assert (found.gradient, found.widened) == (gradient, False)


def test_layouts_of_channels_first():
    for padding, mode, taped, batch, layout in [
        *(("valid", "eager", False, 1, plan.AS_IS), ("same", "eager", False, 1, plan.AS_IS)),
        # A small input's gradient is taken eagerly, where channels first has none.
        *(("same", "eager", True, 1, None), ("same", "eager", True, plan.LARGE, plan.AS_IS)),
        *(("same", "graph", taped, None, plan.AS_IS) for taped in (False, True)),
        *((1, "eager", False, 1, None), ("same", "xla", False, 1, None)),
    ]:
        moved = plan.CHANNELS_AS_SAMPLES if mode == "xla" else plan.TRANSPOSED
        for implementation, data_format, native, wanted in [
            ("auto", "channels_first", True, layout or moved),
            *((name, "channels_first", name != "auto", moved) for name in ("auto", "separable")),
            ("auto", "channels_last", False, plan.AS_IS),
        ]:
            facts = {"data_format": data_format, "native_channels_first": native}
            of = (3, 2, padding), (batch, 9, 9, 64), taped, implementation
            assert chosen(mode, *of, **facts).layout == wanted, (mode, *of, facts)
    # Few channels in volumes, or under large windows, are transposed.
    facts = {"data_format": "channels_first", "native_channels_first": True, "onednn_3d": True}
    for (rank, pool, slow), channels in product([(2, 3, 0), (2, 4, 1), (3, 2, 1)], (15, 16, None)):
        shape = (1, *[99] * rank, channels)
        found = chosen("graph", (pool, None, "valid"), shape, implementation="direct", **facts)
        assert (found.layout == plan.TRANSPOSED) is bool(slow and channels == 15), shape


def test_the_gradient_is_not_that_of_repeated_elements():
    for padding, repeats in product(("valid", "same", 1), (True, False)):
        found = chosen("graph", (3, 2, padding), (1, 9, 9, 64), False, repeats=repeats)
        assert found.gradient == ("direct" if repeats and padding == 1 else plan.OWN)


def test_direct_refuses():
    """Dilation, and most dtypes in 3D; a dtype that is not known yet may fit. The others can do everything."""
    by_check = plan.check, lambda *of: choose(*of, "graph")
    for check, rank in product(by_check, (1, 2, 3)):
        with pytest.raises(
            ValueError, match=r"cannot dilate; received dilation_rate=\(2,.*Write impl"
        ):
            check("direct", window(rank, 2), "float32")
    for dtype in DTYPES:
        for implementation, of in product(("auto", "separable", "shifted"), WINDOWS):
            plan.check(implementation, of, dtype)
        for rank in (1, 2, *[3] * (dtype in NATIVE)):
            plan.check("direct", window(rank), dtype)
    for check, dtype in product(by_check, set(DTYPES) - set(NATIVE)):
        message = f"takes float32 and bfloat16 in 3D; received inputs of dtype {dtype}. Write "
        with pytest.raises(TypeError, match=message):
            check("direct", window(3), dtype)
    plan.check("direct", window(3))
