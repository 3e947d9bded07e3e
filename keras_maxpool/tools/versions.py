"""Versions and the kind of machine, on which figures and verdicts depend."""

import importlib
import os
import platform

import keras
import numpy as np

import keras_maxpool

BACKEND = keras.config.backend()
BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
"""The backends' names for a reader, by Keras's names, which are those of their modules."""


def backend_version() -> str:
    """Returns the version of the backend."""
    version: str = importlib.import_module(BACKEND).__version__
    return version


def versions() -> dict[str, str | int | None]:
    """Returns the versions of the packages, and the machine."""
    return {
        "keras_maxpool": keras_maxpool.__version__,
        "backend": BACKEND,
        BACKEND: backend_version(),
        "keras": keras.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
    }
