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


def work(of, dtype, mode, taped=False, **facts):
    """As `plan.Work`, with the context's mode and tape spelled out."""
    return plan.Work(of, dtype, Context(mode, taped), **facts)


def choose(implementation, of, dtype, mode, onednn=True):
    """The kernel, and the one whose gradient a tape gets."""
    chosen = plan.choose(implementation, work(of, dtype, mode, True, channels=64, onednn_3d=onednn))
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
            assert gradient in KERNELS
        assert choose("auto", of, dtype, "xla") == ("shifted", "shifted")
        for mode in MODES:
            # Where nothing was measured nothing is better; only who wins a tie is still looked after.
            other = plan.Work(of, dtype, Context(mode, taped=True, on_cpu=False), 1, plan.LARGE)
            assert plan.choose("auto", other).kernel == operation
            assert plan.choose("auto", other).gradient != plan.GRAPH


def test_a_forced_kernel_computes_the_values():
    for implementation, of, mode in product(KERNELS, WINDOWS, MODES):
        if implementation != "direct" or not of.dilated:
            kernel, gradient = choose(implementation, of, "float32", mode)
            assert kernel == implementation
            assert mode != "xla" or gradient == "shifted"


@pytest.mark.parametrize(
    ("implementation", "rank", "mode", "onednn", "gradient"),
    [
        *(
            ("direct", rank, mode, False, "direct")
            for rank in (1, 2)
            for mode in ("eager", "graph")
        ),
        # MaxPool3D's own gradient goes to every tied element, but for oneDNN's.
        *(("direct", 3, "eager", onednn, "separable") for onednn in (True, False)),
        *(("direct", 3, "graph", True, "direct"), ("direct", 3, "graph", False, "separable")),
        *((own, 3, "eager", True, own) for own in ("separable", "shifted")),
        *((own, 3, "graph", False, own) for own in ("separable", "shifted")),
    ],
)
def test_whose_gradient_is_used(implementation, rank, mode, onednn, gradient):
    for dtype in NATIVE:
        _, chosen = choose(implementation, window(rank), dtype, mode, onednn)
        assert chosen == gradient


@pytest.mark.parametrize(
    ("pool", "stride", "channels", "mode", "taped", "kernel"),
    [
        *((9, 1, 64, "graph", False, "separable"), (9, 1, None, "eager", True, "separable")),
        *((8, 1, 64, "graph", True, "direct"), ((8, 10), 1, 64, "graph", True, "direct")),
        *((10, 1, 64, "graph", True, "separable"), (63, 1, 3, "xla", True, "shifted")),
        *((6, 1, 16, "eager", False, "direct"), (6, 1, 15, "eager", False, "separable")),
        *((5, 1, 3, "graph", False, "separable"), (4, 1, 3, "graph", False, "direct")),
        ((4, 6), 1, 3, "graph", False, "direct"),
        # The gradient gains earlier than the values, the fewer channels the earlier.
        *((3, 1, 3, "graph", True, "separable"), (2, 1, 3, "graph", True, "direct")),
        *((7, 1, 15, "graph", True, "separable"), (6, 1, 15, "graph", True, "direct")),
        *((2, 1, 1, "graph", True, "separable"), (2, 1, 1, "eager", True, "direct")),
        # Longer strides read each element less often.
        *((9, 2, 3, "eager", False, "direct"), (10, 2, 3, "eager", False, "separable")),
        # One axis is pooled directly whatever its window.
        ((99,), 1, 3, "graph", False, "direct"),
    ],
)
def test_large_windows_and_few_channels_are_pooled_by_axis(
    pool, stride, channels, mode, taped, kernel
):
    rank = len(pool) if isinstance(pool, tuple) else 2
    of = parse(rank, pool, stride, "same", 1, False)
    few = work(of, "float32", mode, taped, channels=channels)
    assert plan.choose("auto", few).kernel == kernel


@pytest.mark.parametrize("implementation", ["auto", *KERNELS])
def test_large_inputs_have_a_graphs_gradient_in_eager_mode(implementation):
    for elements, in_graph in ((2**17 - 1, False), (2**17, True), (2**18, True), (None, False)):
        facts = {"channels": 64, "elements": elements}
        eager, graph = (
            plan.choose(implementation, work(window(2), "float32", mode, True, **facts))
            for mode in ("eager", "graph")
        )
        assert (eager.gradient == plan.GRAPH) is in_graph
        assert graph.gradient != plan.GRAPH


