"""Keeps what libraries write to stderr from the commands' own output."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LOGGERS = ("absl", "tensorflow")
"""Python's loggers of Keras and TensorFlow: advice on formats, and on functions that are traced on purpose."""

SKIPPED = "Skipping variable loading for optimizer"
"""How Keras's warning begins about an optimizer's state that does not fit the optimizer which the file names."""


@contextmanager
def quiet_import() -> Iterator[None]:
    """Imports TensorFlow without its log, as Keras does on every backend; exceptions still arrive."""
    # TensorFlow reads this once. What it logs before it has read it goes to the file descriptor at any level.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stderr = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def start_xla() -> None:
    """Compiles something, as TensorFlow 2.18 logs its first compilation at any level."""
    import tensorflow as tf

    with quiet_import():
        tf.function(lambda: tf.zeros([]), autograph=False, jit_compile=True)()


@contextmanager
def quiet() -> Iterator[None]:
    """Silences the libraries' loggers, and says each Python warning in one line."""
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _say
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _say(message: Warning | str, *_: Any, **__: Any) -> None:
    line = " ".join(str(message).split())
    if line.startswith(SKIPPED):
        line = "The optimizer's state in the file does not fit its optimizer; it starts from zero."
    print(f"note: {line}", file=sys.stderr)
