"""`ops.max_pool` in every mode against the NumPy reference: values, indices, derivatives of both orders."""

from itertools import product

import ml_dtypes
import numpy as np
import pytest
import reference
from harness import cases, runner
from harness.assertions import assert_same
from harness.cases import CHOSEN, FLOATS, FORMATS, INTEGERS, LEVEL, TABLE, Config, case, ties, wild
from harness.runner import EVERY_MODE, MODES, run, run_all, with_gradient

from keras_maxpool.arguments import IMPLEMENTATIONS
from keras_maxpool.ops import max_pool

by_mode = pytest.mark.parametrize("mode", MODES)
# In each rank one configuration without dilation, which every kernel does, and one of everything.
PLAIN = [
    Config((9,), 3, 2, "same"),
    Config((6, 7), (3, 2), (2, 1), "same"),
    Config((5, 4, 6), (2, 3, 2), (1, 2, 3), "same"),
]
RICH = [
    Config((9,), 3, 2, ((2, 1),), 2, True),
    Config((6, 7), (3, 2), (2, 1), ((1, 2), (0, 1)), (1, 2)),
    Config((5, 4, 6), (2, 3, 2), (1, 2, 3), ((1, 0), (1, 2), (0, 1)), (2, 1, 1), True),
]
LONG = [Config((40,), 13, 1, "same"), Config((24, 9), (21, 2), 3)]  # pooled in steps
EAGER = "float32", "channels_last"


def forced(implementation, config, dtype="float32"):
    """Whether the op lets this kernel be forced."""
    in_3d = config.rank < 3 or dtype in ("float32", "bfloat16")
    return implementation != "direct" or (not config.dilated and in_3d)


def rows(nonfinite, *cells, fit=lambda mode, options: True):
    """Configurations in modes, with kernels, dtypes and formats that occur in pairs."""
    chosen = cases.assign(
        [(mode, config) for modes, configs in cells for mode in modes for config in configs],
        [IMPLEMENTATIONS, FLOATS, FORMATS],
        lambda mode, config, row: forced(row[0], config, row[1]) and fit(mode, row),
    )
    return [(*row, nonfinite) for row in chosen]


def by_row(rows):
    ids = ["-".join([mode, *options, str(config), kind]) for mode, config, options, kind in rows]
    return pytest.mark.parametrize(("mode", "config", "options", "nonfinite"), rows, ids=ids)


def pooling(config, implementation, data_format, **others):
    own = config.arguments | {"implementation": implementation, "data_format": data_format}
    return lambda x: max_pool(x, **own, **others)


def check(mode, config, options, nonfinite):
    """Values, indices and gradient, exactly, of one traced function for several inputs."""
    implementation, dtype, data_format = options
    names = {"nonfinite": nonfinite, "return_indices": True}
    pool = pooling(config, implementation, data_format, **names)
    function = runner.on_arrays(with_gradient(pool), mode)
    for fill in [wild] if nonfinite == "ieee" else [ties, cases.lowest, cases.ends]:
        given = case(config, fill, dtype, data_format)
        values, indices, gradient = function(given.x, given.upstream)
        what = f"{options} {fill.__name__}"
        assert_same(indices, given.indices, f"indices, {what}")
        if fill is not cases.lowest:  # of which the values are the backend's
            assert_same(values, given.values, f"values, {what}")
            assert_same(gradient, given.gradient, f"gradient, {what}")


@pytest.mark.parametrize("config", TABLE + PLAIN + RICH, ids=str)
def test_every_kernel(config):
    kinds = ["backend"] * (config in TABLE)
    kinds += ["ieee"] * (config in PLAIN + RICH + TABLE[len(CHOSEN) :: 4])
    for implementation, nonfinite in product(IMPLEMENTATIONS, kinds):
        if forced(implementation, config):
            check("eager", config, (implementation, *EAGER), nonfinite)


@by_row(
    rows(
        "backend",
        (EVERY_MODE[:2], CHOSEN + LONG),
        (EVERY_MODE[2:3], CHOSEN[::3] + LONG),
        (EVERY_MODE[3:], CHOSEN[1::2]),
    )
    + rows(
        "ieee",
        (MODES[:1], RICH),
        (MODES[1:], [PLAIN[1], RICH[0], RICH[2]]),
        (EVERY_MODE[3:], [PLAIN[1], RICH[0]]),
    )
)
def test_every_mode(mode, config, options, nonfinite):
    check(mode, config, options, nonfinite)


@pytest.mark.parametrize("config", cases.ONLY_PADDING, ids=str)
def test_windows_of_padding_alone(config):
    for implementation in ("auto", "shifted"):
        check("eager", config, (implementation, *EAGER), "ieee")
        pool = pooling(config, implementation, "channels_last", return_indices=True)
        given = case(config, cases.lowest)
        for mode in MODES if config is cases.ONLY_PADDING[1] else MODES[:1]:
            assert_same(run(pool, mode, given.x)[1], given.indices, implementation)


