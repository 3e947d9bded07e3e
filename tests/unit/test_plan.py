"""The plan: a pure table, so each row is stated here as it is there, and no tensor is made."""

from __future__ import annotations

import itertools

import pytest

from keras_maxpool import arguments
from keras_maxpool.backend.tensorflow import kernels, plan
from keras_maxpool.backend.tensorflow.context import Context
from keras_maxpool.geometry.window import Window, parse

DTYPES = arguments.DTYPES
KERNELS = ("direct", "separable", "shifted")
MODES = ("eager", "graph", "xla")
NATIVE = ("float32", "bfloat16")


def window(rank: int, dilation: int = 1, padding: object = "valid") -> Window:
    return parse(rank, 3, 2, padding, dilation, False)


def work(of: Window, dtype: str, mode: str, taped: bool = False, **facts: object) -> plan.Work:
    """As `plan.Work`, with the context's mode and tape spelled out."""
    return plan.Work(of, dtype, Context(mode, taped), **facts)


def choose(implementation: str, of: Window, dtype: str, mode: str, onednn: bool = True) -> tuple:
    """The kernel, and the one whose gradient a tape gets."""
    chosen = plan.choose(implementation, work(of, dtype, mode, True, channels=64, onednn_3d=onednn))
    own = chosen.gradient == plan.OWN
    return chosen.kernel, chosen.kernel if own else chosen.gradient


WINDOWS = {
    f"{rank}d-gap{dilation}-{padding}": window(rank, dilation, padding)
    for rank, dilation, padding in itertools.product((1, 2, 3), (1, 2), ("valid", "same", 1))
}
with_windows = pytest.mark.parametrize("of", WINDOWS.values(), ids=WINDOWS.keys())


@with_windows
@pytest.mark.parametrize("dtype", DTYPES)
def test_auto_takes_one_operation_where_there_is_one(dtype: str, of: Window) -> None:
    """TensorFlow's own, unless it dilates or is 3D in a dtype that MaxPool3D lacks."""
    has_one = not of.dilated and (of.rank < 3 or dtype in NATIVE)
    for mode in ("eager", "graph"):
        assert choose("auto", of, dtype, mode)[0] == ("direct" if has_one else "separable")


@with_windows
@pytest.mark.parametrize("dtype", DTYPES)
def test_auto_takes_views_in_xla(dtype: str, of: Window) -> None:
    assert choose("auto", of, dtype, "xla") == ("shifted", "shifted")


@with_windows
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("implementation", KERNELS)
def test_a_forced_kernel_computes_the_values(implementation: str, mode: str, of: Window) -> None:
    if implementation != "direct" or not of.dilated:
        assert choose(implementation, of, "float32", mode)[0] == implementation


@with_windows
@pytest.mark.parametrize("implementation", KERNELS)
def test_views_have_every_gradient_in_xla(implementation: str, of: Window) -> None:
    if implementation != "direct" or not of.dilated:
        assert choose(implementation, of, "float32", "xla")[1] == "shifted"


@pytest.mark.parametrize(
    ("implementation", "rank", "mode", "onednn", "gradient"),
    [
        ("direct", 1, "eager", False, "direct"),
        ("direct", 2, "eager", False, "direct"),
        ("direct", 2, "graph", False, "direct"),
        # MaxPool3D's own gradient goes to every tied element, but for oneDNN's.
        ("direct", 3, "eager", True, "separable"),
        ("direct", 3, "eager", False, "separable"),
        ("direct", 3, "graph", True, "direct"),
        ("direct", 3, "graph", False, "separable"),
        ("separable", 3, "eager", True, "separable"),
        ("separable", 3, "graph", False, "separable"),
        ("shifted", 3, "eager", True, "shifted"),
        ("shifted", 3, "graph", False, "shifted"),
        ("shifted", 1, "graph", True, "shifted"),
    ],
)
def test_whose_gradient_is_used(
    implementation: str, rank: int, mode: str, onednn: bool, gradient: str
) -> None:
    for dtype in NATIVE:
        _, chosen = choose(implementation, window(rank), dtype, mode, onednn)
        assert chosen == gradient


