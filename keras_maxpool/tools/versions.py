"""Versions and the kind of machine, on which figures and verdicts depend."""

import importlib
import os
import platform

import keras
import numpy as np

import keras_maxpool


def versions() -> dict[str, str | int | None]:
    """Returns the versions of the packages, and the machine."""
    backend = keras.config.backend()
    return {
        "keras_maxpool": keras_maxpool.__version__,
        "backend": backend,
        backend: importlib.import_module(backend).__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
    }


def device() -> str:
    """Returns the kind of device that Keras computes on, such as "CPU"."""
    found = keras.ops.zeros(1).device
    if isinstance(found, str):  # TensorFlow's: "/job:localhost/replica:0/task:0/device:CPU:0"
        return found.split(":")[-2]
    return str(getattr(found, "type", "") or found.platform).upper()