@pytest.mark.parametrize(
    ("mode", "config"),
    [("eager", config) for config in PLAIN + RICH]
    + [(mode, config) for mode in MODES[1:] for config in (PLAIN[1], RICH[2])]
    + [(mode, PLAIN[0]) for mode in EVERY_MODE[3:]],
    ids=str,
)
def test_without_gradient(mode, config):
    """All dtypes and both formats, in one function; integers at their ends, where "ieee" changes nothing."""
    dtypes = INTEGERS + FLOATS if config.rank < 3 or mode == "eager" else INTEGERS
    # Traced, indices cost most: a third of the dtypes, and not in 3D.
    keys = [
        (dtype, FORMATS[i % 2], mode == "eager" or (config.rank < 3 and i % 3 == 0))
        for i, dtype in enumerate(dtypes)
    ]
    for implementation in IMPLEMENTATIONS if mode == "eager" else ("auto",):
        given, calls = [], []
        for i, (dtype, data_format, with_indices) in enumerate(keys):
            is_integer = "int" in dtype
            if forced(implementation, config, dtype):
                kind = "ieee" if is_integer and i % 4 > 1 else "backend"
                options = {"return_indices": with_indices, "nonfinite": kind}
                fill = cases.ends if is_integer else ties
                given.append((with_indices, case(config, fill, dtype, data_format)))
                pool = pooling(config, implementation, data_format, **options)
                calls.append((pool, given[-1][1].x))
        for result, (with_indices, wanted) in zip(run_all(mode, *calls), given, strict=True):
            what = f"{implementation} {wanted.x.dtype}"
            values, *indices = result if with_indices else [result]
            assert_same(values, wanted.values, f"values, {what}")
            for found in indices:
                assert_same(found, wanted.indices, f"indices, {what}")


def limited(mode, options):
    """Known limits: in XLA these kernels' forward mode is TensorFlow's: float32 alone, its own ties and NaN."""
    return mode == "xla" and options[0] in ("direct", "separable")


@by_row(
    rows(
        "backend",
        (EVERY_MODE[:1], [*PLAIN, *RICH, LEVEL]),
        (EVERY_MODE[1:2], [PLAIN[0], PLAIN[2], RICH[1], LEVEL]),
        (EVERY_MODE[2:3], [PLAIN[1], RICH[0]]),  # a program of XLA takes 50 MB
        (EVERY_MODE[1:2] + EVERY_MODE[3:], [PLAIN[1], Config((1, 1), 3, 2, "same")]),
        fit=lambda mode, options: not limited(mode, options) or options[1] == "float32",
    )
    + rows(
        "ieee",
        (EVERY_MODE[:1], [PLAIN[1], RICH[2]]),
        (MODES[1:], [RICH[0]]),
        fit=lambda *row: not limited(*row),
    )
)
def test_second_order(mode, config, options, nonfinite):
    """Derivatives of the gradient, and the derivative of the values in forward mode."""
    implementation, dtype, data_format = options
    pool = pooling(config, implementation, data_format, nonfinite=nonfinite)
    distinct = case(config, cases.distinct, dtype, data_format)
    kind = wild if nonfinite == "ieee" else ties
    given = distinct if limited(mode, options) else case(config, kind, dtype, data_format)
    tangent = (distinct.x.astype("int64") % 7 - 3).astype(dtype)

    def function(x, upstream, tangent):
        by_upstream, by_input = runner.second_order(pool)(x, upstream, tangent)
        # With "ieee" the square's may be NaN: it is not compared, and so not compiled.
        second = (by_upstream,) if nonfinite == "ieee" else (by_upstream, by_input)
        return second, runner.forward_mode(pool)(x, tangent)

    second, (values, derivative) = run(function, mode, given.x, given.upstream, tangent)
    along = reference.gather(2 * tangent, given.indices, data_format=data_format)
    assert_same(values, given.values, "values of forward mode")
    assert_same(second[0], along, "the gradient's derivative by the upstream one")
    if nonfinite == "ieee" and mode != "eager":
        # A known limit: traced, forward mode returns 0 where a NaN or a smallest value decides.
        usual = given.values.astype(float) > float(ml_dtypes.finfo(dtype).min)
        zero = np.zeros((), dtype)
        derivative, along = np.where(usual, derivative, zero), np.where(usual, along, zero)
    assert_same(derivative, along, "forward mode")
    if nonfinite == "backend":
        upstream, like = 2 * given.upstream * along, {"dtype": dtype, "data_format": data_format}
        by_input = reference.gradient(given.x.shape, given.indices, upstream, **like)
        assert_same(second[1], by_input, "the gradient's derivative by the input")


