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


def work(of, dtype, mode, taped=False, shape=None, **facts):
    """As `plan.Work`, with the context's mode and tape spelled out, and small inputs of many channels."""
    shape = shape or (1, *[9] * of.rank, 64)
    return plan.Work(of, dtype, Context(mode, taped), shape, **facts)


def choose(implementation, of, dtype, mode, onednn=True):
    """The kernel, and the one whose gradient a tape gets."""
    chosen = plan.choose(implementation, work(of, dtype, mode, True, onednn_3d=onednn))
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


IMAGES, SPP = (64, 224, 224), (8, 40, 40, 256)


def test_large_windows_and_few_channels_are_pooled_by_axis():
    for shape, pool, stride, forward, gradient in [
        # Whether pooling by axis takes less time in a graph, as it was measured: forward, and with the gradient.
        *((SPP, pool, 1, False, False) for pool in (3, 5)),
        (SPP, 13, 1, True, True),
        *(((2, 512, 512, 3), 5, 1, True, True), ((2, 512, 512, 3), 31, 1, True, True)),
        *(((*IMAGES, 1), 2, 2, False, True), ((*IMAGES, 3), 2, 2, False, False)),
        ((26, 39, 44, 57, 2), 6, 1, True, True),
        ((8, 28, 28, 256), 2, 2, False, False),
        # Windows that do not overlap read each element once; small inputs do not pay for more operations.
        *(((2, 19, 18, 21, 25), 9, 9, False, False), ((8, 8, 8, 8), 7, 1, False, False)),
        # Sizes may be unknown.
        *(((None, None, None, 256), 13, 1, True, True), ((None,) * 4, 3, 2, False, False)),
        # One axis is pooled directly whatever its window.
        ((8, 9999, 3), 99, 1, False, False),
    ]:
        of = parse(len(shape) - 2, pool, stride, "same", 1, False)
        for taped, by_axis in ((False, forward), (True, gradient)):
            chosen = plan.choose("auto", work(of, "float32", "graph", taped, shape, onednn_3d=True))
            assert chosen.kernel == ("separable" if by_axis else "direct"), (shape, pool, taped)


def test_eager_operations_take_longer_to_start():
    of, shape = parse(3, 5, 1, "same", 1, False), (1, 10, 10, 10, 64)
    kernels = [
        plan.choose("auto", work(of, "float32", mode, False, shape)).kernel
        for mode in ("graph", "eager")
    ]
    assert kernels == ["separable", "direct"]


def test_xla_scatters():
    for pool, stride, padding, channels, taped, kernel, gradient in [
        # XLA's own operations, where windows do not overlap and few channels are adjacent.
        (2, 2, "valid", 12, False, "direct", "shifted"),
        (2, 2, "same", 12, False, "direct", "shifted"),
        (3, 3, "valid", 15, True, "direct", "shifted"),
        (3, 3, "valid", 16, True, "shifted", plan.OWN),
        (4, 4, "same", 3, False, "direct", "shifted"),
        (4, 4, "same", 3, True, "direct", plan.OWN),
        (4, 3, "valid", 3, True, "shifted", plan.OWN),
        (4, 4, 1, 3, True, "shifted", plan.OWN),
        (6, 6, "same", 60, False, "direct", "shifted"),
        (6, 6, "valid", 60, False, "shifted", plan.OWN),
    ]:
        of = parse(2, pool, stride, padding, 1, False)
        chosen = plan.choose("auto", work(of, "float32", "xla", taped, (8, 32, 32, channels)))
        assert (chosen.kernel, chosen.gradient) == (kernel, gradient), (of, channels, taped)


def test_xla_scatters_axis_by_axis_in_3d_and_for_nothing_else_than_gradients_of_float32():
    flat, cube = (parse(rank, 4, 4, "same", 1, False) for rank in (2, 3))
    scattered = work(flat, "float32", "xla", True, (8, 32, 32, 3))
    tangent = scattered._replace(context=Context("xla", True, has_tangent=True))
    for of, kernel in (
        (scattered, "direct"),
        (work(cube, "float32", "xla", True, (8, 9, 9, 9, 3)), "separable"),
        (tangent, "shifted"),
        (scattered._replace(dtype="float64"), "shifted"),
    ):
        assert plan.choose("auto", of)[1:3] == (kernel, plan.OWN)


