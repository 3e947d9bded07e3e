"""What the commands' consoles share: plain text, lines and bars of progress on stderr, names that fit a column."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

PLAIN: dict[str, Any] = {"markup": False, "highlight": False, "emoji": False}
"""Options for text that may look like markup, such as the name of a layer."""

Advance = Callable[[str, int, int], None]
"""Called with the name of a step, the number of steps that are done, and the number of all."""


def notes() -> Console:
    """Returns the console for lines about what is being done, and about what went wrong."""
    return Console(stderr=True, soft_wrap=True, **PLAIN)


@contextmanager
def progress() -> Iterator[Advance]:
    """Shows a bar; yields the function that advances it."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, TextColumn("{task.description}"), console=console) as bar:
        task = bar.add_task("", total=None)

        def advance(step: str, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description=step)

        yield advance


def shortened(name: str, width: int) -> str:
    """Returns a name in so many characters, without its middle if it is longer."""
    if len(name) <= width:
        return name
    end = (width - 1) // 2
    return f"{name[: width - 1 - end]}…{name[-end:]}"
