"""`max_pool`: pooling with windows."""

from functools import lru_cache
from typing import Any, NamedTuple

from keras_maxpool import arguments, backend
from keras_maxpool.compat import keras
from keras_maxpool.geometry import checks, output_shapes
from keras_maxpool.geometry import window as windows
from keras_maxpool.geometry.layout import spatial_sizes
from keras_maxpool.ops.masks import convert_mask
from keras_maxpool.ops.operation import Operation, is_symbolic, output_spec


class MaxPool(Operation):
    """A call of `max_pool` in a functional model."""

    tensors = ("inputs", "mask")

    def __init__(self, name: str | None = None, **options: Any) -> None:
        """Holds the op's options, with today's name of the kernel."""
        if "implementation" in options:
            options["implementation"] = arguments.implementation(options["implementation"])
        super().__init__(name, **options)


@MaxPool.wrap
def max_pool(
    inputs: Any,
    pool_size: arguments.Ints = 2,
    strides: arguments.Ints | None = None,
    padding: arguments.Padding = "valid",
    data_format: arguments.DataFormat | None = None,
    *,
    dilation_rate: arguments.Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    nonfinite: arguments.Nonfinite = "backend",
    implementation: arguments.Implementation = "auto",
    mask: Any = None,
    indices_dtype: arguments.IndicesDtype = "int64",
) -> Any:
    """Computes max pooling over 1, 2 or 3 spatial axes.

    Each channel of each sample is pooled on its own. The gradient of a window goes to its first
    maximum in row-major order, in every mode.

    Args:
        inputs: tensor, or what converts to one, of shape `(batch, *spatial, channels)` with 1 to 3
            spatial axes, or `(batch, channels, *spatial)` with `data_format="channels_first"`.
            Its dtype is float16, bfloat16, float32, float64 or one of (u)int8 to (u)int64.
        pool_size: size of the window, in elements: one integer, or one per spatial axis.
        strides: step from one window to the next: one integer, one per spatial axis, or `None`, which
            uses `pool_size`.
        padding: elements to add around the input. They never win a maximum. One of the following
            (strings in any case):
            `"valid"`: none.
            `"same"`: as many as make ceil(size / strides) outputs, the surplus at the end, as
            TensorFlow does.
            `"same_lower"`: as many, the surplus at the start, as ONNX's SAME_LOWER.
            `"causal"`: in 1D only, all of them before the first step, as in `keras.layers.Conv1D`, so
            that no output depends on a later step.
            One integer for every side, one integer per spatial axis, or one `(before, after)` pair
            per spatial axis. Each must be smaller than the dilated window.
        data_format: `"channels_last"` or `"channels_first"`, which says whether the channels are the
            last axis of a tensor or the axis after the batch. `None` uses
            `keras.config.image_data_format()`.
        dilation_rate: step from one element of a window to the next: one integer, or one per spatial
            axis.
        ceil_mode: whether a last window may hang over the end, as in PyTorch. It is dropped if it
            would start in the padding after the end. Needs `padding="valid"` or explicit padding.
        return_indices: whether to return a pair `(values, indices)`. The indices are int64 by default
            and have the shape of the values. Each is the flat index of the window's first maximum in
            the spatial volume of its own sample and channel, in row-major order and without padding:
            PyTorch's convention, in both data formats. A window of padding alone has the index -1.
        nonfinite: the result for NaN, and for windows without a value above the dtype's lowest finite
            number. `"backend"` is the backend's answer at no cost, which depends on the mode on
            TensorFlow. `"ieee"` is NumPy's answer in every mode, at the cost of a second pooling: NaN
            propagates, and -inf stays -inf. On JAX both are `"ieee"`, at no cost.
        implementation: `"auto"`, or the kernel to use: `"direct"` (one `tf.nn.max_pool`),
            `"separable"` (one per spatial axis) or `"shifted"` (slices and their maximum). They
            differ in speed alone. JAX and PyTorch have one kernel, whatever the name.
        mask: boolean tensor, or what converts to one, of shape `(batch, *spatial)` in both data
            formats, or `(batch,)` for whole samples; or `None`. An element whose mask is False never
            wins. The result of a window with no visible element is 0, with the index -1.
        indices_dtype: `"int64"` or `"int32"`. The latter counts volumes of fewer than 2**31 elements.
            JAX has the former where `JAX_ENABLE_X64=1` is set, and returns int32 otherwise.

    Returns:
        The pooled tensor, with the dtype of `inputs`; with `return_indices`, a pair of that and the
        indices. A size n becomes ceil(n / strides) for the named paddings other than `"valid"`.
        Otherwise, with the length L = (pool_size - 1) * dilation_rate + 1 of the dilated window and
        the sum P of the padding before and after, it becomes floor((n + P - L) / strides) + 1; with
        `ceil_mode` the division rounds up.

    Raises:
        TypeError: if an argument has the wrong type, or the dtype of `inputs` cannot be pooled.
        ValueError: if an argument is out of range, two contradict each other, `inputs` has another
            rank, or the window is larger than the padded input.

    Example:
    >>> import keras_maxpool, numpy as np
    >>> ramp = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> keras_maxpool.ops.max_pool(ramp, 2, dilation_rate=2, strides=1)[0, :, :, 0].numpy().tolist()
    [[10.0, 11.0], [14.0, 15.0]]
    >>> values, indices = keras_maxpool.ops.max_pool(ramp, 2, return_indices=True)
    >>> indices[0, :, :, 0].numpy().tolist()
    [[5, 7], [13, 15]]
    """
    x = backend.convert_to_tensor(inputs, "inputs")
    data_format = keras.config.image_data_format() if data_format is None else data_format
    implementation = arguments.implementation(implementation)
    options = (
        *(pool_size, strides, padding, data_format, dilation_rate, ceil_mode, return_indices),
        *(nonfinite, indices_dtype),
    )
    check = _checked if SCALARS.issuperset(map(type, options)) else _checked.__wrapped__
    # JAX's switch of 64-bit types may be set later.
    widest = backend.index_dtype("int64")
    checked = check(checks.known_shape(x.shape), checks.dtype_name(x), *options, widest)
    mask = convert_mask(mask, x.shape, checked.data_format)
    if is_symbolic(x, mask):
        return _output_spec(x, checked, implementation)
    return backend.max_pool(
        x,
        checked.window,
        checked.data_format,
        nonfinite,
        implementation,
        mask,
        checked.indices,
    )


