"""README's table of the built-in's faults has the rows of the table that the parity command probes.

Run as a program, this file prints them in Markdown: python tests/docs/test_readme_faults.py
"""

import re
from pathlib import Path

import pytest
from harness.keras_version import LEGACY

if LEGACY:
    pytest.skip("the tools need Keras 3: unset TF_USE_LEGACY_KERAS", allow_module_level=True)

from keras_maxpool.tools.parity.faults import FAULTS

README = Path(__file__).parents[2] / "README.md"


def table():
    rows = [("what", "built-in", "keras_maxpool"), ("---",) * 3]
    for fault in FAULTS:
        builtin = re.sub("ends the process|hangs", r"**\g<0>**", fault.builtin)
        rows.append((fault.name, builtin, fault.ours))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def test_readme_has_the_table():
    assert f"\n\n{table()}\n\n" in README.read_text("utf-8")


if __name__ == "__main__":
    print(table())
