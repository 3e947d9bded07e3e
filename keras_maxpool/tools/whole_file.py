"""Files that are there whole, or as they were: whoever reads or writes one at the same time sees no part of another."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """A path to write to; what stands there takes the place of `path` in one step, if all went well."""
    # Such as /dev/stdout, which nothing can take the place of.
    if path.exists() and not path.is_file():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix=".keras_maxpool_", dir=path.parent) as folder:
        # Keras does not know .H5 and .KERAS.
        made = Path(folder, path.stem + path.suffix.lower())
        yield made
        os.replace(made, path)
