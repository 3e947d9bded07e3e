"""Writes files in one step: whoever reads or writes one at the same time never sees a part of it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """Yields a path to write to; if all went well, the file written there replaces `path` in one step."""
    # A device, such as /dev/stdout, cannot be replaced.
    if path.exists() and not path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix=".keras_maxpool_", dir=path.parent) as folder:
        # Keras does not know .H5 and .KERAS.
        made = Path(folder, path.stem + path.suffix.lower())
        yield made
        os.replace(made, path)
