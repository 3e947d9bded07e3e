"""The choice of a backend: one sentence for other backends of Keras, and one list of what each has."""

import importlib
import re

import pytest
from harness.processes import run_code

from keras_maxpool import backend
from keras_maxpool.compat import keras


@pytest.mark.parametrize(("backend", "name"), [("jax", "JAX"), ("torch", "PyTorch")])
def test_a_backend_that_is_not_installed(backend, name):
    code = f"import sys; sys.modules[{backend!r}] = None; import keras_maxpool"
    process = run_code(code, KERAS_BACKEND=backend)
    assert process.returncode == 1
    last = process.stderr.splitlines()[-1]
    message = f"KERAS_BACKEND={backend} asks for {name}, which is not installed. Install it with "
    assert last.startswith(f"ImportError: {message}")
    assert "KERAS_BACKEND=tensorflow" in last
    # Nothing of what went wrong inside.
    assert "During handling" not in process.stderr
    assert "site-packages/keras" not in process.stderr


def test_another_backend(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "numpy")
    message = "needs Keras on TensorFlow, JAX or PyTorch; this Keras is set to run on numpy. "
    with pytest.raises(ImportError, match=message):
        importlib.reload(backend)


def test_the_seam_is_documented():
    """Each function of the seam has an entry in one docstring, and nothing else has."""
    entries = re.findall(r"^    (\w+)\(", backend.__doc__ or "", re.M)
    assert sorted(entries) == sorted(backend.__all__)
    for name in entries:
        assert callable(getattr(backend, name))
