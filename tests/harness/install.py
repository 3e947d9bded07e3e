"""What some tests need besides the extra "test", and the one line that installs all of it."""

from __future__ import annotations

from types import ModuleType

import pytest

LINE = "pip install '.[test,peers,export,legacy]'"


def needs(module: str) -> ModuleType:
    """The module, or a skip that says how to install it."""
    return pytest.importorskip(module, reason=f"{module} is missing: {LINE}")