SCALARS = {int, str, bool, type(None)}
"""The types of options whose checks are remembered: a tuple (2.0, 2) would be found as (2, 2)."""


class Checked(NamedTuple):
    """What the arguments of a call come down to; `indices` is their dtype, if they are wanted."""

    window: windows.Window
    data_format: str
    shape: tuple[int | None, ...]
    indices: str | None


# Cached, as most of what an eager call costs beyond TensorFlow's own is checking the same arguments again.
@lru_cache(maxsize=1024, typed=True)
def _checked(
    shape: tuple[int | None, ...] | None,
    dtype: str,
    pool_size: Any,
    strides: Any,
    padding: Any,
    data_format: Any,
    dilation_rate: Any,
    ceil_mode: Any,
    return_indices: Any,
    nonfinite: Any,
    indices_dtype: Any,
    widest: str,
) -> Checked:
    shape = checks.op_shape(shape, dtype, "inputs", pool_size)
    window = windows.parse(len(shape) - 2, pool_size, strides, padding, dilation_rate, ceil_mode)
    data_format = arguments.data_format(data_format)
    arguments.choice(nonfinite, "nonfinite", arguments.NONFINITE)
    arguments.choice(indices_dtype, "indices_dtype", arguments.INDICES_DTYPES)
    pooled = output_shapes.max_pooled(shape, window, data_format)
    wanted = arguments.flag(return_indices, "return_indices")
    indices = (widest if indices_dtype == "int64" else indices_dtype) if wanted else None
    if indices == "int32":
        fix = "Let JAX have 64-bit types: JAX_ENABLE_X64=1."
        fix = 'Write indices_dtype="int64".' if indices_dtype == "int32" else fix
        checks.int32_limit(spatial_sizes(shape, data_format), fix)
    return Checked(window, data_format, pooled, indices)


def _output_spec(x: Any, checked: Checked, implementation: str) -> Any:
    """Returns the results for a symbolic `x` or `mask`."""
    dtype = checks.dtype_name(x)
    backend.check_implementation(implementation, checked.window, dtype)
    return output_spec(checked.shape, dtype, checked.indices)