@by_mode
def test_ieee_in_every_kernel(mode):
    """Each window of three elements that are special, or not."""
    few = np.nan, np.inf, -np.inf, float(np.finfo("float32").min), -0.0, 0.0, 1
    x = np.array(list(product(few, repeat=3)), "float32")[..., None]
    values, indices = reference.pool(x, 3)
    gradient = reference.gradient(x.shape, indices, 7 * np.ones_like(values), dtype="float32")
    pools = [
        with_gradient(pooling(Config((3,), 3), kernel, "channels_last", nonfinite="ieee"))
        for kernel in IMPLEMENTATIONS
    ]
    function = lambda x, upstream: [pool(x, upstream) for pool in pools]  # noqa: E731
    results = run(function, mode, x, 7 * np.ones_like(values))
    for kernel, (actual, derivative) in zip(IMPLEMENTATIONS, results, strict=True):
        assert_same(actual, values, kernel)
        assert_same(derivative, gradient, kernel)


@pytest.mark.parametrize(
    ("mode", "config"),
    [
        *(("eager", config) for config in PLAIN + RICH),
        *((mode, RICH[1]) for mode in EVERY_MODE[1:]),
    ],
    ids=str,
)
def test_nothing_to_pool(mode, config):
    calls = []
    for data_format in FORMATS:
        full = case(config, ties, data_format=data_format)
        pool = pooling(config, "auto", data_format, return_indices=mode == "eager")
        for axis in (0, -1 if data_format == "channels_last" else 1):
            empty = [np.take(array, [], axis) for array in (full.x, full.upstream)]
            calls.append((with_gradient(pool), *empty))
    for result, (_, x, upstream) in zip(run_all(mode, *calls), calls, strict=True):
        values, *indices, gradient = result
        assert_same(values, upstream)
        assert_same(gradient, x)
        assert all(found.shape == upstream.shape for found in indices)


@by_mode
def test_gradients_of_16_bits_are_rounded_once(mode):
    """Each 1 on its own would be lost beside the largest."""
    dtype, large = ("bfloat16", 256) if mode == "xla" else ("float16", 2048)
    for upstream in ([large, 1, 1], [1, 1, large]):
        x, dy = (np.array([n], dtype)[..., None] for n in ([0, 0, 9, 0, 0], upstream))
        _, gradient = run(with_gradient(lambda x: max_pool(x, 3, 1)), mode, x, dy)
        assert gradient[0, 2, 0] == large + 2


@by_mode
def test_an_axis_of_padding_alone_beside_others(mode):
    """Found by the fuzzer: axis by axis, the others have no elements to pool."""
    xs = [np.zeros((1, 4, 0, 4, 1), dtype) for dtype in ("float16", "uint64")]
    options = {"padding": (0, 1, 0), "return_indices": True, "nonfinite": "ieee"}
    pool = lambda x: max_pool(x, 2, **options)  # noqa: E731
    for x, (values, indices) in zip(xs, run_all(mode, *((pool, x) for x in xs)), strict=True):
        assert_same(values, np.full((1, 2, 1, 2, 1), reference.lowest(x.dtype), x.dtype))
        assert np.all(indices == -1)


@by_mode
def test_padding_leaves_the_sign_of_zeros(mode):
    xs = [np.full((1, *[4] * rank, 1), -0.0, "float32") for rank in (1, 2, 3)]
    for y in run(lambda *xs: [max_pool(x, 2, padding=1) for x in xs], mode, *xs):
        assert np.all(np.signbit(y))


# Arguments


def test_takes_what_converts_to_a_tensor():
    rows = [[[1.0], [3.0], [2.0], [0.0]]]
    assert np.asarray(max_pool(rows)).tolist() == [[[3.0], [2.0]]]


def test_refuses():
    """What no layer is asked, which say the rest."""
    x = np.zeros((1, 4, 1), "float32")
    for axes in (1, 2, 6):
        with pytest.raises(ValueError, match="must have 1, 2 or 3 spatial axes"):
            max_pool(np.zeros((1,) * axes))
    with pytest.raises(ValueError, match=r'`indices_dtype` is unknown.*Write "int64" or "i'):
        max_pool(x, indices_dtype="int16")
    with pytest.raises(
        ValueError, match=r"`padding` .* makes the shape \(0, 1073741822, 107374182"
    ):
        max_pool(np.zeros((0, 1, 1, 1, 1)), 2**30, 1, 2**30 - 2)
    with pytest.raises(TypeError, match="`return_indices` takes True or False; received return_i"):
        max_pool(x, return_indices=1)
    for dtype in ("bool", "complex64"):
        with pytest.raises(TypeError, match=f"takes float16, .*; received inputs of dtype {dtype}"):
            max_pool(x.astype(dtype))