def test_gradients_of_16_bits_are_summed_in_32():
    widened = {("float16", "eager"), ("float16", "graph"), ("bfloat16", "xla")}
    for dtype, mode in product(("float16", "bfloat16", "float32", "float64"), MODES):
        chosen = plan.choose("auto", work(window(2), dtype, mode, True))
        assert chosen.widened is ((dtype, mode) in widened)


@pytest.mark.parametrize(
    ("padding", "mode", "taped", "elements", "layout"),
    [
        ("valid", "eager", False, 1, plan.AS_IS),
        ("same", "eager", False, 1, plan.AS_IS),
        # A small input's gradient is taken eagerly, where channels first has none.
        ("same", "eager", True, 1, plan.TRANSPOSED),
        ("same", "eager", True, plan.LARGE, plan.AS_IS),
        ("same", "graph", False, None, plan.AS_IS),
        ("same", "graph", True, None, plan.AS_IS),
        (1, "eager", False, 1, plan.TRANSPOSED),
        ("same", "xla", False, 1, plan.CHANNELS_AS_SAMPLES),
    ],
)
def test_layouts_of_channels_first(padding, mode, taped, elements, layout):
    facts = {"channels": 64, "elements": elements, "data_format": "channels_first"}
    of = window(2, padding=padding)
    first = work(of, "float32", mode, taped, **facts, native_channels_first=True)
    moved = plan.CHANNELS_AS_SAMPLES if mode == "xla" else plan.TRANSPOSED
    assert plan.choose("auto", first).layout == layout
    assert plan.choose("separable", first).layout == moved
    assert plan.choose("auto", first._replace(native_channels_first=False)).layout == moved
    last = first._replace(data_format="channels_last", native_channels_first=False)
    assert plan.choose("auto", last).layout == plan.AS_IS


def test_nothing_is_claimed_by_default_or_needed_without_a_gradient():
    """Neither a tape, nor oneDNN."""
    few = work(parse(2, 3, 1, "same", 1, False), "float32", "graph", channels=3)
    assert plan.choose("auto", few).kernel == "direct"
    assert plan.choose("auto", work(window(3), "float32", "graph")).gradient == "separable"
    for row in [("int32", "graph", True), ("uint8", "xla", True), ("float16", "eager", False)]:
        chosen = plan.choose("auto", work(window(3), *row, elements=plan.LARGE))
        assert (chosen.gradient, chosen.widened) == (plan.OWN, False)


def test_the_gradient_is_not_that_of_repeated_elements():
    for padding, gradient in (("valid", plan.OWN), ("same", plan.OWN), (1, "direct")):
        for repeats in (True, False):
            context = Context("graph", repeats=repeats)
            of = plan.Work(window(2, padding=padding), "float32", context, channels=64)
            assert plan.choose("auto", of).gradient == (gradient if repeats else plan.OWN)


def test_direct_refuses():
    """Dilation, and most dtypes in 3D; a dtype that is not known yet may fit. The others can do everything."""
    dilation = r"`implementation` \"direct\" cannot dilate; received dilation_rate=\(2,.*Write impl"
    for rank in (1, 2, 3):
        of = window(rank, 2)
        for check in (plan.check, lambda *of: choose(*of, "float32", "graph")):
            with pytest.raises(ValueError, match=dilation):
                check("direct", of)
    for dtype in DTYPES:
        plan.check("direct", window(1), dtype)
        plan.check("direct", window(2), dtype)
        for implementation, of in product(("auto", "separable", "shifted"), WINDOWS):
            plan.check(implementation, of, dtype)
        if dtype not in NATIVE:
            message = f"takes float32 and bfloat16 in 3D; received inputs of dtype {dtype}. Write "
            for check in (plan.check, lambda *of: choose(*of, "graph")):
                with pytest.raises(TypeError, match=message):
                    check("direct", window(3), dtype)
    plan.check("direct", window(3))
