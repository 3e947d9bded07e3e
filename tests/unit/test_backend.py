"""The choice of a backend: one sentence for other backends of Keras, and one list of what each has."""

from __future__ import annotations

import re

import pytest
from harness.processes import run_code

from keras_maxpool import backend

# What stands in for a backend that is installed, and one that is not.
INSTALLED = """
import keras
keras.config.backend = lambda: "torch"
import keras_maxpool
"""


@pytest.mark.parametrize(
    ("code", "environment", "backend"),
    [
        ("import keras_maxpool", {"KERAS_BACKEND": "jax"}, "jax"),
        (INSTALLED, {}, "torch"),
    ],
    ids=["by the environment", "by its configuration"],
)
def test_one_sentence(code: str, environment: dict[str, str], backend: str) -> None:
    process = run_code(code, **environment)
    assert process.returncode == 1
    last = process.stderr.splitlines()[-1]
    assert last.startswith(
        f"ImportError: keras_maxpool needs Keras on TensorFlow; this Keras is set to run on {backend}."
    )
    assert "KERAS_BACKEND=tensorflow" in last
    # Nothing of what went wrong inside.
    assert "During handling" not in process.stderr
    assert "site-packages/keras" not in process.stderr


def test_tensorflow_by_name() -> None:
    assert run_code("import keras_maxpool", KERAS_BACKEND="tensorflow").returncode == 0


def test_the_seam_is_documented() -> None:
    """Each function of the seam has an entry in one docstring, and nothing else has."""
    entries = re.findall(r"^    (\w+)\(", backend.__doc__ or "", re.M)
    assert sorted(entries) == sorted(backend.__all__)
    for name in entries:
        assert callable(getattr(backend, name))
