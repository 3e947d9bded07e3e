"""The notebooks' table of the built-in's faults has the rows of the table that the parity command probes.

Run as a program, this file prints them in Markdown: python tests/docs/test_table_of_faults.py
"""

import json
import re
from pathlib import Path

import pytest
from harness.keras_version import LEGACY

if LEGACY:
    pytest.skip("the tools need Keras 3: unset TF_USE_LEGACY_KERAS", allow_module_level=True)

from keras_maxpool.tools.parity.faults import FAULTS

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "06-differences-export-limits.ipynb"


def table():
    rows = [("what", "built-in", "keras_maxpool"), ("---",) * 3]
    for fault in FAULTS:
        builtin = re.sub("ends the process|hangs", r"**\g<0>**", fault.builtin)
        rows.append((fault.name, builtin, fault.ours))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def test_the_notebook_has_the_table():
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    assert any(f"\n\n{table()}\n\n" in "".join(cell["source"]) for cell in cells)


if __name__ == "__main__":
    print(table())
