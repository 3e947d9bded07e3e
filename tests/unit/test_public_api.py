"""A change of a public name, signature, config or command is always on purpose."""

import json
import re
from pathlib import Path

from unit import public_api

import keras_maxpool

ROOT = Path(__file__).parents[2]


def test_nothing_public_changed_by_accident():
    """If this change is meant: say so in CHANGELOG.md, and run `PYTHONPATH=tests python -m unit.public_api`."""
    assert public_api.surface() == json.loads(public_api.SNAPSHOT.read_text("utf-8"))


def test_every_public_name_is_documented():
    for module in public_api.MODULES:
        for name in module.__all__:
            assert (getattr(module, name).__doc__ or "").strip(), f"{module.__name__}.{name}"


def test_the_changelog_has_a_place_for_what_is_next():
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(rf"^## \[{keras_maxpool.__version__}\]", changelog, re.M)
    assert re.fullmatch(r"\d+\.\d+\.\d+", keras_maxpool.__version__)
