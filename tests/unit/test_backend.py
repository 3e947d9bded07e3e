"""The choice of a backend: one sentence for other backends of Keras, and one list of what each has."""

import importlib
import re

import pytest
from harness.processes import run_code

from keras_maxpool import backend
from keras_maxpool.compat import keras

SENTENCE = "keras_maxpool needs Keras on TensorFlow; this Keras is set to run on {}. "


def test_a_backend_that_is_not_installed():
    process = run_code("import keras_maxpool", KERAS_BACKEND="jax")
    assert process.returncode == 1
    last = process.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: {SENTENCE.format('jax')}")
    assert "KERAS_BACKEND=tensorflow" in last
    # Nothing of what went wrong inside.
    assert "During handling" not in process.stderr
    assert "site-packages/keras" not in process.stderr


def test_another_backend(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(ImportError, match=SENTENCE.format("torch")):
        importlib.reload(backend)


def test_the_seam_is_documented():
    """Each function of the seam has an entry in one docstring, and nothing else has."""
    entries = re.findall(r"^    (\w+)\(", backend.__doc__ or "", re.M)
    assert sorted(entries) == sorted(backend.__all__)
    for name in entries:
        assert callable(getattr(backend, name))