@pytest.mark.parametrize(
    ("pool", "channels", "mode", "taped", "kernel"),
    [
        (9, 64, "graph", False, "separable"),
        (9, None, "eager", True, "separable"),
        (8, 64, "graph", True, "direct"),
        ((8, 10), 64, "graph", True, "direct"),
        (10, 64, "graph", True, "separable"),
        (6, 16, "eager", False, "direct"),
        (6, 64, "eager", False, "direct"),
        (6, 15, "eager", False, "separable"),
        (5, 3, "graph", False, "separable"),
        (4, 3, "graph", False, "direct"),
        ((4, 6), 3, "graph", False, "direct"),
        # The gradient gains earlier than the values, the fewer channels the earlier.
        (3, 3, "graph", True, "separable"),
        (2, 3, "graph", True, "direct"),
        (6, 15, "graph", True, "direct"),
        (7, 15, "graph", True, "separable"),
        (2, 1, "graph", True, "separable"),
        (2, 1, "eager", True, "direct"),
        (63, 3, "xla", True, "shifted"),
    ],
)
def test_large_windows_and_few_channels_are_pooled_by_axis(
    pool: object, channels: int | None, mode: str, taped: bool, kernel: str
) -> None:
    of = parse(2, pool, 1, "same", 1, False)
    few = work(of, "float32", mode, taped, channels=channels)
    assert plan.choose("auto", few).kernel == kernel


@pytest.mark.parametrize(("pool", "kernel"), [(9, "direct"), (10, "separable")])
def test_longer_strides_read_each_element_less_often(pool: int, kernel: str) -> None:
    few = work(parse(2, pool, 2, "same", 1, False), "float32", "eager", channels=3)
    assert plan.choose("auto", few).kernel == kernel


def test_one_axis_is_pooled_directly_whatever_its_window() -> None:
    long = work(parse(1, 99, 1, "same", 1, False), "float32", "graph", channels=3)
    assert plan.choose("auto", long).kernel == "direct"


@pytest.mark.parametrize("implementation", ["auto", *KERNELS])
def test_large_inputs_have_a_graphs_gradient_in_eager_mode(implementation: str) -> None:
    for elements, in_graph in ((2**17 - 1, False), (2**17, True), (2**18, True), (None, False)):
        eager, graph = (
            plan.choose(
                implementation,
                work(window(2), "float32", mode, True, channels=64, elements=elements),
            )
            for mode in ("eager", "graph")
        )
        assert (eager.gradient == plan.GRAPH) is in_graph
        assert graph.gradient != plan.GRAPH


@with_windows
@pytest.mark.parametrize("dtype", DTYPES)
def test_on_other_devices_the_operation_stays(dtype: str, of: Window) -> None:
    """Where nothing was measured nothing is better; only who wins a tie is still looked after."""
    has_one = not of.dilated and (of.rank < 3 or dtype in NATIVE)
    for mode in MODES:
        other = Context(mode, taped=True, on_cpu=False)
        chosen = plan.choose("auto", plan.Work(of, dtype, other, 1, plan.LARGE))
        assert chosen.kernel == ("direct" if has_one else "separable")
        assert chosen.gradient != plan.GRAPH


@pytest.mark.parametrize(
    ("dtype", "mode", "widened"),
    [
        ("float16", "eager", True),
        ("float16", "graph", True),
        ("float16", "xla", False),
        ("bfloat16", "graph", False),
        ("bfloat16", "xla", True),
        ("float32", "xla", False),
        ("float64", "graph", False),
    ],
)
def test_gradients_of_16_bits_are_summed_in_32(dtype: str, mode: str, widened: bool) -> None:
    assert plan.choose("auto", work(window(2), dtype, mode, True)).widened is widened


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
def test_layouts_of_channels_first(
    padding: object, mode: str, taped: bool, elements: int | None, layout: str
) -> None:
    first = work(
        window(2, padding=padding),
        "float32",
        mode,
        taped,
        channels=64,
        elements=elements,
        data_format="channels_first",
        native_channels_first=True,
    )
    moved = plan.CHANNELS_AS_SAMPLES if mode == "xla" else plan.TRANSPOSED
    assert plan.choose("auto", first).layout == layout
    assert plan.choose("separable", first).layout == moved
    assert plan.choose("auto", first._replace(native_channels_first=False)).layout == moved
    last = first._replace(data_format="channels_last", native_channels_first=False)
    assert plan.choose("auto", last).layout == plan.AS_IS


