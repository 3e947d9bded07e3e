"""What figures and verdicts depend on: versions and the machine's kind."""

import os
import platform

import keras
import numpy as np
import tensorflow as tf

import keras_maxpool


def versions() -> dict[str, str | int | None]:
    """Versions of what pools, and what it runs on."""
    return {
        "keras_maxpool": keras_maxpool.__version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
    }
