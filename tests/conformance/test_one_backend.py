"""Each backend stands alone."""

from harness.processes import run_code
from harness.runner import BACKEND


def test_nothing_imports_another_backend():
    # Keras itself imports JAX where that is installed.
    code = "import sys, keras; own = set(sys.modules); import keras_maxpool; print(*sys.modules); print(*own)"
    child = run_code(code, KERAS_BACKEND=BACKEND)
    modules, own = (set(line.split()) for line in child.stdout.splitlines())
    assert f"keras_maxpool.backend.{BACKEND}" in modules, child.stderr
    others = {"tensorflow", "jax", "torch"} - {BACKEND}
    assert not others & (modules - own)
    assert "tensorflow" not in modules - {BACKEND}
