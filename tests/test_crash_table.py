"""README's table has the rows of the program that makes it, and says of ours that nothing ends a process."""

from __future__ import annotations

from pathlib import Path

from crash_table import CASES

README = Path(__file__).parents[1] / "README.md"


def test_readme_has_the_table() -> None:
    begin = README.read_text().split("`python tests/crash_table.py`):\n\n")[1]
    rows = [line.strip("| ").split(" | ") for line in begin.split("\n\n")[0].splitlines()[2:]]
    assert [name for name, _, _ in rows] == list(CASES)
    assert {ours for _, _, ours in rows} <= {"answers", "ValueError", "InvalidArgumentError"}
    assert sum("ends the process" in builtin for _, builtin, _ in rows) >= 5
