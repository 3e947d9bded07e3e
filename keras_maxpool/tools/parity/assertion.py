"""`assert_parity`: whether two layers are equal in shapes, outputs and gradients."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_maxpool import arguments
from keras_maxpool.tools.parity import reproduce
from keras_maxpool.tools.parity.compare import (
    Shape,
    UnableError,
    Verdict,
    compare,
    compare_shapes,
)
from keras_maxpool.tools.parity.modes import MODES


def assert_parity(
    layer: keras.Layer,
    reference_layer: keras.Layer,
    input_shape: Shape,
    *,
    dtype: str = "float32",
    modes: Sequence[str] = MODES,
    ties: bool = False,
) -> None:
    """Raises an AssertionError unless two layers return equal shapes, outputs and gradients.

    Both pool one input, drawn from a fixed seed, and must agree to the last bit: no value comes twice in an input of
    floats, and gradients of overlapping windows are sums that every dtype holds exactly. Shapes are compared as
    `compute_output_shape` and a symbolic call return them, outputs and gradients in each mode.

    Args:
        layer: the layer to check; a model will do. It takes one tensor and returns one.
        reference_layer: the layer whose results are right.
        input_shape: the input's shape with its batch, as (2, 8, 8, 3). With None for the batch, functions are traced
            for any batch and called with 2 samples. With `modes=()`, any axis may be None.
        dtype: the input's dtype. The layers' own are theirs.
        modes: some of `"eager"`, `"graph"` (`tf.function`) and `"xla"`; on JAX of `"eager"` and `"jit"`, on PyTorch
            `"eager"` alone.
        ties: whether the input holds three values only, so that gradients depend on which of several maxima gets
            them. Then take keras_maxpool's layers as the reference: the built-in ones follow several rules.

    Raises:
        AssertionError: the layers differ. The message names what differs first, shows the index and both values, and
            ends with a line of Python that compares the same again.
        TypeError: what is no layer; inputs of a dtype that cannot be pooled.
        ValueError: an argument out of range; a reference layer that cannot do the work itself.

    Example:
    >>> import keras, keras_maxpool
    >>> from keras_maxpool.tools.parity import assert_parity
    >>> ours = keras_maxpool.MaxPool2D(3, strides=2, padding="same")
    >>> assert_parity(ours, keras.layers.MaxPool2D(3, strides=2, padding="same"), (None, 7, 8, 3))
    >>> assert_parity(ours, keras.layers.MaxPool2D(3, strides=2), (None, 7, 8, 3))
    Traceback (most recent call last):
    ...
    AssertionError: compute_output_shape differs: (None, 4, 4, 3) instead of (None, 3, 3, 3)
    ...
    """
    for name, given in (("layer", layer), ("reference_layer", reference_layer)):
        if not isinstance(given, keras.Layer):
            raise TypeError(
                f"`{name}` takes a Keras layer; received {name}={given!r}. Write an instance, such as "
                "keras_maxpool.MaxPool2D(2)."
            )
    if isinstance(modes, str):
        raise TypeError(f"`modes` takes a list; received modes={modes!r}. Write modes=[{modes!r}].")
    for mode in modes:
        arguments.choice(mode, "modes", MODES)
    arguments.choice(dtype, "dtype", arguments.DTYPES)
    arguments.flag(ties, "ties")
    shape = _input_shape(input_shape, any_axis=not modes)

    def check(compared_in: Sequence[str], verdicts: Callable[[], list[Verdict]]) -> None:
        try:
            found = verdicts()
        except UnableError as error:
            raise ValueError(
                f"`reference_layer` cannot do this itself ({error}). Give one that can, or another "
                f"`input_shape`, with its batch; received input_shape={shape}."
            ) from error
        for verdict in found:
            if verdict.problem:
                line = reproduce.line(layer, reference_layer, shape, dtype, compared_in, ties)
                where = f" in mode {compared_in[0]!r}" if compared_in else ""
                raise AssertionError(
                    f"{verdict.what} differs{where}: {verdict.problem}\nTo see it again: {line}"
                )

    check([], lambda: compare_shapes(layer, reference_layer, shape, dtype))
    for mode in modes:
        check([mode], lambda: compare(layer, reference_layer, shape, dtype, mode, ties))  # noqa: B023


def _input_shape(given: Any, *, any_axis: bool) -> tuple[int | None, ...]:
    fix = "Write the shape with its batch, input_shape=(2, 8, 8, 3), or with None for any batch."
    sizes = arguments.sequence(given)
    if not sizes:
        raise TypeError(f"`input_shape` takes a tuple; received input_shape={given!r}. {fix}")
    return tuple(
        None
        if size is None and (axis == 0 or any_axis)
        else arguments.positive_int(size, "input_shape", given, fix)
        for axis, size in enumerate(sizes)
    )
