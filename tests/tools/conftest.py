"""Commands are tested as they write into pipes."""

import pytest


@pytest.fixture(autouse=True)
def no_colours(monkeypatch):
    """With one of these set, rich writes control codes into pipes too, as it was asked to."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
