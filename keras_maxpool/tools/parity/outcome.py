"""The outcome of keras-maxpool parity as plain data, and the machine it is of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_maxpool.tools.parity.faults import Finding
from keras_maxpool.tools.versions import versions


@dataclass(frozen=True)
class Result:
    """One comparison: equal, different (`problem`), or not made since the built-in is unable (`unable`)."""

    group: str
    name: str
    problem: str = ""
    unable: str = ""
    reproduction: str = ""


@dataclass(frozen=True)
class Group:
    """How many comparisons were made, how many differ, and how many the built-in is unable to do."""

    name: str
    compared: int
    different: int
    unable: int


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
        """Whether something was compared, and all of it is equal, and ours has no known fault."""
        compared = any(group.compared for group in self.groups)
        return compared and not self.different and not self.wrong

    @property
    def groups(self) -> list[Group]:
        """The counts of comparisons, a row for each group."""
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


def environment() -> dict[str, Any]:
    """Returns what the result depends on: versions, the machine and the device."""
    return {**versions(), "device": device()}


def device() -> str:
    """Returns the kind of device that Keras computes on, such as "CPU"."""
    found = keras.ops.zeros(1).device
    if isinstance(found, str):  # TensorFlow's: "/job:localhost/replica:0/task:0/device:CPU:0"
        return found.split(":")[-2]
    kind = getattr(found, "type", "") or found.platform  # PyTorch's and JAX's
    return str(kind).upper()
