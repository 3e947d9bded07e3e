"""Versions and the kind of machine, on which figures and verdicts depend."""

import os
import platform

import keras
import numpy as np
import tensorflow as tf

import keras_maxpool


def versions() -> dict[str, str | int | None]:
    """Returns the versions of the packages, and the machine."""
    return {
        "keras_maxpool": keras_maxpool.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
    }
