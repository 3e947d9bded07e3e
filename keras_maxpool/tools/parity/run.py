"""Makes every comparison of keras-maxpool parity, each with its result."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras

import keras_maxpool
from keras_maxpool.tools.errors import one_line
from keras_maxpool.tools.parity import cases as parity_cases
from keras_maxpool.tools.parity import checks, reproduce
from keras_maxpool.tools.parity.cases import GRAPH_ANY_BATCH, RANKS, SPELLINGS, Case
from keras_maxpool.tools.parity.compare import (
    UnableError,
    Verdict,
    compare,
    compare_shapes,
)
from keras_maxpool.tools.parity.outcome import Result, device


@dataclass(frozen=True)
class Step:
    """A few comparisons that are made together."""

    group: str
    name: str
    run: Callable[[], list[Result]]


def steps(*, quick: bool) -> list[Step]:
    """Returns all that is to be done, in the order of the table's rows."""
    # Which of several tied elements a GPU's library picks is not defined.
    on_cpu = device() == "CPU"
    cases = [case for case in parity_cases.cases(quick=quick) if on_cpu or not case.ties]
    forms = parity_cases.forms(quick=quick)
    return [
        *(Step(case.group, case.name, partial(_values, case)) for case in cases),
        *(Step(f"{form.rank}D shapes", form.name, partial(_shapes, form)) for form in forms),
        *_checks(forms),
    ]


def our_layer(case: Case) -> keras.Layer:
    """Returns our layer for a case."""
    return getattr(keras_maxpool, case.spelling)(**case.arguments)


def builtin_layer(case: Case) -> keras.Layer:
    """Returns the built-in layer for a case."""
    return getattr(keras.layers, case.spelling)(**case.arguments)


def _values(case: Case) -> list[Result]:
    mode = "graph" if case.mode == GRAPH_ANY_BATCH else case.mode
    given = case.input_shape, case.dtype
    return _results(
        case.group,
        case.name,
        case,
        lambda ours, builtin: compare(ours, builtin, *given, mode, case.ties),
        lambda ours, builtin: reproduce.line(ours, builtin, *given, [mode], case.ties),
    )


def _shapes(form: Case) -> list[Result]:
    results = []
    _, *sizes = form.input_shape
    for shape in ((2, *sizes), (None, *sizes), _any_size(form)):
        results += _results(
            f"{form.rank}D shapes",
            f"{form.name} {shape}",
            form,
            partial(compare_shapes, shape=shape, dtype=form.dtype),
            partial(reproduce.line, shape=shape, dtype=form.dtype, modes=[], ties=False),
        )
    return results


def _any_size(form: Case) -> tuple[int | None, ...]:
    sizes: list[int | None] = [None] * len(form.input_shape)
    channels = 1 if form.data_format == "channels_first" else -1
    sizes[channels] = form.input_shape[channels]
    return tuple(sizes)


def _results(
    group: str,
    name: str,
    case: Case,
    verdicts: Callable[[keras.Layer, keras.Layer], list[Verdict]],
    line: Callable[[keras.Layer, keras.Layer], str],
) -> list[Result]:
    try:
        builtin = builtin_layer(case)
    except Exception as error:  # as any that a built-in layer raises later
        return [Result(group, name, unable=one_line(error))]
    try:
        ours = our_layer(case)
    except Exception as error:  # whatever it is, the built-in takes these arguments
        reproduction = f"import keras_maxpool; keras_maxpool.{case.spelling}(**{case.arguments!r})"
        return [Result(group, name, f"raised {one_line(error)}", reproduction=reproduction)]
    try:
        found = verdicts(ours, builtin)
    except UnableError as error:
        return [Result(group, name, unable=str(error))]
    return [
        Result(
            group,
            f"{verdict.what} of {name}",
            verdict.problem,
            reproduction=line(ours, builtin) if verdict.problem else "",
        )
        for verdict in found
    ]


def _checks(forms: list[Case]) -> Iterator[Step]:
    for rank in RANKS:
        yield _check(f"{rank}D names", checks.names, rank)
        for form in forms:
            if form.rank == rank:
                yield _check(f"{rank}D config", checks.config, form.spelling, **form.arguments)
        for name in (f"{spelling}{rank}D" for spelling in SPELLINGS):
            yield _check(f"{rank}D saving", checks.spelling_in_a_config, name)
            for suffix in (".keras", ".h5"):
                yield _check(f"{rank}D saving", checks.saved_model, name, suffix)


def _check(group: str, check: Callable[..., None], *args: Any, **options: Any) -> Step:
    shown = [*map(repr, args), *(f"{name}={value!r}" for name, value in options.items())]
    call = f"{check.__name__}({', '.join(shown)})"

    def run() -> list[Result]:
        try:
            check(*args, **options)
        except (
            Exception
        ) as error:  # an AssertionError describes a difference, any other error is one
            problem = str(error) if isinstance(error, AssertionError) else one_line(error)
            line = f"from keras_maxpool.tools.parity import checks; checks.{call}"
            return [Result(group, call, problem, reproduction=line)]
        return [Result(group, call)]

    return Step(group, call, run)
