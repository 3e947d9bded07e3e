"""What keras-maxpool parity found, as tables for a reader, as JSON, and as JUnit XML."""

import json
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any
from xml.etree import ElementTree

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table
from rich.text import Text

import keras_maxpool
from keras_maxpool.tools.parity_faults import Finding
from keras_maxpool.tools.parity_run import Result

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
SEEN = 60
"""Characters of what the built-in did that the table shows; the files have all."""
FAULTS_SUITE = "known faults of the built-in"


@dataclass(frozen=True)
class Outcome:
    """All comparisons and all findings."""

    results: Sequence[Result]
    findings: Sequence[Finding]

    @property
    def different(self) -> list[Result]:
        """The comparisons in which the sides differ."""
        return [result for result in self.results if result.problem]

    @property
    def wrong(self) -> list[Finding]:
        """The known faults that ours has, too."""
        return [finding for finding in self.findings if finding.ours]

    @property
    def ok(self) -> bool:
        """Whether something was compared in every group, and all of it is equal, and ours has no known fault."""
        compared = all(row.compared for row in self.groups)
        return bool(self.results) and compared and not self.different and not self.wrong

    @property
    def groups(self) -> list["Group"]:
        """The comparisons counted, a row for each group."""
        by_group: dict[str, list[Result]] = {}
        for result in self.results:
            by_group.setdefault(result.group, []).append(result)
        return [
            Group(
                name,
                sum(not result.unable for result in of_group),
                sum(bool(result.problem) for result in of_group),
                sum(bool(result.unable) for result in of_group),
            )
            for name, of_group in by_group.items()
        ]


@dataclass(frozen=True)
class Group:
    """How many comparisons were made, how many differ, and how many the built-in is unable to do."""

    name: str
    compared: int
    different: int
    unable: int


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
        _say(f"  {_probe_line(finding)}", console)
    compared = sum(group.compared for group in outcome.groups)
    different = len(outcome.different) + len(outcome.wrong)
    _say(f"{compared:,} comparisons, {different:,} different; {_machine()}", console)


def _render_findings(findings: Sequence[Finding], console: Console) -> None:
    met = [finding for finding in findings if finding.met]
    if met:
        table = Table("known fault", "the built-in", "ours", "seen here", title="known faults met")
        for finding in met:
            fault = finding.fault
            # As Text, since what was seen may hold brackets, which rich takes for markup.
            seen = Text(finding.builtin)
            seen.truncate(SEEN, overflow="ellipsis")
            table.add_row(fault.name, fault.builtin, fault.ours, seen)
        console.print(table)
    absent = [finding.fault.name for finding in findings if not finding.met]
    if absent:
        _say(f"known faults not met: {'; '.join(absent)}", console)


def _say(text: str, console: Console) -> None:
    """Prints a line as it is, so that it can be pasted."""
    console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)


def _probe_line(finding: Finding) -> str:
    name = finding.fault.probe.__name__
    return f"from keras_maxpool.tools import parity_probes as p; print(p.{name}(p.SIDES['ours']))"


def _machine() -> str:
    found = environment()
    versions = (f"{name} {found[name]}" for name in ("keras_maxpool", "tensorflow", "keras"))
    return f"{', '.join(versions)}, on {' and '.join(found['devices'])}"


def environment() -> dict[str, Any]:
    """What the result depends on."""
    return {
        "keras_maxpool": keras_maxpool.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "devices": sorted({device.device_type for device in tf.config.list_physical_devices()}),
    }


def to_json(outcome: Outcome) -> str:
    """The outcome as a JSON text: environment, groups, differences, what the built-in is unable to do, known faults."""
    return json.dumps(
        {
            "environment": environment(),
            "ok": outcome.ok,
            "groups": [asdict(group) for group in outcome.groups],
            "different": [asdict(result) for result in outcome.different],
            "unable": [asdict(result) for result in outcome.results if result.unable],
            "known_faults": [
                {
                    "name": finding.fault.name,
                    "builtin": finding.fault.builtin,
                    "ours": finding.fault.ours,
                    "met": finding.met,
                    "builtin_here": finding.builtin,
                    "ours_here": finding.ours,
                }
                for finding in outcome.findings
            ],
        },
        indent=1,
    )


def to_junit(outcome: Outcome) -> bytes:
    """The outcome as JUnit XML: a suite for each group, and one in which ours must have no known fault."""
    root = ElementTree.Element("testsuites", name="keras-maxpool parity")
    for group in outcome.groups:
        suite = _suite(
            root, group.name, group.compared + group.unable, group.different, group.unable
        )
        for result in outcome.results:
            if result.group == group.name:
                _test(suite, result.name, result.problem, result.reproduction, result.unable)
    findings = outcome.findings
    suite = _suite(root, FAULTS_SUITE, len(findings), len(outcome.wrong), 0)
    for finding in findings:
        test = _test(suite, finding.fault.name, finding.ours, _probe_line(finding), "")
        met = f"met: {finding.builtin}" if finding.met else "not met"
        ElementTree.SubElement(test, "system-out").text = _xml(met)
    ElementTree.indent(root)
    return ElementTree.tostring(root, "utf-8", xml_declaration=True)


def _suite(
    root: ElementTree.Element, name: str, tests: int, failures: int, skipped: int
) -> ElementTree.Element:
    counts = {"tests": tests, "failures": failures, "skipped": skipped, "errors": 0}
    shown = {key: str(count) for key, count in counts.items()}
    return ElementTree.SubElement(root, "testsuite", {"name": name} | shown)


def _test(
    suite: ElementTree.Element, name: str, problem: str, reproduction: str, unable: str
) -> ElementTree.Element:
    classname = suite.attrib["name"]
    test = ElementTree.SubElement(suite, "testcase", classname=classname, name=_xml(name))
    if problem:
        failure = ElementTree.SubElement(test, "failure", message=_xml(problem))
        failure.text = _xml(reproduction)
    elif unable:
        ElementTree.SubElement(test, "skipped", message=_xml(unable))
    return test


def _xml(text: str) -> str:
    return NOT_XML.sub("?", text)
