"""Shows the outcome of keras-maxpool parity as tables."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from keras_maxpool.tools.parity.faults import Finding
from keras_maxpool.tools.parity.outcome import Outcome, environment

SHOWN = 120
"""Characters of the built-in's behaviour that the table shows; the files have all."""


def render(outcome: Outcome, console: Console) -> None:
    """Shows the groups, the known faults that were met, and every difference with what reproduces it."""
    table = Table("compared", "comparisons", "equal", "different", "built-in unable")
    for column in table.columns[1:]:
        column.justify = "right"
    for group in outcome.groups:
        equal = group.compared - group.different
        red = f"[bold red]{group.different:,}[/]" if group.different else "0"
        table.add_row(group.name, f"{group.compared:,}", f"{equal:,}", red, f"{group.unable:,}")
    console.print(table)
    _render_findings(outcome.findings, console)
    for reason in dict.fromkeys(result.unable for result in outcome.results if result.unable):
        _say(f"the built-in is unable: {reason}", console)
    for result in outcome.different:
        _say(f"DIFFERENT: {result.group}: {result.name}: {result.problem}", console)
        _say(f"  {result.reproduction}", console)
    for finding in outcome.wrong:
        _say(f"DIFFERENT: known fault, {finding.fault.name}: ours: {finding.ours}", console)
        _say(f"  {finding.line}", console)
    compared = sum(group.compared for group in outcome.groups)
    different = len(outcome.different) + len(outcome.wrong)
    _say(f"{compared:,} comparisons, {different:,} different; {_machine()}", console)


def _render_findings(findings: Sequence[Finding], console: Console) -> None:
    met = [finding for finding in findings if finding.met]
    if met:
        table = Table("known fault", "the built-in, and what it did here", "ours")
        table.title = "known faults met"
        for finding in met:
            fault = finding.fault
            # As Text, since it may hold brackets, which rich takes for markup.
            found = Text(finding.builtin)
            found.truncate(SHOWN, overflow="ellipsis")
            table.add_row(fault.name, Text(f"{fault.builtin}: ").append(found), fault.ours)
        console.print(table)
    absent = [finding.fault.name for finding in findings if not finding.met]
    if absent:
        _say(f"known faults not met: {'; '.join(absent)}", console)


def _say(text: str, console: Console) -> None:
    """Prints a line as it is, so that it can be pasted."""
    console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)


def _machine() -> str:
    found = environment()
    versions = (f"{name} {found[name]}" for name in ("keras_maxpool", found["backend"], "keras"))
    return f"{', '.join(versions)}, on {found['device']}"
