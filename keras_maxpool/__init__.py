"""Max pooling for Keras on TensorFlow, JAX, PyTorch: a drop-in for the built-in layers, with the options they lack."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

__version__ = "0.2.0"

_IS_SCRIPT = any(Path(name).name.removesuffix(".exe") == "keras-maxpool" for name in sys.argv[:1])
_IS_COMMAND = _IS_SCRIPT or sys.orig_argv[1:3] == ["-m", "keras_maxpool"]

if TYPE_CHECKING or not _IS_COMMAND:
    from keras_maxpool import compat  # noqa: F401 isort: skip
    from keras_maxpool import ops as ops
    from keras_maxpool.layers import *  # noqa: F403
    from keras_maxpool.layers import __all__ as __all__
else:
    # The command answers --help and --version without Keras and its backend, which take seconds to import.
    def __getattr__(name: str) -> object:
        """Returns a layer, which imports all of them at the first use of one."""
        if not name[0].isupper():
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from keras_maxpool import layers

        return getattr(layers, name)
