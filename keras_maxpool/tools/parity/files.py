"""Writes the outcome of keras-maxpool parity as JSON and as JUnit XML."""

import json
import re
from dataclasses import asdict
from xml.etree import ElementTree

from keras_maxpool.tools.parity.modes import BACKEND
from keras_maxpool.tools.parity.outcome import Outcome, environment

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
FAULTS_SUITE = "known faults of the built-in"


def to_json(outcome: Outcome) -> str:
    """Returns the outcome as JSON: environment, groups, differences, what the built-in cannot do, known faults."""
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
    """Returns the outcome as JUnit XML: a suite for each group, and one in which ours must have no known fault."""
    root = ElementTree.Element("testsuites", name=f"keras-maxpool parity on {BACKEND}")
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
        test = _test(suite, finding.fault.name, finding.ours, finding.line, "")
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
