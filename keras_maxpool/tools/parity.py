"""Parity: whether two layers are equal in shapes, outputs and gradients.

`assert_parity` compares a layer with a reference, as in a test of one's own; `run` compares every layer of this
package with the built-in one, and `main` is the command for it. `parity_cases` says what is compared, `parity_run`
and `parity_compare` do it, `parity_children` meets the known faults of the built-in, `parity_report` shows it all.
"""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from keras_maxpool import arguments
from keras_maxpool.tools import parity_files, parity_report, parity_reproduce, parity_run
from keras_maxpool.tools.parity_children import Children
from keras_maxpool.tools.parity_compare import (
    MODES,
    Shape,
    UnableError,
    Verdict,
    compare,
    compare_shapes,
)
from keras_maxpool.tools.parity_outcome import Outcome, Result

__all__ = ["assert_parity", "main", "run"]


def assert_parity(
    layer: keras.Layer,
    reference_layer: keras.Layer,
    input_shape: Shape,
    *,
    dtype: str = "float32",
    modes: Sequence[str] = MODES,
    ties: bool = False,
) -> None:
    """Raises an AssertionError unless two layers give equal shapes, outputs and gradients.

    Both pool one input, drawn from a fixed seed, and must agree to the last bit: no value comes twice in an input of
    floats, and gradients of overlapping windows are sums that every dtype holds exactly. Shapes are compared as
    `compute_output_shape` and a symbolic call give them, outputs and gradients in each mode.

    Args:
        layer: the layer to check; a model will do. It takes one tensor and gives one.
        reference_layer: the layer whose results are right.
        input_shape: the input's shape with its batch, as (2, 8, 8, 3). With None for the batch, functions are traced
            for any batch and called with 2 samples. With `modes=()`, any axis may be None.
        dtype: the input's dtype. The layers' own are theirs.
        modes: some of `"eager"`, `"graph"` (`tf.function`) and `"xla"`.
        ties: whether the input holds three values only, so that gradients depend on which of several maxima gets
            them. As the reference take keras_maxpool's layers then: the built-in ones have no one rule.

    Raises:
        AssertionError: the layers differ. The message names what differs first, shows the place and both values, and
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
    AssertionError: compute_output_shape differs: (None, 4, 4, 3) in place of (None, 3, 3, 3)
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
                f"`reference_layer` cannot do this itself ({error}). Give one that can, or another input."
            ) from error
        for verdict in found:
            if verdict.problem:
                line = parity_reproduce.line(
                    layer, reference_layer, shape, dtype, compared_in, ties
                )
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


def run(*, quick: bool, advance: Callable[[str, int, int], None]) -> Outcome:
    """Compares every layer with the built-in one; `advance` is told what comes, and how much is done of how much."""
    steps = parity_run.steps(quick=quick)
    results: list[Result] = []
    with Children() as children:
        for done, step in enumerate(steps):
            advance(f"{step.group}: {step.name}", done, len(steps) + 1)
            results += step.run()
            children.poll()
        advance("known faults of the built-in", len(steps), len(steps) + 1)
        findings = children.wait()
    advance("", len(steps) + 1, len(steps) + 1)
    return Outcome(results, findings)


def main(*, quick: bool, junit_file: Path | None, json_file: Path | None) -> int:
    """Runs the comparison, its progress on stderr and its tables on stdout; 1 if something differs."""
    # The processes for the known faults share a GPU with this one; TensorFlow reads this when it first uses it.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    errors = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.description}"), console=errors) as progress:
        task = progress.add_task("", total=None)

        def advance(what: str, done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, description=what)

        outcome = run(quick=quick, advance=advance)
    # A pipe has no width of its own, and a table cut to 80 columns cannot be read.
    parity_report.render(outcome, Console(width=None if sys.stdout.isatty() else 160))
    if junit_file:
        junit_file.write_bytes(parity_files.to_junit(outcome))
    if json_file:
        json_file.write_text(parity_files.to_json(outcome) + "\n", "utf-8")
    return 0 if outcome.ok else 1