@pytest.mark.parametrize("implementation", ["auto", *KERNELS])
def test_eager_gradients_in_a_graph(implementation):
    """Of large inputs, in 3D, and where the output may have the input's shape; not of series of few channels."""
    small, large, same = (1, 9, 9, 64), (64, 64, 64, 1), parse(2, 3, 1, "same", 1, False)
    overlapping, apart = (parse(1, 3, stride, "same", 1, False) for stride in (1, 3))
    for of, shape, in_graph in (
        (window(2), small, False),
        (window(2), large, True),
        (window(2), (63, *large[1:]), False),
        (window(3), (1, 9, 9, 9, 2), True),
        (same, small, True),
        (parse(2, 1, 2, "valid", 1, False), large, False),
        (overlapping, (64, 4096, 2), False),
        (apart, (64, 4096, 2), True),
        (overlapping, (64, 4096, 3), True),
    ):
        eager, graph = (
            plan.choose(implementation, work(of, "float32", mode, True, shape))
            for mode in ("eager", "graph")
        )
        assert (eager.gradient == plan.GRAPH) is in_graph
        assert graph.gradient != plan.GRAPH
        tangent = work(of, "float32", "eager", True, shape)
        tangent = tangent._replace(context=Context("eager", True, has_tangent=True))
        assert plan.choose(implementation, tangent).gradient != plan.GRAPH


def test_gradients_of_16_bits_are_summed_in_32():
    widened = {("float16", "eager"), ("float16", "graph"), ("bfloat16", "xla")}
    for dtype, mode in product(("float16", "bfloat16", "float32", "float64"), MODES):
        chosen = plan.choose("auto", work(window(2), dtype, mode, True))
        assert chosen.widened is ((dtype, mode) in widened)


def test_layouts_of_channels_first():
    for padding, mode, taped, batch, layout in [
        ("valid", "eager", False, 1, plan.AS_IS),
        ("same", "eager", False, 1, plan.AS_IS),
        # A small input's gradient is taken eagerly, where channels first has none.
        ("same", "eager", True, 1, plan.TRANSPOSED),
        ("same", "eager", True, plan.LARGE, plan.AS_IS),
        ("same", "graph", False, None, plan.AS_IS),
        ("same", "graph", True, None, plan.AS_IS),
        (1, "eager", False, 1, plan.TRANSPOSED),
        ("same", "xla", False, 1, plan.CHANNELS_AS_SAMPLES),
    ]:
        facts = {"shape": (batch, 9, 9, 64), "data_format": "channels_first"}
        of = window(2, padding=padding)
        first = work(of, "float32", mode, taped, **facts, native_channels_first=True)
        moved = plan.CHANNELS_AS_SAMPLES if mode == "xla" else plan.TRANSPOSED
        assert plan.choose("auto", first).layout == layout, first
        assert plan.choose("separable", first).layout == moved
        assert plan.choose("auto", first._replace(native_channels_first=False)).layout == moved
        last = first._replace(data_format="channels_last", native_channels_first=False)
        assert plan.choose("auto", last).layout == plan.AS_IS


@pytest.mark.parametrize("channels", [15, 16, None])
@pytest.mark.parametrize(("rank", "pool", "read_slowly"), [(2, 3, 0), (2, 4, 1), (3, 2, 1)])
def test_few_large_planes_are_transposed(rank, pool, read_slowly, channels):
    shape = (1, *[99] * rank, channels)
    facts = {"data_format": "channels_first", "native_channels_first": True, "onednn_3d": True}
    of = parse(rank, pool, None, "valid", 1, False)
    chosen = plan.choose("direct", work(of, "float32", "graph", True, shape, **facts))
    assert (chosen.layout == plan.TRANSPOSED) is bool(read_slowly and channels == 15)


def test_nothing_is_claimed_by_default_or_needed_without_a_gradient():
    """Neither a tape, nor oneDNN."""
    few = work(parse(2, 3, 2, "same", 1, False), "float32", "graph", shape=(64, 224, 224, 1))
    assert plan.choose("auto", few).kernel == "direct"
    assert plan.choose("auto", work(window(3), "float32", "graph")).gradient == "separable"
    for row in [("int32", "graph", True), ("uint8", "xla", True), ("float16", "eager", False)]:
        chosen = plan.choose("auto", work(window(3), *row, shape=(plan.LARGE, 9, 9, 9, 1)))
        assert (chosen.gradient, chosen.widened) == (plan.OWN, False)


def test_the_gradient_is_not_that_of_repeated_elements():
    for padding, gradient in (("valid", plan.OWN), ("same", plan.OWN), (1, "direct")):
        for repeats in (True, False):
            context = Context("graph", repeats=repeats)
            of = plan.Work(window(2, padding=padding), "float32", context, (1, 9, 9, 64))
            assert plan.choose("auto", of).gradient == (gradient if repeats else plan.OWN)


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
