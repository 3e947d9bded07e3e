"""Writes the golden files of a release: the models of 0.1.0's, loaded and saved again.

Run by hand, with that release and the lowest Keras that it supports, and once more with TF_USE_LEGACY_KERAS=1, from the
root of the repository. Do not write the files of a release again: they stand for what users have saved. Those of 0.1.0
are of TensorFlow 2.16.2 and Keras 3.3.3, golden_keras_2 of tf_keras 2.16.0.

    PYTHONPATH=tests python -m golden.make_golden_files
"""

import shutil
from pathlib import Path

from harness.keras_version import LEGACY, keras

import keras_maxpool

FOLDER = Path(__file__).parent
FIRST = "v0_1_0"
NAMES = ("golden_keras_2",) if LEGACY else ("golden", "golden_family", "golden_trained")


def main() -> None:
    """Writes each model's files beside those of 0.1.0, whose predictions they must have, too."""
    version = f"v{keras_maxpool.__version__.replace('.', '_')}"
    for name in NAMES:
        model = keras.models.load_model(FOLDER / f"{name}_{FIRST}.keras")
        stem = FOLDER / f"{name}_{version}"
        for suffix in (".keras", ".h5", *([".saved_model"] if LEGACY else [])):
            model.save(stem.with_suffix(suffix))
        if name == "golden_trained":
            model.export(stem.with_suffix(".saved_model"))
        shutil.copy(FOLDER / f"{name}_{FIRST}.npz", stem.with_suffix(".npz"))


if __name__ == "__main__":
    main()
