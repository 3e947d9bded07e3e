"""README's table of what ends a process is that of the program that makes it, and holds of ours on this machine too."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.keras_version import keras_3_alone
from robustness.crash_table import CASES, outcome

README = Path(__file__).parents[2] / "README.md"


def rows() -> list[list[str]]:
    begin = README.read_text(encoding="utf-8").split(
        "`python tests/robustness/crash_table.py`):\n\n"
    )[1]
    return [line.strip("| ").split(" | ") for line in begin.split("\n\n")[0].splitlines()[2:]]


def test_readme_has_the_table() -> None:
    assert [name for name, _, _ in rows()] == list(CASES)
    assert sum("ends the process" in builtin for _, builtin, _ in rows()) >= 5


@keras_3_alone
@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_ours_answers_or_raises(name: str) -> None:
    """As the row says: no case ends the process, or hangs."""
    said = {name: ours for name, _, ours in rows()}[name]
    assert said in ("answers", "ValueError", "InvalidArgumentError")
    assert outcome("keras_maxpool", CASES[name]) == said
