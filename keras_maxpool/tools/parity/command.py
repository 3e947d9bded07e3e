"""keras-maxpool parity: every layer of this package compared with the built-in one.

`cases` says what is compared, `run` and `compare` do it, `children` meets the known faults of the built-in, `report`
shows it all.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from keras_maxpool.tools.parity import files, report
from keras_maxpool.tools.parity import run as parity_run
from keras_maxpool.tools.parity.children import Children
from keras_maxpool.tools.parity.outcome import Outcome, Result


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
    report.render(outcome, Console(width=None if sys.stdout.isatty() else 160))
    if junit_file:
        junit_file.write_bytes(files.to_junit(outcome))
    if json_file:
        json_file.write_text(files.to_json(outcome) + "\n", "utf-8")
    return 0 if outcome.ok else 1