def test_defaults_claim_nothing() -> None:
    """Neither a tape, nor oneDNN."""
    few = work(parse(2, 3, 1, "same", 1, False), "float32", "graph", channels=3)
    assert plan.choose("auto", few).kernel == "direct"
    assert plan.choose("auto", work(window(3), "float32", "graph")).gradient == "separable"


@pytest.mark.parametrize(
    ("dtype", "mode", "taped"),
    [("int32", "graph", True), ("uint8", "xla", True), ("float16", "eager", False)],
)
def test_what_has_no_gradient_needs_none(dtype: str, mode: str, taped: bool) -> None:
    chosen = plan.choose("auto", work(window(3), dtype, mode, taped, elements=plan.LARGE))
    assert (chosen.gradient, chosen.widened) == (plan.OWN, False)


def test_the_gradient_is_not_that_of_repeated_elements() -> None:
    for padding, gradient in (("valid", plan.OWN), ("same", plan.OWN), (1, "direct")):
        for repeats in (True, False):
            context = Context("graph", repeats=repeats)
            of = plan.Work(window(2, padding=padding), "float32", context, channels=64)
            wanted = gradient if repeats else plan.OWN
            assert plan.choose("auto", of).gradient == wanted


@with_windows
def test_names_are_kernels(of: Window) -> None:
    for mode, dtype, onednn in itertools.product(MODES, DTYPES, (True, False)):
        chosen = plan.choose("auto", work(of, dtype, mode, True, onednn_3d=onednn))
        assert isinstance(chosen, plan.Plan)
        assert chosen.kernel in kernels.KERNELS
        assert chosen.gradient in {*kernels.KERNELS, plan.OWN}


def test_implementations_are_auto_and_the_kernels() -> None:
    assert list(arguments.IMPLEMENTATIONS) == ["auto", *kernels.KERNELS]


# Refusals


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("mode", MODES)
def test_direct_cannot_dilate(mode: str, rank: int) -> None:
    match = r"`implementation` \"direct\" cannot dilate; received dilation_rate=\(2,.*Write impl"
    with pytest.raises(ValueError, match=match):
        choose("direct", window(rank, 2), "float32", mode)
    with pytest.raises(ValueError, match=match):
        plan.check("direct", window(rank, 2))


@pytest.mark.parametrize("dtype", [dtype for dtype in DTYPES if dtype not in NATIVE])
@pytest.mark.parametrize("mode", MODES)
def test_direct_has_few_dtypes_in_3d(mode: str, dtype: str) -> None:
    match = f"takes float32 and bfloat16 in 3D; received inputs of dtype {dtype}. Write impl"
    with pytest.raises(TypeError, match=match):
        choose("direct", window(3), dtype, mode)
    with pytest.raises(TypeError, match=match):
        plan.check("direct", window(3), dtype)


@pytest.mark.parametrize("rank", [1, 2])
def test_direct_has_every_dtype_in_1d_and_2d(rank: int) -> None:
    for dtype in DTYPES:
        plan.check("direct", window(rank), dtype)


def test_check_waits_for_a_dtype_that_is_not_known() -> None:
    """A layer is made before it has seen an input."""
    plan.check("direct", window(3))


@with_windows
@pytest.mark.parametrize("implementation", ["auto", "separable", "shifted"])
def test_the_others_can_do_everything(implementation: str, of: Window) -> None:
    for dtype in DTYPES:
        plan.check(implementation, of, dtype)


def test_touches_no_tensor() -> None:
    for value in vars(plan).values():
        module = getattr(value, "__module__", None) or getattr(value, "__name__", "")
        assert not str(module).startswith(("tensorflow", "keras."))
